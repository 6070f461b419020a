"""From a picture's bytes to grey levels."""

import struct
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from hilum.data.decoding.codestream import is_dicom, read_jpeg_frame
from hilum.data.decoding.limits import MAX_PIXELS, LidError, check_file, check_pixels, is_doubtful, stream_size
from hilum.data.decoding.windowing import look_up

GREY_BITS = (8, 10, 12, 14, 16)  # bit depths that detectors use

Guard = Callable[[bytes, int, tuple[int, int] | None, bool], tuple[NDArray[Any], int, int, tuple[str, ...]]]  # of a FilmRead

_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error, Image.DecompressionBombError)


@dataclass(frozen=True)
class FilmRead:
    """A decoded film.

    grey: (H, W) uint8 grey levels; smaller than height x width where a draft was asked for. `read_levels` may give float32.
    width, height: of the whole film, upright, pixels. remarks: what is odd in the file and cost no film.
    """

    grey: NDArray[Any]
    width: int
    height: int
    remarks: tuple[str, ...] = ()


def read_levels(
    film: Path | BinaryIO, max_pixels: int, draft: tuple[int, int] | None, exact: bool, guard: Guard | None
) -> FilmRead:
    """`images.read_film`; with `exact`, the grey levels of a grey DICOM are float32, to be rounded when they have been resized.

    guard: decodes the bytes of a doubtful file elsewhere, see `sandbox.read_guarded`; None decodes all of them here.

    Raises:
        ValueError: as `read_film`.
    """
    try:
        with film.open("rb") if isinstance(film, Path) else nullcontext(film) as stream:
            size = stream_size(stream)
            check_file(size)
            found = (_read_dicom if is_dicom(stream) else _read_picture)(
                stream, size, max_pixels, draft, exact, guard is not None
            )
            if found is None and guard is not None:
                stream.seek(0)
                found = FilmRead(*guard(stream.read(), max_pixels, draft, exact))
            if found is None:
                raise LidError("a film that expands so much is only decoded under a guard")
            return found
    except LidError:
        raise
    except _BROKEN as error:
        raise ValueError(_explain(error)) from error


def _read_dicom(
    stream: BinaryIO, size: int, max_pixels: int, draft: tuple[int, int] | None, exact: bool, guard: bool
) -> FilmRead | None:
    """None: doubtful, for a child to decode."""
    from hilum.data.decoding.dicom import decode_dicom, open_dicom  # pydicom takes a quarter of a second

    opened = open_dicom(stream, max_pixels)
    if guard and is_doubtful(opened.decoded, opened.cost, size):
        return None
    return FilmRead(decode_dicom(opened, np.float32 if exact else np.uint8), opened.width, opened.height, opened.remarks)


def _read_picture(
    stream: BinaryIO, size: int, max_pixels: int, draft: tuple[int, int] | None, exact: bool, guard: bool
) -> FilmRead | None:
    """None: doubtful, for a child to decode."""
    with Image.open(stream, formats=("PNG", "JPEG")) as picture:
        width, height = picture.size
        check_pixels(width, height, max_pixels)
        if picture.info.get("progressive"):
            stream.seek(0)
            read_jpeg_frame(stream.read())  # counts the scans
        if guard and is_doubtful(*_estimate(picture), size):
            return None
        if draft is not None and picture.format in ("JPEG", "MPO"):
            picture.draft("L", draft)  # the Y of YCbCr is the luminance of Rec. 601; other colour spaces are left alone
        turned = picture.getexif().get(0x0112, 1) in (5, 6, 7, 8)
        ImageOps.exif_transpose(picture, in_place=True)
        grey = _to_grey(picture)
    return FilmRead(grey, *((height, width) if turned else (width, height)))


def _estimate(picture: Image.Image) -> tuple[int, int]:
    """Bytes of the decoded pixels, and what decoding needs, about."""
    decoded = picture.width * picture.height * (2 if picture.mode.startswith("I") else len(picture.getbands()))
    transparent = 2 * decoded if picture.has_transparency_data else 0
    coefficients = 2 * decoded if picture.info.get("progressive") else 0  # kept for all pixels while the scans come in
    return decoded, decoded + transparent + coefficients


def _to_grey(picture: Image.Image) -> NDArray[np.uint8]:
    if picture.mode.startswith("I"):  # 16 bits, or 16 bits that Pillow widened to 32
        values = np.asarray(picture).clip(0, 2**16 - 1).astype(np.uint16)
        bits = next(bits for bits in GREY_BITS if values.max() < 2**bits)
        return look_up(np.rint(np.arange(2**bits) * (255 / (2**bits - 1))).astype(np.uint8), values)
    if picture.has_transparency_data:
        colour = picture.convert("RGBA")
        black = Image.new("RGBA", colour.size, (0, 0, 0, 255))
        picture = Image.alpha_composite(black, colour)
    if picture.mode not in ("1", "L"):
        picture = picture.convert("RGB")  # palettes and CMYK have no direct way to luminance
    return np.asarray(picture if picture.mode == "L" else picture.convert("L"))


def _explain(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file is missing"
    if isinstance(error, Image.UnidentifiedImageError):
        return "the file is neither a PNG nor a JPEG nor a DICOM, or its header is damaged"
    if isinstance(error, Image.DecompressionBombError):
        return f"a film must have at most {MAX_PIXELS:,} pixels; {error}"
    return str(error) or type(error).__name__
