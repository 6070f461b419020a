"""The version of the code behind a cache: a hash of the files of hilum that the cache's owner lists."""

import hashlib
import json
import platform
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


@cache
def code_version(files: Sequence[str]) -> str:
    """SHA-256 over the bytes of these files, given by their paths below the package; a tuple, read once per process.

    Raises:
        ValueError: one of them is missing.
    """
    absent = [name for name in files if not (PACKAGE / name).is_file()]
    if absent:
        raise ValueError(f"code behind a cache must be in hilum, got no {', '.join(absent)}; correct the list")
    lines = [f"{name} {hashlib.sha256((PACKAGE / name).read_bytes()).hexdigest()}" for name in sorted(files)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def made_by(files: Sequence[str], libraries: Sequence[str]) -> str:
    """Hash of everything behind a cache except inputs and settings: these files, the versions of libraries, the machine.

    files: as `code_version` takes them. libraries: names of installed packages.
    """
    return json.dumps([code_version(files), [metadata.version(name) for name in libraries], platform.machine()])
