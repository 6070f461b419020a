"""The code that a worker has, against that of the process whose jobs it runs: what is kept of them is kept under that code."""

import sys
from collections.abc import Mapping
from pathlib import Path

from hilum.code_version import PACKAGE
from hilum.results import file_sha256

RESTART = "restart that worker and run the same command again"
AGAIN = "it was edited while this command ran: run the same command again"

Code = Mapping[str, str]  # file below the package -> SHA-256


def code_now() -> Code:
    """The files of hilum's code on the disk; hidden ones, such as the locks of editors, are none."""
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        name = file.relative_to(PACKAGE)
        if file.is_file() and not any(part.startswith(".") for part in name.parts):
            found[name.as_posix()] = file_sha256(file)
    return found


AT_START = code_now()  # when this process began to import hilum


def loaded_code() -> Code:
    """What this process has imported of hilum, as it was at its start: what a worker must have, and no file beside it."""
    own = {str(Path(file).resolve()) for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))}
    return {name: version for name, version in AT_START.items() if str(PACKAGE / name) in own}


def differing(wanted: Code) -> list[str]:
    """The files that this process has otherwise: in what it may have imported, or on the disk, from where it will."""
    now = code_now()
    return [name for name, version in wanted.items() if not version == AT_START.get(name) == now.get(name)]


def check_code(wanted: Code, remedy: str) -> None:
    """Refuse to work for a process of other code. wanted: its `loaded_code`.

    Raises:
        ValueError: files differ, so that results would be kept under code that did not make them.
    """
    if files := differing(wanted):
        raise ValueError(
            f"a worker must have the code of the process it works for, got other {', '.join(files[:3])}"
            f"{' and more' if len(files) > 3 else ''} in {PACKAGE}; {remedy}"
        )
