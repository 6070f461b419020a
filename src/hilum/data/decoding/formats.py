"""The kinds of files that hold a film, a function for each: None means that it is doubtful and must be decoded in a sandbox."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hilum.data.decoding.codestream import read_jpeg_frame, read_webp_frame
from hilum.data.decoding.depth import find_bits, scale_levels, weigh_colours
from hilum.data.decoding.film_read import FilmRead, Order
from hilum.data.decoding.jpeg_scans import check_covered
from hilum.data.decoding.kinds import DICOM
from hilum.data.decoding.limits import check_pixels, is_doubtful
from hilum.data.decoding.netpbm import FULL, read_netpbm_header, read_netpbm_pixels
from hilum.data.decoding.tiff import read_tiff_frame

WEBP_COST = 16  # bytes per pixel: the decoder keeps canvases of four samples

_ORIENTATION = 0x0112  # in EXIF and TIFF
_TURNS: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {  # orientation -> what makes the film upright
    2: np.fliplr,
    3: lambda film: film[::-1, ::-1],
    4: np.flipud,
    5: lambda film: film.T,
    6: lambda film: np.rot90(film, -1),
    7: lambda film: np.rot90(film, -1)[:, ::-1],
    8: np.rot90,
}


def _read_dicom(stream: BinaryIO, size: int, order: Order, sandbox: bool) -> FilmRead | None:
    from hilum.data.decoding.dicom import decode_dicom, open_dicom  # pydicom takes a quarter of a second

    opened = open_dicom(stream, order.max_pixels)
    if sandbox and is_doubtful(opened.decoded, opened.cost, size):
        return None
    grey = decode_dicom(opened, np.float32 if order.exact else np.uint8)
    return FilmRead(grey, opened.width, opened.height, remarks=opened.remarks)


def _read_jpeg(stream: BinaryIO, size: int, order: Order, sandbox: bool) -> FilmRead | None:
    code = stream.read()

    def decode(code: bytes) -> NDArray[np.uint8]:
        with Image.open(BytesIO(code), formats=("JPEG",)) as picture:
            if order.draft is not None:
                picture.draft("L", order.draft)  # Y of YCbCr is the luminance of Rec. 601; other colour spaces are unchanged
            return _to_grey(picture)

    with Image.open(BytesIO(code), formats=("JPEG",)) as picture:
        width, height = picture.size
        check_pixels(width, height, order.max_pixels)
        if picture.info.get("progressive"):
            read_jpeg_frame(code)  # counts the scans
        if sandbox and is_doubtful(*_estimate(picture), size):
            return None
        orientation = picture.getexif().get(_ORIENTATION, 1)
    grey = decode(code)
    check_covered(code, grey, width * height, decode)
    return _turn(FilmRead(grey, width, height), orientation)


def _read_png(stream: BinaryIO, size: int, order: Order, sandbox: bool) -> FilmRead | None:
    deep = stream.read(26)[24:] in (b"\x10\x02", b"\x10\x04", b"\x10\x06")  # 16 bits, of which Pillow keeps 8: not grey alone
    stream.seek(0)
    with Image.open(stream, formats=("PNG",)) as picture:
        check_pixels(*picture.size, order.max_pixels)
        if getattr(picture, "n_frames", 1) > 1:
            raise ValueError("a film must be one picture, got an animated PNG; write one file per picture")
        decoded, cost = _estimate(picture)
        if sandbox and is_doubtful(
            *((2 * decoded, cost + 12 * picture.width * picture.height) if deep else (decoded, cost)), size
        ):
            return None
        orientation = picture.getexif().get(_ORIENTATION, 1)  # which loads the picture
        read = (
            FilmRead(_to_grey(picture), *picture.size) if not picture.mode.startswith("I") else _scale(_to_deep(picture), order)
        )
    if deep:
        stream.seek(0)
        read = _scale(_decode_deep(stream.read()), order)
    return _turn(read, orientation)


def _read_tiff(stream: BinaryIO, size: int, order: Order, sandbox: bool) -> FilmRead | None:
    frame = read_tiff_frame(stream)
    check_pixels(frame.width, frame.height, order.max_pixels)
    deep = frame.bits > 8
    if sandbox and is_doubtful(frame.decoded, frame.cost + (8 * frame.width * frame.height if deep else 0), size):
        return None
    if deep and frame.samples > 1:
        return _scale(_decode_deep(stream.read()), order)
    with Image.open(stream, formats=("TIFF",)) as picture:
        picture.load()  # which makes it upright
        if not deep:
            return FilmRead(_to_grey(picture), *picture.size)
        read = _scale(_to_deep(picture), order)
    return replace(read, grey=255 - read.grey) if frame.inverted else read


def _read_bmp(stream: BinaryIO, size: int, order: Order, sandbox: bool) -> FilmRead | None:
    with Image.open(stream, formats=("BMP",)) as picture:
        check_pixels(*picture.size, order.max_pixels)
        decoded, cost = _estimate(picture)
        if sandbox and is_doubtful(decoded, cost + decoded, size):  # run lengths are unpacked into a second array
            return None
        return FilmRead(_to_grey(picture), *picture.size)


def _read_pgm(stream: BinaryIO, size: int, order: Order, sandbox: bool) -> FilmRead | None:
    code = stream.read()
    header = read_netpbm_header(code)
    check_pixels(header.width, header.height, order.max_pixels)
    values = read_netpbm_pixels(code, header)
    if header.top == FULL:
        return _scale(values if header.samples == 1 else weigh_colours(values), order)
    levels = np.rint(np.arange(2 ** (8 * values.itemsize)).clip(0, header.top) * (255 / header.top)).astype(np.uint8)
    return FilmRead(_to_grey(Image.fromarray(levels[values])), header.width, header.height)


def _read_webp(stream: BinaryIO, size: int, order: Order, sandbox: bool) -> FilmRead | None:
    frame = read_webp_frame(stream.read(30))
    stream.seek(0)
    pixels = frame.width * frame.height
    check_pixels(frame.width, frame.height, order.max_pixels)
    if sandbox and is_doubtful(pixels, WEBP_COST * pixels, size):
        return None
    with Image.open(stream, formats=("WEBP",)) as picture:
        orientation = picture.getexif().get(_ORIENTATION, 1)
        return _turn(FilmRead(_to_grey(picture), *picture.size), orientation)


FORMATS: dict[str, Callable[[BinaryIO, int, Order, bool], FilmRead | None]] = {
    DICOM: _read_dicom,
    "JPEG": _read_jpeg,
    "PNG": _read_png,
    "TIFF": _read_tiff,
    "BMP": _read_bmp,
    "PGM": _read_pgm,
    "WebP": _read_webp,
}


def _estimate(picture: Image.Image) -> tuple[int, int]:
    """Bytes of the decoded pixels, and what decoding needs, about."""
    decoded = picture.width * picture.height * (2 if picture.mode.startswith("I") else len(picture.getbands()))
    transparent = 2 * decoded if picture.has_transparency_data else 0
    coefficients = 2 * decoded if picture.info.get("progressive") else 0  # kept for all pixels while the scans are read
    return decoded, decoded + transparent + coefficients


def _to_grey(picture: Image.Image) -> NDArray[np.uint8]:
    if picture.has_transparency_data:
        colour = picture.convert("RGBA")
        black = Image.new("RGBA", colour.size, (0, 0, 0, 255))
        picture = Image.alpha_composite(black, colour)
    if picture.mode not in ("1", "L"):
        picture = picture.convert("RGB")  # palettes and CMYK have no direct conversion to luminance
    return np.asarray(picture if picture.mode == "L" else picture.convert("L"))


def _to_deep(picture: Image.Image) -> NDArray[np.uint16]:
    """Grey of 16 bits, which Pillow may have widened to 32."""
    return np.asarray(picture).clip(0, 2**16 - 1).astype(np.uint16)


def _decode_deep(code: bytes) -> NDArray[np.uint16]:
    """Luminance of a PNG or TIFF with several samples of 16 bits."""
    import cv2

    found: NDArray[Any] | None = cv2.imdecode(np.frombuffer(code, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None or found.dtype != np.uint16:
        raise ValueError("several samples of 16 bits could not be decoded: the file is broken or truncated, or of a rare form")
    if found.ndim == 2:
        return found
    return weigh_colours(found[..., 2::-1], found[..., 3] if found.shape[2] == 4 else None)  # from blue, green, red


def _scale(values: NDArray[np.uint16], order: Order) -> FilmRead:
    return FilmRead(scale_levels(values, find_bits(values, order.bits)), values.shape[1], values.shape[0], find_bits(values))


def _turn(read: FilmRead, orientation: int) -> FilmRead:
    """A film as stored, made upright."""
    if orientation not in _TURNS:
        return read
    width, height = (read.height, read.width) if orientation > 4 else (read.width, read.height)
    return replace(read, grey=np.ascontiguousarray(_TURNS[orientation](read.grey)), width=width, height=height)
