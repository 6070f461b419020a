"""From a picture file to grey levels, and to a square film of one size."""

import struct
import zlib
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from hilum.data.bounds import MAX_PIXELS, LidError, check_file, check_pixels, is_doubtful, stream_size
from hilum.data.codestream import is_dicom, read_jpeg_frame
from hilum.data.geometry import Geometry, check_square, fit_film, fit_square
from hilum.data.windowing import look_up

GREY_BITS = (8, 10, 12, 14, 16)  # bit depths that detectors use
DRAFT_MARGIN = 2  # a JPEG is decoded at no less than this many times the wanted size

_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error, Image.DecompressionBombError)


@dataclass(frozen=True)
class FilmRead:
    """A decoded film.

    grey: (H, W) uint8 grey levels; smaller than height x width where a draft was asked for. `read_levels` may give float32.
    width, height: of the whole film, upright, pixels.
    """

    grey: NDArray[Any]
    width: int
    height: int


def read_film(film: Path | BinaryIO, max_pixels: int = MAX_PIXELS, draft: tuple[int, int] | None = None) -> FilmRead:
    """Decode a PNG, JPEG or DICOM to grey levels, upright; what it is, its content says, not its name.

    Colour and palette become grey by luminance (Rec. 601: 0.299 R + 0.587 G + 0.114 B), transparent pixels lie on black, EXIF
    orientation is applied. Grey of 16 bits in a PNG is divided by the range of the smallest bit depth in `GREY_BITS` that holds
    its brightest pixel, so that films of 12 bits in a container of 16 are not nearly black. DICOM: see `decode_dicom`. A file
    that would expand more than its bytes make likely is decoded in a child process (`guarded`).

    draft: (width, height) in pixels as stored; a JPEG may then be decoded at a half, a quarter or an eighth, but no smaller.
        The last row and column of a draft may stand for less than a whole step.

    Raises:
        ValueError: no picture, broken, truncated, another format, or more than `max_pixels`; the message says which.
        LidError: a doubtful file took more memory or time than a film may.
    """
    return read_levels(film, max_pixels, draft, exact=False)


def read_levels(
    film: Path | BinaryIO, max_pixels: int, draft: tuple[int, int] | None, exact: bool, guard: bool = True
) -> FilmRead:
    """`read_film`; with `exact`, the grey levels of a grey DICOM are float32, to be rounded when they have been resized.

    guard: hand a doubtful file to a child process; the child itself does not.

    Raises:
        ValueError: as `read_film`.
    """
    try:
        with film.open("rb") if isinstance(film, Path) else nullcontext(film) as stream:
            size = stream_size(stream)
            check_file(size)
            found = (_read_dicom if is_dicom(stream) else _read_picture)(stream, size, max_pixels, draft, exact, guard)
            if found is not None:
                return found
            from hilum.data.guarded import read_guarded

            stream.seek(0)
            return FilmRead(*read_guarded(stream.read(), max_pixels, draft, exact))
    except LidError:
        raise
    except _BROKEN as error:
        raise ValueError(_explain(error)) from error


def read_draft(film: Path | BinaryIO, size: int, max_pixels: int = MAX_PIXELS) -> FilmRead:
    """Decode a film that is to become `size` pixels a side: as uint8, or as float32 where a DICOM's window goes between levels.

    A JPEG is decoded as a draft of at least `DRAFT_MARGIN` times the size, in about half the time; on films of up to 2,400
    pixels this changed the prepared grey levels by 0.2 to 0.4 on average and by at most 1.5 on average within one film.

    Raises:
        ValueError: what `read_film` refuses.
    """
    return read_levels(film, max_pixels, (DRAFT_MARGIN * size, DRAFT_MARGIN * size), exact=True)


def prepare_film(
    film: Path | BinaryIO, size: int, square: str, max_pixels: int = MAX_PIXELS
) -> tuple[NDArray[np.uint8], Geometry]:
    """Decode, square and resize one film: (size, size) uint8 grey levels 0-255, and where the raw film lies in them.

    Raises:
        ValueError: what `read_film` refuses, or a square that is neither pad nor stretch.
    """
    check_square(square)
    read = read_draft(film, size, max_pixels)
    return fit_film(read.grey, size, square), fit_square(read.width, read.height, size, square)


def read_mask(mask: Path | BinaryIO, max_pixels: int = MAX_PIXELS) -> NDArray[np.bool_]:
    """A mask file of a whole film, at its own resolution: (h, w) bool; not black means inside.

    Raises:
        ValueError: what `read_film` refuses.
    """
    return np.asarray(read_film(mask, max_pixels).grey > 0)


def _read_dicom(
    stream: BinaryIO, size: int, max_pixels: int, draft: tuple[int, int] | None, exact: bool, guard: bool
) -> FilmRead | None:
    """None: doubtful, for a child to decode."""
    from hilum.data.dicom import decode_dicom, open_dicom  # pydicom takes a quarter of a second

    opened = open_dicom(stream, max_pixels)
    if guard and is_doubtful(opened.decoded, opened.cost, size):
        return None
    return FilmRead(decode_dicom(opened, np.float32 if exact else np.uint8), opened.width, opened.height)


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
