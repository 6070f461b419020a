"""The files below a folder, without those that an operating system or another program leaves beside films."""

import os
from pathlib import Path, PurePosixPath

NAMES = (
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "icon\r",
)  # in lower case; besides all that begin with a dot, such as ._x on a Mac
FOLDERS = ("__macosx", "@eadir", "$recycle.bin", "system volume information")


def is_system_file(path: PurePosixPath) -> bool:
    """Whether a file is a system file by its path below a root: hidden, in a hidden folder, or known by its name."""
    hidden = any(part.startswith(".") for part in path.parts)
    return hidden or path.name.lower() in NAMES or any(part.lower() in FOLDERS for part in path.parts[:-1])


def list_files(root: Path) -> list[str]:
    """Every file below a folder, relative to it with forward slashes, sorted, without system files.

    Links to folders are not followed, and broken links are left out.
    """
    return [path for path in list_all_files(root) if not is_system_file(PurePosixPath(path))]


def list_all_files(root: Path) -> list[str]:
    """The same with system files."""
    found = []
    for folder, _, names in os.walk(root):
        below = os.path.relpath(folder, root)
        found += [name if below == "." else f"{below}/{name}" for name in names if Path(folder, name).is_file()]
    return sorted(path.replace(os.sep, "/") for path in found)
