"""What lies below a root of films and is no file that can be read: links to nothing or to a folder, pipes, devices."""

from pathlib import Path, PurePosixPath

NO_FILES = ("a link that leads to nothing", "a link to a folder", "a pipe, socket or device")


def name_no_file(path: Path) -> str:
    """Which of NO_FILES a path is; empty for a file, a folder, and a path that does not exist. Nothing is opened."""
    if path.is_symlink() and not path.exists():
        return NO_FILES[0]
    if path.is_dir():
        return NO_FILES[1] if path.is_symlink() else ""
    return NO_FILES[2] if path.exists() and not path.is_file() else ""


def list_no_files(root: Path) -> list[PurePosixPath]:
    """The paths of NO_FILES below a root, sorted, relative to it, without hidden ones: nothing of them is read."""
    found = [PurePosixPath(path.relative_to(root).as_posix()) for path in root.rglob("*") if name_no_file(path)]
    return sorted(path for path in found if not any(part.startswith(".") for part in path.parts))
