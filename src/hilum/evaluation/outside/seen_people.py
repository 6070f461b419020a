"""Patients of the films that a model was recalibrated on: compared where both sides name patients alike, else that is said."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.evaluation.outside.seen_films import DIGITS, list_records

PEOPLE = "people"  # key of a record: naming -> its patients' digests; records of earlier versions have none
Namings = Mapping[str, Sequence[str]]  # source -> the namings of its patients, of `same_people.list_namings`; none: its own


def keep_people(rows: pd.DataFrame, namings: Namings) -> dict[str, list[str]]:
    """The patients of a table as a record holds them: no name, and nothing of a source that names its patients in its own way.

    rows: columns source and patient_id (`<source>/<name>`).
    """
    found: dict[str, set[str]] = {}
    for source, patients in rows.groupby("source")["patient_id"]:
        for naming in namings.get(str(source), ()):
            found.setdefault(naming, set()).update(_digests(patients, naming))
    return {naming: sorted(found[naming]) for naming in sorted(found)}


def find_people(rows: pd.DataFrame, namings: Namings, record: Mapping[str, Any]) -> tuple[NDArray[np.bool_], list[str]]:
    """(N,) which films are of a patient of the recalibration, and the sources whose patients cannot be compared with its."""
    known = {naming: set(digests) for naming, digests in record.get(PEOPLE, {}).items()}
    seen, apart = np.zeros(len(rows), bool), []
    for source in dict.fromkeys(rows["source"]):
        shared = [naming for naming in namings.get(source, ()) if naming in known]
        of_source = (rows["source"] == source).to_numpy()
        for naming in shared:
            patients = rows["patient_id"][of_source]
            seen[of_source] |= np.array([digest in known[naming] for digest in _digests(patients, naming)], bool)
        if not shared:
            apart.append(str(source))
    return seen, apart


def tell_people(rows: pd.DataFrame, namings: Namings, described: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """A sentence for each recalibration that saw other films of the same patients, and for each that cannot be compared.

    rows: columns image_id, source and patient_id.
    """
    told, apart = [], []
    for record in list_records(described):
        seen, foreign = find_people(rows, namings, record)
        whose = f"{record['site']}, {record['date']}"
        if seen.any():
            told.append(
                f"{seen.sum()} of {len(rows)} films are of patients whose films this model was recalibrated on ({whose}), "
                f"such as {rows['image_id'][seen].iloc[0]}"
            )
        if foreign:
            apart.append(
                f"patients of {', '.join(foreign)} are not comparable with those that this model was recalibrated on ({whose}): "
                "neither one naming nor one salt; films were compared by bytes and pixels"
            )
    return told, apart


def _digests(patients: pd.Series, naming: str) -> list[str]:
    """Of names without the prefix of their source."""
    bare = patients.str.split("/", n=1).str[1]
    return [hashlib.sha256(f"{naming}/{name}".encode()).hexdigest()[:DIGITS] for name in bare]
