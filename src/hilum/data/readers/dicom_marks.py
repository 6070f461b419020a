"""Marks on films of a DICOM source: a table below its root that names each film by the hash of its bytes, never by its file."""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pandas as pd

from hilum.data.readers.dicom_listing import read_labels
from hilum.data.readers.values import read_boxes, write_boxes

FILM, BOXES, MASK = COLUMNS = ("sha256", "boxes", "lesion_mask")
SHA256 = re.compile("[0-9a-f]{64}")
Marks = Mapping[str, Mapping[str, str]]  # SHA-256 of a film -> its cells `boxes` and `lesion_mask` of the manifest


def read_dicom_marks(root: Path, name: str) -> tuple[Marks, dict[str, str]]:
    """The marks in a table below the root, and the masks that they name: name in the manifest -> file below the root.

    Columns: sha256 (of the film's bytes), boxes (JSON `[[x, y, width, height], ...]` in pixels of the film's own size) and
    lesion_mask (a picture below the root, of the film's own size); the last two may be empty. In the manifest a mask is named
    after its film's hash, because a file's name may be that of a patient.

    Raises:
        ValueError: no such table or columns, a film twice or by another name than its hash, an invalid box, or a missing mask.
    """
    table = read_labels(root, name, COLUMNS, numbers=(BOXES,))
    _check_films(table, name)
    marks, files = {}, {}
    for line, film, boxes, mask in table[list(COLUMNS)].itertuples(name=None):
        try:
            cell, _ = write_boxes(read_boxes(boxes), ())
        except ValueError:  # its own message quotes the cell
            raise ValueError(
                f"{BOXES} must be a JSON list of [x, y, width, height], got something else on line {line} of {name}"
            ) from None
        marks[film] = {BOXES: cell, MASK: f"{film}.{MASK}.png" if mask else ""}
        if mask:
            files[marks[film][MASK]] = _find_mask(root, mask, f"line {line} of {name}")
    return marks, files


def _check_films(table: pd.DataFrame, name: str) -> None:
    """Messages name lines: a cell that is no hash may hold a name."""
    odd = [str(line) for line, film in table[FILM].items() if not SHA256.fullmatch(film)]
    if odd:
        raise ValueError(f"{FILM} of {name} must be 64 digits from 0 to f, got something else on line {', '.join(odd[:3])}")
    twice = [str(line) for line in table.index[table[FILM].duplicated()]]
    if twice:
        raise ValueError(f"every film must have one row in {name}, got a second one on line {', '.join(twice[:3])}")


def _find_mask(root: Path, mask: str, where: str) -> str:
    path = PurePosixPath(mask.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not (root / path).is_file():
        raise ValueError(f"{MASK} must be a file below the root, got none on {where}; write the marks again, or empty the cell")
    return str(path)
