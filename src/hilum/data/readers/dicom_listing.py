"""Shared by the readers of DICOM: which files are DICOM films, the content of their headers, and a table without names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING

import pandas as pd

from hilum.data.decoding.kinds import OTHER_PICTURES, tell_kind
from hilum.data.decoding.links import NO_FILES
from hilum.data.readers.dicom_patients import check_patients
from hilum.data.readers.found_files import find_files
from hilum.data.readers.identity import hash_films, name_films, read_salt
from hilum.data.readers.listing import NO_FILM, OTHER_FORM, READ_COLUMNS, list_dicoms, name_left_out
from hilum.data.readers.table_files import read_table

if TYPE_CHECKING:
    from hilum.data.readers.film_header import FilmHeader


AT_ONCE = 2 * 2**20  # bytes of a table that `check` reads completely, in a tenth of a second


@dataclass(frozen=True)
class DicomFile:
    """file: relative to the root; it may contain a name and stays in memory. header: empty, and not `read`, if damaged."""

    file: PurePosixPath
    header: "FilmHeader"
    read: bool = True


def read_headers(root: Path, keys: Path | None, burned_in: bool) -> tuple[list[DicomFile], list[str]]:
    """Every DICOM film below a root with its header, and notes; objects without pixels are left out.

    keys: root beside which the salt is; the root itself if None. burned_in: see `read_film_header`.

    Raises:
        ValueError: no DICOM film below the root, or no salt.
    """
    from hilum.data.readers.film_header import FilmHeader, read_film_header  # pydicom takes a fifth of a second

    salt = read_salt(keys or root)
    films, others = [], 0
    for file in list_dicoms(root):
        with (root / file).open("rb") as stream:
            try:
                header, read = read_film_header(stream, salt, burned_in), True
            except ValueError:
                header, read = FilmHeader(image=True), False  # decoding it reports the fault
        if header.image:
            films.append(DicomFile(file, header, read))
        others += not header.image
    if not films:
        raise ValueError(f"a source of DICOM films must hold some, got none below {root}; check `root`")
    return films, [f"DICOM files without an image (reports, directories): {others}, left out"] if others else []


def list_unread_beside(root: Path, table: pd.DataFrame) -> tuple[list[dict[str, str]], list[str]]:
    """Files below a root that are no DICOM, as `name_left_out` has them, and notes on those that are clearly no films.

    Paths may contain patients' names, so a file is named by the SHA-256 of its bytes; the key beside the root says which it is.

    table: the reader's table; the masks in it are not among these files.
    """
    found = find_files(root)
    masks = [*found.root_masks, *found.stray_masks, *(mask for of_kind in found.masks.values() for mask in of_kind.values())]
    why = dict.fromkeys(
        [*found.pictures, *masks], (OTHER_FORM, "a source of DICOM films takes no other pictures, nor files of masks")
    )
    why |= {
        path: (OTHER_FORM if kind in OTHER_PICTURES else NO_FILM, tell_kind(kind))
        for path, kind in found.others.items()
        if kind not in NO_FILES
    }
    taken = {str(table.attrs["files"][mask]) for mask in table["lesion_mask"] if mask}
    files = sorted(path for path in why if str(path) not in taken)
    left = [name_left_out(sha, *why[path]) for path, sha in zip(files, hash_films(root, files), strict=True)]
    excused = {"system files": found.system, "pictures drawn by hilum": found.drawn}
    return sorted(left, key=lambda row: row["path"]), [
        f"{what}, not read: {len(paths)}" for what, paths in excused.items() if paths
    ]


def make_dicom_table(
    root: Path,
    films: Sequence[DicomFile],
    rows: Sequence[dict[str, str]],
    notes: Sequence[str],
    remedy: str,
    marks: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    **same: str,
) -> pd.DataFrame:
    """The table that a reader of DICOM returns, a row per film in READ_COLUMNS, sorted by the films' hashes.

    image_id and path come from the content. rows: from the source's tables; a patient_id there is already hashed, and an empty
    one is replaced by the header's. `attrs`: notes; files (path in the table -> file below the root), which prepare opens and
    writes nowhere; problems (image_id, problem, detail) for the user. remedy: where else patients may be named. marks: by the
    SHA-256 of a film, see `dicom_marks`.

    Raises:
        ValueError: the headers do not distinguish patients, see `check_patients`.
    """
    telling = [film.header for film, row in zip(films, rows, strict=True) if film.read and not row.get("patient_id")]
    patients, placeholders = [header.patient for header in telling], [header.placeholder for header in telling]
    notes = [*notes, *check_patients(patients, placeholders, len(films), remedy)]
    hashes = hash_films(root, [film.file for film in films])
    ordered = sorted(zip(hashes, films, rows, strict=True), key=lambda one: (one[0], str(one[1].file)))
    names = name_films([sha for sha, _, _ in ordered])
    table = pd.DataFrame(
        [
            {
                "view": film.header.view,
                "age": film.header.age,
                "sex": film.header.sex,
                **row,
                **marks.get(sha, {}),
                "patient_id": row.get("patient_id") or film.header.patient,
                "image_id": image_id,
                "path": path,
            }
            for (sha, film, row), (image_id, path) in zip(ordered, names, strict=True)
        ]
    ).assign(**same)
    table = table.reindex(columns=list(READ_COLUMNS), fill_value="").fillna("").astype(str)
    nameless = int((table["patient_id"] == "").sum())
    more = [f"films whose header names no patient: {nameless}; each counts as a separate patient"] if nameless else []
    table["patient_id"] = table["patient_id"].where(table["patient_id"] != "", table["image_id"])
    table.attrs["notes"] = [*notes, *more]
    table.attrs["files"] = {path: str(film.file) for (_, film, _), (_, path) in zip(ordered, names, strict=True)}
    if absent := len(marks.keys() - set(hashes)):
        table.attrs["notes"].append(f"marks of films that are not below the root: {absent}")
    table.attrs["problems"] = [
        (image_id, problem, detail)
        for (_, film, _), (image_id, _) in zip(ordered, names, strict=True)
        for problem, detail in film.header.remarks
    ]
    return table


def read_labels(root: Path, name: str, columns: Sequence[str], numbers: Sequence[str] = ()) -> pd.DataFrame:
    """A CSV below the root as `read_table` gives it; messages name lines and columns, never values.

    Raises:
        ValueError: not below the root, not there, no table, or a column is missing.
    """
    _check_place(root, name)
    table = read_table(root / name, numbers=numbers)
    _check_columns(table, name, columns)
    return table


def find_label_faults(root: Path, name: str, columns: Sequence[str]) -> list[str]:
    """Faults of a table of `read_labels`, found at once: its place, its columns, and of a small one every line."""
    try:
        _check_place(root, name)
        small = (root / name).stat().st_size <= AT_ONCE
        _check_columns(read_table(root / name, rows=None if small else 0), name, columns)
    except ValueError as fault:
        return [str(fault)]
    return []


def _check_place(root: Path, name: str) -> None:
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise ValueError(f"a table of a source must lie below the root, so that it is versioned with the films, got {name!r}")
    if not (root / name).is_file():
        raise ValueError(f"a table of a source must be below the root, got no {name} below {root}; name it, or put it there")


def _check_columns(table: pd.DataFrame, name: str, columns: Sequence[str]) -> None:
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise ValueError(f"{name} must have the columns {', '.join(columns)}, got {', '.join(table.columns)}; correct the names")
