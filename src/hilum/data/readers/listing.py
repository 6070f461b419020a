"""What every reader shares: which files below a root are films, and the table that a reader returns."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from hilum.cells import escape
from hilum.data.decoding.codestream import is_dicom

SUFFIXES = (".png", ".jpg", ".jpeg")  # compared in lower case
DICOM_SUFFIXES = (".dcm", ".dicom")  # a DICOM may have any other name or none
UNREAD = (".tif", ".tiff", ".bmp", ".gif", ".webp", ".jp2", *DICOM_SUFFIXES)  # pictures that no reader of PNG and JPEG takes
MASK_FOLDERS = ("lung_masks", "lesion_masks")  # beside the films; what lies in them is no film

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
    """The PNG and JPEG files below a root, sorted, relative to it; masks, hidden files and hidden folders are no films.

    Raises:
        ValueError: the root is no folder or holds no film.
    """
    if not root.is_dir():
        raise ValueError(f"the root of a source must be a folder, got {root}, which does not exist; check `root`")
    films = sorted(path for path in _list_pictures(root) if path.parts[0].lower() not in MASK_FOLDERS)
    if not films:
        raise ValueError(f"a source must hold films, got none below {root}; looked for {', '.join(SUFFIXES)} in any case")
    return films


def list_pictures_and_dicoms(root: Path) -> list[PurePosixPath]:
    """Everything below a root that may be a film, sorted, relative to it; for answers to a user who holds the files.

    Raises:
        ValueError: the root is no folder or holds no film.
    """
    dicoms = list_dicoms(root)
    pictures = [path for path in _list_pictures(root) if path.parts[0].lower() not in MASK_FOLDERS]
    if not dicoms and not pictures:
        looked = ", ".join((*SUFFIXES, *DICOM_SUFFIXES))
        raise ValueError(
            f"a folder of films must hold some, got none below {root}; looked for {looked} in any case and for DICOM"
        )
    return sorted([*dicoms, *pictures])


def list_dicoms(root: Path) -> list[PurePosixPath]:
    """The DICOM files below a root, sorted, relative to it: by their content whatever their name, or by an ending of DICOM.

    Raises:
        ValueError: the root is no folder.
    """
    if not root.is_dir():
        raise ValueError(f"the root of a source must be a folder, got {root}, which does not exist; check `root`")
    found = []
    for path in root.rglob("*"):
        relative = PurePosixPath(path.relative_to(root).as_posix())
        if any(part.startswith(".") for part in relative.parts) or not path.is_file():
            continue
        if relative.suffix.lower() in SUFFIXES:  # not opened: a folder may hold a hundred thousand of them
            continue
        with path.open("rb") as stream:
            if is_dicom(stream) or relative.suffix.lower() in DICOM_SUFFIXES:
                found.append(relative)
    return sorted(found)


def list_unread(root: Path) -> list[PurePosixPath]:
    """The files below a root that are pictures by their ending and that `list_films` does not take, sorted, relative to it."""
    found = []
    for path in root.rglob("*"):
        relative = PurePosixPath(path.relative_to(root).as_posix())
        hidden = any(part.startswith(".") for part in relative.parts)
        if relative.suffix.lower() in UNREAD and not hidden and relative.parts[0].lower() not in MASK_FOLDERS and path.is_file():
            found.append(relative)
    return sorted(found)


def list_dead_links(root: Path) -> list[PurePosixPath]:
    """Links below a root that lead to nothing or to a folder, sorted, relative to it: what lies behind them is not read."""
    links = [path for path in root.rglob("*") if path.is_symlink() and not path.is_file()]
    found = [PurePosixPath(path.relative_to(root).as_posix()) for path in links]
    return sorted(path for path in found if not any(part.startswith(".") for part in path.parts))


def list_masks(root: Path) -> list[PurePosixPath]:
    """The PNG and JPEG files of the mask folders directly below a root, relative to it."""
    return [path for path in _list_pictures(root) if path.parts[0].lower() in MASK_FOLDERS]


def make_table(films: Sequence[PurePosixPath], rows: Iterable[dict[str, str]], **same: str) -> pd.DataFrame:
    """The table that a reader returns: a row per film in READ_COLUMNS and `same` in every row.

    Its `attrs["notes"]` is an empty list of sentences for a person; its `attrs["left_out"]` an empty list of mappings with the
    keys of copies.PROBLEMS, one for each film or row of a table that the reader did not take (see `name_left_out`). A path that
    UTF-8 cannot hold is escaped (`cells.escape`): `attrs["files"]` leads from it to the file's own name.
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


def _list_pictures(root: Path) -> list[PurePosixPath]:
    pictures = []
    for path in root.rglob("*"):
        relative = PurePosixPath(path.relative_to(root).as_posix())
        hidden = any(part.startswith(".") for part in relative.parts)
        if relative.suffix.lower() in SUFFIXES and not hidden and path.is_file():
            pictures.append(relative)
    return pictures


def _name_films(films: Sequence[PurePosixPath]) -> list[str]:
    """Path without ending; two files that differ in the ending alone keep it, so that names stay unique."""
    count = Counter(path.with_suffix("") for path in films)
    return [str(path.with_suffix("") if count[path.with_suffix("")] == 1 else path) for path in films]
