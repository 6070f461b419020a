"""Resource limits of a film's file, checked from sizes and headers before anything is decoded."""

import os
from pathlib import Path
from typing import BinaryIO

MAX_PIXELS = 64_000_000  # the largest detectors have about 25 million; more is a mistake or an attack
MAX_FILE_BYTES = 192 * 2**20  # a film of the most pixels in 16 bits, uncompressed, and half as much again
DOUBTFUL_RATIO = 50  # 1,510 real JPEGs and PNGs expand at most 27-fold when decoded, 20-fold in the median
DOUBTFUL_BYTES = 32 * 2**20  # what decoding may cost without checking that ratio
MAX_SCANS = 64  # of a progressive JPEG, each a pass over all pixels; encoders make about 10


class ResourceLimitError(ValueError):
    """A doubtful film could not be decoded within its limits of memory and time; another machine may succeed."""


def check_file(size: int) -> None:
    """Refuse a file of too many bytes.

    Raises:
        ValueError: it has more than MAX_FILE_BYTES.
    """
    if size > MAX_FILE_BYTES:
        raise ValueError(f"the file of a film must have at most {MAX_FILE_BYTES:,} bytes, got {size:,}")


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Refuse a film without pixels or with too many.

    Raises:
        ValueError: width x height is not between 1 and max_pixels.
    """
    if width < 1 or height < 1:
        raise ValueError(f"a film must have pixels, got {width} x {height}")
    if width * height > max_pixels:
        raise ValueError(f"a film must have at most {max_pixels:,} pixels, got {width} x {height}")


def stream_size(stream: BinaryIO) -> int:
    """Bytes of a seekable stream, whose position is then its start."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    return size


def read_bounded(path: Path) -> bytes:
    """All bytes of a film's file, unless they are too many.

    Raises:
        ValueError: more than MAX_FILE_BYTES.
    """
    with path.open("rb") as stream:
        check_file(stream_size(stream))
        return stream.read()


def is_doubtful(decoded: int, cost: int, encoded: int) -> bool:
    """Whether a file claims to hold implausibly much for its bytes, so that only a child process may decode it.

    decoded: bytes of the decoded pixels. cost: bytes that decoding needs, about. encoded: bytes of the file.
    """
    return cost > DOUBTFUL_BYTES and decoded > DOUBTFUL_RATIO * encoded
