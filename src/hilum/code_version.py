"""The version of the code behind a cache: a hash of the files of hilum that the cache's owner lists."""

import hashlib
import json
import platform
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
RESTART = "restart that worker and run the same command again: what is finished is kept"


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


@cache
def package_version() -> str:
    """SHA-256 over all code of hilum, as it was when this process first asked."""
    files = sorted(file.relative_to(PACKAGE).as_posix() for file in PACKAGE.rglob("*.py"))
    return code_version(tuple(files))


def check_code(wanted: str) -> None:
    """Compare this process's code with that of the process it works for.

    Raises:
        ValueError: they differ, so that its results would be kept under code that did not make them.
    """
    if (own := package_version()) != wanted:
        raise ValueError(
            f"a worker must have the code of the process it works for, got {own[:12]} for {wanted[:12]}: it was edited after one "
            f"of them had started, or is not the same on both machines; {RESTART}"
        )


def made_by(files: Sequence[str], libraries: Sequence[str]) -> str:
    """Hash of everything behind a cache except inputs and settings: these files, the versions of libraries, the machine.

    files: as `code_version` takes them. libraries: names of installed packages.
    """
    return json.dumps([code_version(files), [metadata.version(name) for name in libraries], platform.machine()])
