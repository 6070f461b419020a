"""What every reader shares: which files below a root are films and which are not, and the table that a reader returns."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from hilum.cells import escape
from hilum.data.decoding.kinds import OTHER_PICTURES, PICTURES, tell_kind
from hilum.data.readers.found_files import find_files

OTHER_FORM, NO_FILM, STRAY_MASK = "picture of another form", "no film", "mask without a film"

# What a reader may know of a film; prepare adds the rest of records.MANIFEST. An empty string means "no information".
READ_COLUMNS = (
    "image_id",  # path without its ending, until prepare puts the source's name in front
    "path",  # relative to the root, with forward slashes
    "patient_id",
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
    """The films below a root that are pictures, sorted, relative to it: by content, or because their ending says so.

    Masks, tables, system files and pictures that hilum drew are no films; DICOM is read by readers of its own.

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


def list_unread(root: Path, table: pd.DataFrame) -> list[dict[str, str]]:
    """Files below a root that are no film for a reader of pictures, as `name_left_out` names them.

    table: what the reader read; masks that it names are none of these, and tables that its `attrs["tables"]` names.
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
    """A sentence on each kind of file below a root that nobody takes for a film; table: see `list_unread`."""
    found = find_files(root)
    tables = [path for path in found.tables if str(path) not in table.attrs.get("tables", [])]
    told = {"system files": found.system, "pictures drawn by hilum": found.drawn, "tables that no setting names": tables}
    return [f"{what}, not read: {len(paths)}, such as {name_some(paths)}" for what, paths in told.items() if paths]


def make_table(films: Sequence[PurePosixPath], rows: Iterable[dict[str, str]], **same: str) -> pd.DataFrame:
    """The table that a reader returns: a row per film in READ_COLUMNS and `same` in every row.

    Its `attrs["notes"]` is an empty list of sentences for a person; its `attrs["left_out"]` an empty list of mappings with the
    keys of copies.PROBLEMS, one for each film or row of a table that the reader did not take (see `name_left_out`). A reader adds
    `attrs["tables"]`: the names of the tables that it read. A path that UTF-8 cannot hold is escaped (`cells.escape`):
    `attrs["files"]` leads from it to the file's own name.
    """
    named = [row | {"image_id": name, "path": str(path)} for row, name, path in zip(rows, _name_films(films), films, strict=True)]
    table = pd.DataFrame([{key: escape(cell) for key, cell in row.items()} for row in named]).assign(**same)
    table = table.reindex(columns=list(READ_COLUMNS), fill_value="").fillna("").astype(str)
    files = [row[key] for row in named for key in ("path", "lung_mask", "lesion_mask") if key in row]
    table.attrs |= {"notes": [], "left_out": []}
    if odd := {escape(file): file for file in files if escape(file) != file}:
        table.attrs["files"] = odd
    return table


def name_left_out(path: str, problem: str, detail: str) -> dict[str, str]:
    """One row of `attrs["left_out"]`: a film, or the name of a film that is not there, and why it is no row of the table."""
    return {
        "image_id": str(PurePosixPath(path).with_suffix("")) if path else "",
        "path": path,
        "problem": problem,
        "detail": detail,
    }


def name_some(paths: Sequence[PurePosixPath]) -> str:
    """The first three paths, for a message."""
    return ", ".join(str(path) for path in paths[:3])


def _name_films(films: Sequence[PurePosixPath]) -> list[str]:
    """Path without ending; two files that differ in the ending alone keep it, so that names stay unique."""
    count = Counter(path.with_suffix("") for path in films)
    return [str(path.with_suffix("") if count[path.with_suffix("")] == 1 else path) for path in films]
