"""The kind of every file below a root: by its content; an ending only shows that a film was intended."""

import os
import stat
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath

from hilum.data.decoding.kinds import DICOM, DRAWN, EMPTY, PICTURES, find_kind
from hilum.data.decoding.links import NO_FILES, name_no_file
from hilum.data.readers.system_files import is_system_file

SUFFIXES = (  # of pictures that are read, compared in lower case without trailing blanks and underscores
    *(".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".tif", ".tiff", ".bmp", ".dib", ".pbm", ".pgm", ".ppm", ".pnm", ".webp"),
)
DICOM_SUFFIXES = (".dcm", ".dicom")  # a DICOM may have any other name or none
TABLE_SUFFIXES = (".csv", ".tsv", ".json", ".xml", ".yaml", ".yml", ".xls", ".xlsx", ".ods")
MASK_FOLDERS = ("lung_masks", "lesion_masks")  # directly below the root: their files are no films
MASKS = {  # folders among the films -> kind of their masks
    **dict.fromkeys(("mask", "masks", "lung_masks"), "lung_mask"),
    "lesion_masks": "lesion_mask",
}
IMAGES = "images"  # a folder of films next to one of masks; it names no class


@dataclass(frozen=True)
class FoundFiles:
    """All files below a root, relative to it, each in one list and sorted.

    pictures: films of PICTURES by content, and files with such an ending. dicoms: the same of DICOM.
    root_masks: pictures below MASK_FOLDERS. masks: kind -> film -> mask, from folders of masks among the films.
    stray_masks: pictures in such folders that belong to no film. others: file -> its kind (`kinds.find_kind`): no film.
    system, drawn, tables: files that are clearly no films: of the system, panels and figures of hilum, and tables.
    """

    pictures: list[PurePosixPath] = field(default_factory=list)
    dicoms: list[PurePosixPath] = field(default_factory=list)
    root_masks: list[PurePosixPath] = field(default_factory=list)
    masks: dict[str, dict[PurePosixPath, PurePosixPath]] = field(default_factory=dict)
    stray_masks: list[PurePosixPath] = field(default_factory=list)
    others: dict[PurePosixPath, str] = field(default_factory=dict)
    system: list[PurePosixPath] = field(default_factory=list)
    drawn: list[PurePosixPath] = field(default_factory=list)
    tables: list[PurePosixPath] = field(default_factory=list)


def find_files(root: Path) -> FoundFiles:
    """Read the name and the beginning of every file below a root.

    Raises:
        ValueError: the root is no folder.
    """
    if not root.is_dir():
        raise ValueError(f"the root of a source must be a folder, got {root}, which does not exist; check `root`")
    found = FoundFiles()
    pictures: list[PurePosixPath] = []
    for path, kind in _list_kinds(root):
        suffix = read_suffix(path)
        if is_system_file(path):
            found.system.append(path)
        elif kind in NO_FILES:
            found.others[path] = kind
        elif kind == DICOM or suffix in DICOM_SUFFIXES:
            found.dicoms.append(path)
        elif kind == DRAWN:
            found.drawn.append(path)
        elif kind in PICTURES or suffix in SUFFIXES:
            (found.root_masks if path.parts[0].lower() in MASK_FOLDERS and len(path.parts) > 1 else pictures).append(path)
        elif suffix in TABLE_SUFFIXES and kind != EMPTY:
            found.tables.append(path)
        else:
            found.others[path] = kind
    films, masks, strays = _part_masks(pictures)
    found.pictures.extend(films)
    found.masks.update(masks)
    found.stray_masks.extend(strays)
    return found


def read_suffix(path: PurePosixPath) -> str:
    """The ending of a name in lower case, without what copies and downloads append: `.jpg` of `a.jpg ` and `A.JPG_`."""
    return PurePosixPath(path.name.rstrip(" _")).suffix.lower()


def drop_images(path: PurePosixPath) -> PurePosixPath:
    """A path without its folders named `images`, which name no class."""
    return PurePosixPath(*(part for part in path.parts if part.lower() != IMAGES))


def _list_kinds(root: Path) -> list[tuple[PurePosixPath, str]]:
    """Every regular file below a root, sorted, with its kind, and what is no file, see `links`; system files are not opened."""
    found = []
    for path in root.rglob("*"):
        relative = PurePosixPath(path.relative_to(root).as_posix())
        if no_file := name_no_file(path):
            found.append((relative, no_file))
            continue
        try:
            status = path.stat()
        except OSError:
            continue  # removed meanwhile
        if stat.S_ISREG(status.st_mode):
            system = is_system_file(relative)
            found.append((relative, "" if system else _find_kind(os.fspath(path), status.st_size, status.st_mtime_ns)))
    return sorted(found)


@lru_cache(maxsize=2**18)
def _find_kind(path: str, size: int, changed: int) -> str:
    """size, changed: of the file; in the key, so that a file is opened once however often a root is listed."""
    try:
        with Path(path).open("rb") as stream:
            return find_kind(stream)
    except OSError:
        return "file that cannot be opened"


def _part_masks(
    pictures: Sequence[PurePosixPath],
) -> tuple[list[PurePosixPath], dict[str, dict[PurePosixPath, PurePosixPath]], list[PurePosixPath]]:
    """Films, masks by kind and film, and pictures in folders of masks that belong to no film.

    A folder with a name of MASKS holds masks if one of its files has the name of a film next to the folder, or in `images` next
    to it; otherwise its name is that of a class.
    """
    places = {path: k for path in pictures if (k := _find_mask_folder(path)) >= 0}
    by_name = {_name_film(path): path for path in reversed(pictures) if path not in places}
    folders: dict[tuple[str, ...], list[PurePosixPath]] = defaultdict(list)
    for path, k in places.items():
        folders[path.parts[: k + 1]].append(path)
    masks: dict[str, dict[PurePosixPath, PurePosixPath]] = {}
    strays, held = [], set()
    for folder, inside in folders.items():
        films = {path: by_name.get(_name_film(PurePosixPath(*folder[:-1], *path.parts[len(folder) :]))) for path in inside}
        if any(films.values()):
            held |= set(inside)
            of_kind = masks.setdefault(MASKS[folder[-1].lower()], {})
            for path, film in films.items():
                if film is None or film in of_kind:
                    strays.append(path)
                else:
                    of_kind[film] = path
    return [path for path in pictures if path not in held], masks, sorted(strays)


def _find_mask_folder(path: PurePosixPath) -> int:
    """The position of a folder of masks in a path; -1 if there is none."""
    return next((k for k, part in enumerate(path.parts[:-1]) if part.lower() in MASKS), -1)


def _name_film(path: PurePosixPath) -> str:
    """The key shared by a film and its mask: the path without `images` and without the ending."""
    return str(drop_images(path.with_suffix(""))).lower()


def name_some(paths: Sequence[PurePosixPath]) -> str:
    """The first three paths, for a message."""
    return ", ".join(str(path) for path in paths[:3])
