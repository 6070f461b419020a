"""The key of all that decides what a stage writes into its run: a retry under the same key goes on in that run."""

import functools
import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hilum.results import digest, file_sha256, folder_digest

PACKAGE = Path(__file__).resolve().parents[1]
CODE = (".py", ".html", ".js", ".css")


def stage_key(values: Any, folders: Iterable[Path] = ()) -> str:
    """Hash of JSON-ready values, of the content of folders that the stage reads, of hilum's code and of installed packages.

    A folder that is not there is part of the key too.
    """
    read = {folder.name: folder_digest(folder) if folder.is_dir() else "" for folder in folders}
    return digest([values, read, _code(), _packages()])


@functools.cache
def _code() -> str:
    files = sorted(file for file in PACKAGE.rglob("*") if file.suffix in CODE)
    return digest([[file.relative_to(PACKAGE).as_posix(), file_sha256(file)] for file in files])


@functools.cache
def _packages() -> str:
    """Of the names of their folders, such as `numpy-2.1.0.dist-info`, since reading their versions takes a second."""
    names = {folder.name for place in sys.path for folder in Path(place or ".").glob("*.dist-info")}
    return hashlib.sha256(" ".join(sorted(names)).encode()).hexdigest()
