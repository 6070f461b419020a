"""The key of all that decides what a stage writes into its run: a retry under the same key goes on in that run."""

import functools
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hilum.results import digest, file_sha256, folder_digest

PACKAGE = Path(__file__).resolve().parents[1]
CODE = (".py", ".html", ".js", ".css")
MASKS = ("data/prepared/lung_masks.npz", "data/prepared/lesion_masks.npz")
WHOLE_MASKS = ("data/prepared/whole_lung_masks.zip", "data/prepared/whole_lesion_masks.zip")
# Folder of results -> files that its stage reads and that the key of a training does not have. That one has the manifest and the
# three parts, and with them the pixels of all films, but of masks the paths alone.
READ: dict[str, tuple[str, ...]] = {
    "evaluation": ("data/prepared/burned_in.csv",),
    "explanations": ("data/split/explain.csv", "data/split/explain_val.csv", *MASKS, *WHOLE_MASKS),
    "audit": (MASKS[0],),
    "external": (),  # its caller gives the digests of its films
}


def stage_key(values: Any, folders: Iterable[Path] = ()) -> str:
    """Hash of JSON-ready values, of the content of folders that the stage reads, of hilum's code and of installed packages.

    A folder that is not there is part of the key too.
    """
    read = {folder.name: folder_digest(folder) if folder.is_dir() else "" for folder in folders}
    return digest([values, read, _code(), _packages()])


def digests_read(root: Path, name: str) -> dict[str, str]:
    """The digests of the files of READ, below the project's root; empty for one that is not there."""
    return {file: file_sha256(root / file) if (root / file).is_file() else "" for file in READ[name]}


@functools.cache
def _code() -> str:
    files = sorted(file for file in PACKAGE.rglob("*") if file.suffix in CODE)
    return digest([[file.relative_to(PACKAGE).as_posix(), file_sha256(file)] for file in files])


@functools.cache
def _packages() -> str:
    """Of the names of their folders, such as `numpy-2.1.0.dist-info`, since reading their versions takes a second."""
    names = {folder.name for place in sys.path for folder in Path(place or ".").glob("*.dist-info")}
    return digest(sorted(names))
