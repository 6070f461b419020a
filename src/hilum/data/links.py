"""Links below a root of films."""

from pathlib import Path, PurePosixPath


def list_dead_links(root: Path) -> list[PurePosixPath]:
    """Links below a root that lead to nothing or to a folder, sorted, relative to it: their targets are not read."""
    links = [path for path in root.rglob("*") if path.is_symlink() and not path.is_file()]
    found = [PurePosixPath(path.relative_to(root).as_posix()) for path in links]
    return sorted(path for path in found if not any(part.startswith(".") for part in path.parts))
