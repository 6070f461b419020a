"""Which code made what a cache keeps: a hash of the files of hilum that decide it, told by whoever keeps it."""

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
    """SHA-256 over the bytes of these files, told by their paths below the package; a tuple, read once in a process.

    Raises:
        ValueError: one of them is not there.
    """
    absent = [name for name in files if not (PACKAGE / name).is_file()]
    if absent:
        raise ValueError(f"code that decides what a cache keeps must stand in hilum, got no {', '.join(absent)}; mend the list")
    lines = [f"{name} {hashlib.sha256((PACKAGE / name).read_bytes()).hexdigest()}" for name in sorted(files)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def made_by(files: Sequence[str], libraries: Sequence[str]) -> str:
    """Of everything but inputs and settings that decides what a cache keeps: these files, the versions of libraries, the machine.

    files: as `code_version` takes them. libraries: names of installed packages.
    """
    return json.dumps([code_version(files), [metadata.version(name) for name in libraries], platform.machine()])
