"""The files below a folder, told from those that a system leaves in any folder that somebody looks into."""

import os
from pathlib import Path, PurePosixPath

NAMES = {".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", ".directory", "icon\r"}  # Finder, Explorer, KDE; in any case
FOLDERS = {
    *("__macosx", ".spotlight-v100", ".trashes", ".fseventsd", ".temporaryitems", ".appledouble", "@eadir", "$recycle.bin"),
    "system volume information",
}
FORK = "._"  # how macOS begins the name of what it keeps beside a file on a disk that is not its own


def is_system_file(path: PurePosixPath) -> bool:
    """Whether a file, by its path below a root, is one that Finder, Explorer or a file server wrote by itself."""
    *folders, name = (part.lower() for part in path.parts)
    return name in NAMES or name.startswith(FORK) or any(folder in FOLDERS for folder in folders)


def list_files(root: Path) -> list[str]:
    """Every file below a folder, relative to it with forward slashes, sorted; but for those that a system writes by itself.

    Links to folders are not followed, and links to nothing are no files.
    """
    return [path for path in list_all_files(root) if not is_system_file(PurePosixPath(path))]


def list_all_files(root: Path) -> list[str]:
    """The same with those that a system writes by itself."""
    found = []
    for folder, _, names in os.walk(root):
        below = os.path.relpath(folder, root)
        found += [name if below == "." else f"{below}/{name}" for name in names if Path(folder, name).is_file()]
    return sorted(path.replace(os.sep, "/") for path in found)
