"""Shared by all readers: which files below a root are films and which are not, and the table that a reader returns."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from hilum.cells import escape, escape_name
from hilum.data.decoding.kinds import OTHER_PICTURES, PICTURES, tell_kind
from hilum.data.readers.found_files import find_files, name_some

OTHER_FORM, NO_FILM, STRAY_MASK = "picture of another form", "no film", "mask without a film"

# The columns that a reader may fill; prepare adds the rest of records.MANIFEST. An empty string means "no information".
READ_COLUMNS = (
    "image_id",  # path without its ending, until prepare puts the source's name in front
    "path",  # relative to the root, with forward slashes
    "patient_id",
    "site",
    "official_split",
    "view",
    "finding",
    "age",
    "sex",
    "offset",
    "license",
    "boxes",
    "box_findings",
    "lung_mask",  # relative to the root
    "lesion_mask",
)


def list_films(root: Path) -> list[PurePosixPath]:
    """The films below a root that are pictures, sorted, relative to it: by content or by ending.

    Masks, tables, system files and pictures that hilum drew are no films; DICOM has separate readers.

    Raises:
        ValueError: the root is no folder or holds no film.
    """
    films = find_files(root).pictures
    if not films:
        raise ValueError(f"a source must hold films, got none below {root}; looked for {', '.join(PICTURES)} by content")
    return films


def list_dicoms(root: Path) -> list[PurePosixPath]:
    """The DICOM files below a root, sorted, relative to it: by their content whatever their name, or by an ending of DICOM.

    Raises:
        ValueError: the root is no folder.
    """
    return find_files(root).dicoms


def list_masks(root: Path) -> list[PurePosixPath]:
    """The pictures in the mask folders directly below a root, relative to it."""
    return find_files(root).root_masks


def index_lung_masks(root: Path) -> dict[str, PurePosixPath]:
    """The masks directly below `lung_masks` of a root, by every stem that a table or a film may use for them."""
    masks = [path for path in list_masks(root) if path.parts[0].lower() == "lung_masks"]
    return {stem: path for path in masks for stem in list_stems(path)}


def list_stems(path: PurePosixPath) -> list[str]:
    """The stems of `list_names`."""
    return [PurePosixPath(name).stem for name in list_names(path)]


def list_unread(root: Path, table: pd.DataFrame) -> list[dict[str, str]]:
    """Files below a root that are no film for a reader of pictures, as `name_left_out` names them.

    table: the reader's table; the masks in it and the tables in its `attrs["tables"]` are not among them.
    """
    found = find_files(root)
    left = [
        name_left_out(str(path), OTHER_FORM, "films of DICOM are read by the readers dicom and rsna") for path in found.dicoms
    ]
    for path, kind in found.others.items():
        if str(path) not in table.attrs.get("tables", []):
            left.append(name_left_out(str(path), OTHER_FORM if kind in OTHER_PICTURES else NO_FILM, tell_kind(kind)))
    named = {path for kind in ("lung_mask", "lesion_mask") for path in table[kind]}
    masks = [*found.root_masks, *found.stray_masks, *(mask for of_kind in found.masks.values() for mask in of_kind.values())]
    left += [name_left_out(str(path), STRAY_MASK, "no film takes it") for path in sorted(masks) if str(path) not in named]
    return left


def list_excused(root: Path, table: pd.DataFrame) -> list[str]:
    """A sentence on each kind of file below a root that is clearly no film; table: see `list_unread`."""
    found = find_files(root)
    tables = [path for path in found.tables if str(path) not in table.attrs.get("tables", [])]
    kinds = {"system files": found.system, "pictures drawn by hilum": found.drawn, "tables that no setting names": tables}
    return [f"{what}, not read: {len(paths)}, such as {name_some(paths)}" for what, paths in kinds.items() if paths]


def make_table(films: Sequence[PurePosixPath], rows: Iterable[dict[str, str]], **same: str) -> pd.DataFrame:
    """The table that a reader returns: a row per film in READ_COLUMNS and `same` in every row.

    Its `attrs["notes"]` is an empty list of sentences for the user; its `attrs["left_out"]` an empty list of mappings with the
    keys of copies.PROBLEMS, one for each film or row of a table that the reader did not take (see `name_left_out`). A reader adds
    `attrs["tables"]`: the names of the tables that it read. A path that UTF-8 cannot hold is escaped (`cells.escape_name`):
    `attrs["files"]` maps it to the file's real name. A reader escapes masks itself (`add_files`).
    """
    named = [row | {"image_id": name, "path": str(path)} for row, name, path in zip(rows, _name_films(films), films, strict=True)]
    written = [
        {key: (escape_name if key in ("image_id", "path") else escape)(cell) for key, cell in row.items()} for row in named
    ]
    table = pd.DataFrame(written).assign(**same)
    table = table.reindex(columns=list(READ_COLUMNS), fill_value="").fillna("").astype(str)
    table.attrs |= {"notes": [], "left_out": []}
    add_files(table, films)
    return table


def add_files(table: pd.DataFrame, paths: Iterable[PurePosixPath]) -> None:
    """Add to a reader's table the real name of each file whose path is written differently; in place."""
    names = {escape_name(str(path)): str(path) for path in paths}
    if odd := {written: name for written, name in names.items() if written != name}:
        table.attrs["files"] = table.attrs.get("files", {}) | odd


def name_left_out(path: str, problem: str, detail: str) -> dict[str, str]:
    """One row of `attrs["left_out"]`: a film, or the name of a missing film, and why it is no row of the table."""
    return {
        "image_id": str(PurePosixPath(path).with_suffix("")) if path else "",
        "path": path,
        "problem": problem,
        "detail": detail,
    }


def list_names(path: PurePosixPath) -> tuple[str, ...]:
    """The texts by which a table may name a file: its own name, or if that is not UTF-8, the escaped and the Latin ones."""
    name, raw = str(path), os.fsencode(path)
    if escape_name(name) == name:
        return (name,)
    return tuple(dict.fromkeys((escape_name(name), raw.decode("cp1252", errors="ignore"), raw.decode("latin-1"))))


def _name_films(films: Sequence[PurePosixPath]) -> list[str]:
    """Path without ending; two files that differ in the ending alone keep it, so that names stay unique."""
    count = Counter(path.with_suffix("") for path in films)
    return [str(path.with_suffix("") if count[path.with_suffix("")] == 1 else path) for path in films]
