"""A file that others read: it is there whole, as it was before or as it is written, whatever interrupts the writing."""

import os
import uuid
from pathlib import Path


def write_whole(file: Path, content: str | bytes | memoryview) -> None:
    """Write a file beside its place, flush it, and move it there; text in UTF-8. Nothing else is left if that fails.

    Raises:
        OSError: the disk is full, or the folder cannot be written to.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{uuid.uuid4().hex}.partial")  # several may write; not longer than any name of a file
    try:
        with partial.open("wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
