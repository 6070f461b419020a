"""The reader of a hospital's own films: a folder of DICOM files and a table of labels."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from hilum.data.readers.dicom_listing import DicomFile, find_label_faults, make_dicom_table, read_headers, read_labels
from hilum.data.readers.dicom_marks import COLUMNS, read_dicom_marks
from hilum.data.readers.identity import hide_patient, read_salt

REMEDY = (
    "name the column of the table with the patient (`patient` of the source), or, if it is known that every film is of "
    "another person, a column with another word for each film"
)


def read_dicom_folder(
    root: Path,
    table: str,
    path: str = "",
    uid: str = "",
    finding: str = "",
    patient: str = "",
    marks: str = "",
    keys: Path | None = None,
) -> pd.DataFrame:
    """Any folder of DICOM films with a CSV that gives each a finding.

    Images: DICOM files of any name, known by their content; directories and reports among them are left out and counted.
    Patients: the header's PatientID (with its issuer), or the table's column `patient`; in both cases a salted
        hash. A film without either counts as a separate patient, which a note says. Where most films share one PatientID, have a
        placeholder such as ANONYMOUS or 0, or none, the column is required.
    Views: the header's ViewPosition where it is a term of DICOM; age and sex likewise.
    Labels: the column `finding` of the table below the root, a row per film, found by the column `path` (path below the root or
        file name, with or without ending) or by the column `uid` (SOP Instance UID). Their error rate is unknown. A film
        without a row has an empty finding, which prepare reports.
    Boxes, masks: those of the table `marks` below the root, such as `hilum reading --marks` writes (`dicom_marks`).
    Split: none. Licence: unknown.
    Privacy: the table names films by the hash of their content; only the allow-list of `film_header` is read from headers.

    keys: root beside which the salt is, if the films are a copy of it.

    Raises:
        ValueError: no film, no salt, a table without these columns, a row that fits several films, two findings for one film, no
            row that fits a film, or patients that cannot be distinguished.
    """
    _check_named(path, uid, finding)
    drawn, masks = read_dicom_marks(root, marks) if marks else ({}, {})
    films, notes = read_headers(root, keys, burned_in=True)
    matched = uid or path
    wanted = [name for name in (matched, finding, patient) if name]
    rows_of = read_labels(root, table, wanted)
    places = _index_films(films, by_uid=bool(uid))
    found, absent = _match_rows(rows_of[matched], places, table)
    conflicts = [films[k].file for k, lines in found.items() if rows_of.loc[lines, wanted[1:]].drop_duplicates().shape[0] > 1]
    if conflicts:
        lines = found[next(k for k in found if films[k].file == conflicts[0])]
        raise ValueError(
            f"every film must have one finding and one patient, got {len(conflicts)} with several, the first on lines "
            f"{', '.join(map(str, lines))} of {table}; keep one row per film"
        )
    salt = read_salt(keys or root)
    rows = [{"finding": ""} for _ in films]
    for k, lines in found.items():
        rows[k] = {"finding": str(rows_of.at[lines[0], finding])}
        if patient:
            rows[k]["patient_id"] = hide_patient(salt, str(rows_of.at[lines[0], patient]))
    if absent:
        notes.append(f"rows of {table} that fit no film: {len(absent)}, the first on line {absent[0]}")
    if len(found) < len(films):
        notes.append(f"films without a row in {table}: {len(films) - len(found)}; their finding is empty")
    result = make_dicom_table(root, films, rows, notes, REMEDY, drawn)
    result.attrs["files"] |= {name: file for name, file in masks.items() if name in set(result["lesion_mask"])}
    return result


def find_dicom_faults(
    root: Path,
    table: str,
    path: str = "",
    uid: str = "",
    finding: str = "",
    patient: str = "",
    marks: str = "",
    keys: Path | None = None,
) -> list[str]:
    """Faults of the settings, found at once: no table of labels or marks, missing columns, invalid lines.

    keys: unused, as no patient is hashed here.
    """
    try:
        _check_named(path, uid, finding)
    except ValueError as fault:
        return [str(fault)]
    faults = find_label_faults(root, table, [name for name in (uid or path, finding, patient) if name])
    return [*faults, *(find_label_faults(root, marks, COLUMNS) if marks else [])]


def _check_named(path: str, uid: str, finding: str) -> None:
    if bool(path) == bool(uid) or not finding:
        raise ValueError("films are found by a column `path` or `uid`, one of them, and a column `finding` is required")


def _index_films(films: list[DicomFile], by_uid: bool) -> dict[str, set[int]]:
    """Names that a row may use -> the films that they fit."""
    places: dict[str, set[int]] = defaultdict(set)
    for k, film in enumerate(films):
        file = film.file
        names = (film.header.uid,) if by_uid else (str(file), str(file.with_suffix("")), file.name, file.stem)
        for name in names:
            places[name].add(k)
    return places


def _match_rows(names: "pd.Series[str]", places: Mapping[str, set[int]], table: str) -> tuple[dict[int, list[int]], list[int]]:
    """Film -> lines of the table, and the lines that fit no film."""
    found: dict[int, list[int]] = defaultdict(list)
    absent, several = [], []
    for line, name in names.items():
        fits = places.get(name.replace("\\", "/").removeprefix("./"), set()) if name else set()
        if len(fits) > 1:
            several.append(line)
        elif fits:
            found[next(iter(fits))].append(int(str(line)))
        else:
            absent.append(int(str(line)))
    if several:
        raise ValueError(
            f"every row must fit one film, got {len(several)} rows of {table} that fit several, the first on line {several[0]}; "
            "write the path below the root instead of the file name, or match by `uid`"
        )
    if not found:
        raise ValueError(f"the rows of {table} must fit films below the root, got {len(absent)} that fit none; check the column")
    return dict(found), absent
