"""Arrays in a file cache: each file ends with a hash of its content, is written atomically, and is read as a memory map.

A file is a `.npy` followed by the SHA-256 of its name and content. Runs may share a folder and be interrupted; a file, or the
folder, can be deleted at any time.
"""

import hashlib
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from hilum.progress import say

ABANDONED = 24 * 3600  # seconds after which a partly written file belongs to no running process
SEAL = hashlib.sha256().digest_size  # bytes at a file's end
PIECE = 1 << 20  # bytes that are hashed at a time

_whole: dict[Path, tuple[int, ...]] = {}  # files that this process wrote or found intact -> their identity then


def open_array(file: Path) -> NDArray[np.float32] | None:
    """The array of `write_array`, mapped and marked as used; None if there is none or, with a message, if it is damaged.

    A process compares a file with its seal once, and again if it was changed since.
    """
    try:
        with file.open("rb") as stream:
            if _is_whole(file, stream):
                # By the time of access: the time of change identifies the file that was compared.
                with suppress(OSError):  # in a read-only folder that others filled
                    os.utime(stream.fileno(), ns=(time.time_ns(), os.fstat(stream.fileno()).st_mtime_ns))
                return _map(stream)
            say(f"{file} is damaged: its bytes are not those that were written; it is made again")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        say(f"{file} cannot be read ({error.strerror}); it is made again")
    return None


def write_array(file: Path, shape: tuple[int, ...], batches: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Write an array of that shape, batch by batch along its first axis, and return it mapped; an interruption leaves no file.

    Raises:
        OSError: the disk is full, or the folder cannot be written to; names the file.
    """
    # Ordinary writes: on a full disk, writing through a mapping ends the process by a signal.
    partial = file.with_name(f"{uuid.uuid4().hex}.partial")
    hasher = hashlib.sha256(file.name.encode())
    contents: Iterable[bytes | memoryview] = chain([_header(shape)], map(_as_bytes, batches))
    try:
        with name_file(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            stream = partial.open("x+b", buffering=0)
        with stream:
            for content in contents:
                hasher.update(content)
                with name_file(file):
                    _write(stream, content)
            with name_file(file):
                _write(stream, hasher.digest())
                partial.replace(file)
            _whole[file] = _identity(stream)
            return _map(stream)
    finally:
        with suppress(OSError):
            partial.unlink()


def drop_oldest(folder: Path, limit: int, keep: Path) -> None:
    """Delete the least recently used arrays until the rest takes at most `limit` bytes, and partial files of interrupted runs.

    keep: this file is never deleted.
    """
    found = []
    for file in folder.glob("*"):
        with suppress(FileNotFoundError):  # another run deletes files as well
            status = file.stat()
            if file.suffix == ".npy":
                found.append((status.st_atime_ns, status.st_size, file))
            elif file.suffix == ".partial" and status.st_mtime < time.time() - ABANDONED:
                file.unlink()
    total = 0
    for _, size, file in sorted(found, reverse=True):
        total += size
        if total > limit and file != keep:
            file.unlink(missing_ok=True)


def _is_whole(file: Path, stream: BinaryIO) -> bool:
    identity = _identity(stream)
    if _whole.get(file) == identity:
        return True
    hasher, rest = hashlib.sha256(file.name.encode()), os.fstat(stream.fileno()).st_size - SEAL
    while rest > 0 and (content := stream.read(min(PIECE, rest))):
        hasher.update(content)
        rest -= len(content)
    if rest or stream.read(SEAL + 1) != hasher.digest():
        return False
    _whole[file] = identity
    return True


def _identity(stream: BinaryIO) -> tuple[int, ...]:
    status = os.fstat(stream.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _map(stream: BinaryIO) -> NDArray[np.float32]:
    """From the open file, not by its name: what was compared is read, even if the file is deleted or replaced meanwhile."""
    stream.seek(0)
    np.lib.format.read_magic(stream)
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    return np.memmap(stream, dtype, "r", stream.tell(), shape)


def _header(shape: tuple[int, ...]) -> bytes:
    header = BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return header.getvalue()


def _as_bytes(batch: NDArray[np.float32]) -> memoryview:
    return np.ascontiguousarray(batch, "<f4").reshape(-1).view(np.uint8).data


def _write(stream: BinaryIO, content: bytes | memoryview) -> None:
    view = memoryview(content)
    while view:
        view = view[stream.write(view) :]


@contextmanager
def name_file(file: Path) -> Iterator[None]:
    """Add to an error of the disk which file of a cache could not be written, and the remedy."""
    try:
        yield
    except OSError as error:
        raise OSError(
            f"a cache must be written, got {error.strerror or error} for {file}; make room on that disk or make "
            f"{file.parent} writable; what lies there can be deleted, since it is made again when it is needed"
        ) from error
