"""A film as it is looked at: at the size of the screen, under the window of its header or under the reader's own."""

from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hilum.app.film import OpenFilm
from hilum.data.decoding.kinds import DICOM
from hilum.data.decoding.limits import MAX_PIXELS, is_doubtful
from hilum.data.decoding.windowing import PERCENTILES, Lookup, Window, apply_window

SIDE = 1100  # pixels of the longer side on the screen, at most
UNITS, LEVELS = "units of the header's rescaling", "grey levels 0-255"


@dataclass(frozen=True)
class View:
    """A film at the size of the screen.

    plain: (h, w) uint8, as the file says. values: (h, w) float32, what a window is applied to. low, high: the range that values
    can have. centre, width: the window of the header, or one that holds nearly all values. inverted: high values are dark
    (MONOCHROME1). unit: of values.
    """

    plain: NDArray[np.uint8]
    values: NDArray[np.float32]
    low: float
    high: float
    centre: float
    width: float
    inverted: bool
    unit: str


def view_film(film: OpenFilm) -> View:
    """The film for the screen. Of a DICOM the window can be changed on its own values; of other films on their grey levels."""
    plain = shrink(film.grey)
    found = _read_values(film) if film.kind == DICOM else None
    if found is not None:
        return replace(found, plain=plain)
    return View(plain, plain.astype(np.float32), 0.0, 255.0, 127.5, 255.0, False, LEVELS)


def look(view: View, centre: float, width: float) -> NDArray[np.uint8]:
    """(h, w) grey levels under a window. centre, width: in the unit of the view; a width below 1 counts as 1."""
    bright = apply_window(view.values.astype(np.float64), Window(centre, max(width, 1.0), "LINEAR_EXACT"))
    return np.rint(255 * (1 - bright if view.inverted else bright)).astype(np.uint8)


def shrink(grey: NDArray[Any]) -> NDArray[Any]:
    """A film (H, W) with a longer side of at most SIDE, in its proportions; a smaller one as it is."""
    height, width = grey.shape
    share = SIDE / max(height, width)
    if share >= 1:
        return grey
    size = max(1, round(width * share)), max(1, round(height * share))
    return np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))


def _read_values(film: OpenFilm) -> View | None:
    """The values of a grey DICOM before its window; None of one in colour, and of one that must be decoded in the sandbox."""
    from hilum.data.decoding.dicom import decode_dicom, open_dicom  # pydicom takes a quarter of a second
    from hilum.data.decoding.dicom_header import read_number, read_text, read_whole

    opened = open_dicom(BytesIO(film.content), MAX_PIXELS)
    if opened.scale is None or is_doubtful(opened.decoded, opened.cost, len(film.content)):
        return None
    bits, signed = read_whole(opened.header, "BitsStored"), read_number(opened.header, "PixelRepresentation", 0) == 1
    stored = (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if signed else (0.0, 2.0**bits - 1)
    modality, interest = opened.scale.modality, opened.scale.interest
    if isinstance(modality, Lookup):
        stored = float(modality.entries.min()), float(modality.entries.max())
    elif modality is not None:
        stored = tuple(sorted(end * modality[0] + modality[1] for end in stored))  # type: ignore[assignment]
    low, high = stored[0], max(stored[1], stored[0] + 1)
    whole = replace(opened.scale, interest=Window((low + high) / 2, high - low, "LINEAR_EXACT"))
    levels = shrink(decode_dicom(replace(opened, scale=whole), np.float32))  # (h, w) 0 to 255 over the whole range
    inverted = read_text(opened.header, "PhotometricInterpretation") == "MONOCHROME1"
    share = levels.astype(np.float32) / 255
    values = (low + (1 - share if inverted else share) * (high - low)).astype(np.float32)
    if isinstance(interest, Window):
        centre, width = interest.centre, interest.width
    else:
        first, last = np.percentile(values, PERCENTILES)
        centre, width = float(first + last) / 2, float(last - first)
    return View(film.grey, values, low, high, centre, max(width, 1.0), inverted, UNITS)
