"""Files that an operating system or another program leaves beside films: nobody's data, whatever is in them."""

from pathlib import PurePosixPath

NAMES = ("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r")  # in lower case; beside all that begin with a dot, as ._x on a Mac
FOLDERS = ("__macosx", "@eadir", "$recycle.bin", "system volume information")


def is_system_file(path: PurePosixPath) -> bool:
    """Whether a file is one of these by its path, relative to the root: hidden, in a hidden folder, or known by its name."""
    hidden = any(part.startswith(".") for part in path.parts)
    return hidden or path.name.lower() in NAMES or any(part.lower() in FOLDERS for part in path.parts[:-1])
