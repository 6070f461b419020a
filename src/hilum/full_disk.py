"""A full disk: how its errors are known, and what a person does then."""

import errno

ROOM = (
    "the disk is full: free some of it (`hilum doctor` reports what is left; `dvc gc --workspace` removes earlier results), then "
    "run the same command again to go on"
)


def is_full(error: BaseException) -> bool:
    """Whether an error of the system, of SQLite or of a library that passes its message on comes from a full disk."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return any(told in str(error) for told in ("disk is full", "No space left on device", "Disk quota exceeded"))
