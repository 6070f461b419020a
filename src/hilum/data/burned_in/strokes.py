"""Connected parts of a film that are as thin as the strokes of letters, brighter or darker than what is around them."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

SIDES = (640, 256)  # both are searched: the first for letters of 1 to 4 % of the film's longer side, the second for larger ones
ENLARGED = 2.0  # a film is enlarged by at most this
SEVERAL = 1.3  # the first of SIDES is searched where it is at least so many times the second
KERNEL = 9  # pixels at one of SIDES: strokes thinner than this stand out of their surroundings
STEPS = (16, 30, 60, 110)  # grey levels above or below the surroundings at which connected pixels are examined
LENGTH = (5, 28)  # of a letter's longer side, pixels at one of SIDES
LEAST_AREA = 7  # pixels
THINNEST = 9.0  # longer side by shorter one: an I
EMPTIEST = 0.15  # share of its box that is letter, at least
MOST = 60_000  # parts of one level: more are noise, and exceed the type of the labels


@dataclass(frozen=True)
class Parts:
    """Candidates for letters at one scale, of one polarity, at one level.

    boxes: (N, 4) x, y, width, height; middles: (N, 2); both in pixels of the searched film. length: (N,) of the longer side.
    contrast: (N,) mean difference from the surroundings, grey levels. ink: (N,) mean grey level. sharpness: (N,) mean gradient
    along their outline, grey levels per pixel. scale: searched pixels per pixel of the film.
    """

    boxes: NDArray[np.float64]
    middles: NDArray[np.float64]
    length: NDArray[np.float64]
    contrast: NDArray[np.float64]
    ink: NDArray[np.float64]
    sharpness: NDArray[np.float64]
    scale: float


def list_parts(grey: NDArray[np.uint8]) -> Iterator[Parts]:
    """The parts of a film (H, W) uint8, for each scale, polarity and level that has some.

    Source: white and black top-hat, Serra, Image Analysis and Mathematical Morphology, 1982.
    """
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (KERNEL, KERNEL))
    for film, scale in _scale(grey):
        across, down = (cv2.Sobel(film, cv2.CV_32F, *order, ksize=3, scale=0.25) for order in ((1, 0), (0, 1)))
        gradient = cv2.magnitude(across, down).astype(np.float32, copy=False)
        framed = cv2.copyMakeBorder(film, KERNEL, KERNEL, KERNEL, KERNEL, cv2.BORDER_REPLICATE)
        for polarity in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT):
            hat = np.ascontiguousarray(cv2.morphologyEx(framed, polarity, kernel)[KERNEL:-KERNEL, KERNEL:-KERNEL], np.uint8)
            for step in STEPS:
                parts = _measure(film, hat, gradient, step, scale)
                if parts is not None:
                    yield parts


def _scale(grey: NDArray[np.uint8]) -> Iterator[tuple[NDArray[np.uint8], float]]:
    side = max(grey.shape)
    scales = [min(wanted / side, ENLARGED) for wanted in SIDES]
    for scale in scales[1:] if scales[0] < SEVERAL * scales[1] else scales:
        size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        yield cv2.resize(grey, size, interpolation=way).astype(np.uint8), scale


def _measure(
    film: NDArray[np.uint8], hat: NDArray[np.uint8], gradient: NDArray[np.float32], step: int, scale: float
) -> Parts | None:
    above = cv2.threshold(hat, step, 1, cv2.THRESH_BINARY)[1]
    count, labelled, stats, middles = cv2.connectedComponentsWithStats(above, connectivity=8, ltype=cv2.CV_16U)
    if not 1 < count <= MOST:
        return None
    width, height, area = stats[:, 2:].T.astype(float)
    longer, shorter = np.maximum(width, height), np.minimum(width, height)
    fits = (longer >= LENGTH[0]) & (longer <= LENGTH[1]) & (area >= LEAST_AREA)
    fits &= (longer <= THINNEST * shorter) & (area > EMPTIEST * width * height)
    fits[0] = False  # what is around the parts
    chosen = np.flatnonzero(fits)
    if not len(chosen):
        return None
    inner = cv2.erode(above, np.ones((3, 3), np.uint8))
    flat = np.asarray(labelled, np.uint16).ravel()
    inside = np.flatnonzero(fits[flat])  # pixels of the parts that fit
    edge = inside[inner.ravel()[inside] == 0]
    own = flat[inside]
    edges = np.bincount(flat[edge], minlength=count)[chosen]

    def mean(values: NDArray[np.number], pixels: NDArray[np.intp], names: NDArray[np.uint16]) -> NDArray[np.float64]:
        return np.bincount(names, values.ravel()[pixels].astype(float), count)[chosen].astype(float)

    return Parts(
        boxes=stats[chosen, :4].astype(float),
        middles=np.asarray(middles, float)[chosen],
        length=longer[chosen],
        contrast=mean(hat, inside, own) / area[chosen],
        ink=mean(film, inside, own) / area[chosen],
        sharpness=mean(gradient, edge, flat[edge]) / np.maximum(1, edges),
        scale=scale,
    )
