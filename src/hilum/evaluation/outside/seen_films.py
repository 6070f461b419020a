"""Films that a model was recalibrated on: what its model.json says of them, and which of other films they are."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

RECORD = "recalibrated"  # key of model.json; under BEFORE in it, the record of an earlier recalibration
BEFORE = "before"
HASHED = ("sha256", "pixel_sha256")  # columns of films, and keys of the record's `seen`: bytes and prepared pixels
DIGITS = 16  # of each hash: two films of a million share them once in 40 million times


def keep_hashes(rows: pd.DataFrame) -> dict[str, list[str]]:
    """The films of a table by their bytes and pixels, as a record holds them. rows: columns HASHED."""
    return {column: _shorten(rows[column]) for column in HASHED}


def list_records(described: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Every recalibration of a model, the newest first, from its model.json."""
    found, record = [], described.get(RECORD)
    while isinstance(record, Mapping):
        found.append(record)
        record = record.get(BEFORE)
    return found


def find_seen(rows: pd.DataFrame, record: Mapping[str, Any]) -> NDArray[np.bool_]:
    """(N,) which films of a table were those of a recalibration, by equal bytes or equal prepared pixels."""
    seen = np.zeros(len(rows), bool)
    for column in HASHED:
        known = set(record["seen"][column])
        seen |= np.array([one in known for one in _shorten(rows[column])], bool)
    return seen


def tell_recalibrated_on(rows: pd.DataFrame, described: Mapping[str, Any]) -> list[str]:
    """A sentence for each recalibration that saw some of the films. rows: columns image_id and HASHED."""
    told = []
    for record in list_records(described):
        seen = find_seen(rows, record)
        if seen.any():
            told.append(
                f"{seen.sum()} of {len(rows)} films are those that this model was recalibrated on ({record['site']}, "
                f"{record['date']}), such as {rows['image_id'][seen].iloc[0]}"
            )
    return told


def _shorten(hashes: Iterable[str]) -> list[str]:
    return [one[:DIGITS] for one in hashes]
