"""Files that stand in the way are moved, not deleted."""

import shutil
from pathlib import Path

JOURNALS = ("-journal", "-wal", "-shm")


def set_aside(file: Path, cache: Path, stays: bool = False) -> Path:
    """Move a file below `set_aside` in hilum's own folder, under its name and the first free number; returns its new path.

    The journals of a database go along: SQLite would play them into another database of that name. stays: it is copied, because
    another takes its place in one step.
    """
    room, number = cache / "set_aside", 1
    room.mkdir(parents=True, exist_ok=True)
    while (kept := room / f"{file.name}-{number}").exists():
        number += 1
    if stays:
        return Path(shutil.copy2(file, kept))
    for journal in JOURNALS:
        if (beside := file.with_name(file.name + journal)).is_file():
            beside.rename(kept.with_name(kept.name + journal))
    return file.rename(kept)
