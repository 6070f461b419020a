"""From a film's bytes to grey levels, whose format is found by content."""

import struct
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from hilum.data.decoding.film_read import FilmRead, Order
from hilum.data.decoding.formats import FORMATS
from hilum.data.decoding.kinds import PICTURES, find_kind, tell_kind
from hilum.data.decoding.limits import MAX_PIXELS, ResourceLimitError, check_file, stream_size
from hilum.data.decoding.links import name_no_file

_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error, Image.DecompressionBombError)

Sandbox = Callable[[bytes, Order], FilmRead]


def read_levels(film: Path | BinaryIO, order: Order, sandbox: Sandbox | None) -> FilmRead:
    """`images.read_film` with the settings of `order`.

    sandbox: decodes the bytes of a doubtful file elsewhere, see `sandbox.read_in_sandbox`; None decodes all of them here.

    Raises:
        ValueError: as `read_film`.
    """
    if isinstance(film, Path) and (no_file := name_no_file(film)):
        raise ValueError(tell_kind(no_file))  # a pipe would never end
    try:
        with film.open("rb") if isinstance(film, Path) else nullcontext(film) as stream:
            size = stream_size(stream)
            check_file(size)
            kind = find_kind(stream)
            if kind not in FORMATS:
                raise ValueError(tell_kind(kind))
            found = FORMATS[kind](stream, size, order, sandbox is not None)
            if found is None and sandbox is not None:
                stream.seek(0)
                found = sandbox(stream.read(), order)
            if found is None:
                raise ResourceLimitError("a film that expands so much is only decoded in a sandbox")
            return found
    except ResourceLimitError:
        raise
    except _BROKEN as error:
        raise ValueError(_explain(error)) from error


def _explain(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file is missing"
    if isinstance(error, Image.UnidentifiedImageError):
        return f"the file begins like a {', '.join(PICTURES)} and its header is damaged"
    if isinstance(error, Image.DecompressionBombError):
        return f"a film must have at most {MAX_PIXELS:,} pixels, got at least twice as many"  # Pillow's bound is far above
    return str(error) or type(error).__name__
