"""Letters and other marks burnt into a film: a film with and without them, and what is told of them."""

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.data.burned_in.letters import SIDE
from hilum.data.prepared.geometry import fit_square, resize_part, square_film

MARKERS = ("keep", "inpaint")
MARKER_COLUMNS = ("image_id", "markers", "area_share", "boxes", "lung_pixels")  # of data/prepared/markers.csv

MARGIN = 1.5  # pixels of the searched film around a box that are replaced as well: a letter's edge is soft
INPAINT_RADIUS = 3.0


def check_markers(markers: str) -> None:
    """Refuse another word than keep or inpaint.

    Raises:
        ValueError: it is another word.
    """
    if markers not in MARKERS:
        raise ValueError(f"`markers` must be one of {', '.join(MARKERS)}, got {markers!r}")


def remove_markers(grey: NDArray[np.uint8], boxes: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The film (H, W) uint8 with what is in the boxes replaced from what is around them.

    Source: Telea, An image inpainting technique based on the fast marching method, 2004.
    """
    if not len(boxes):
        return grey
    return cv2.inpaint(grey, _cover(grey.shape, boxes), INPAINT_RADIUS, cv2.INPAINT_TELEA).astype(np.uint8)


def find_place(shape: tuple[int, ...], boxes: NDArray[np.float64], size: int, square: str) -> NDArray[np.bool_]:
    """Where what removal replaces in a film (H, W) lies once it has its size: (size, size) True where it counts for a pixel.

    shape: of the film. boxes: (M, 4) in its pixels. Only what is near the boxes is worked out.
    """
    covered = square_film(_cover(shape, boxes), square)
    geometry = fit_square(shape[1], shape[0], size, square)
    scale = np.array([geometry.scale_x, geometry.scale_y])
    room = (_margin(shape) + 1) * scale + np.maximum(scale, 1) + 1  # the filter reaches as far as one pixel of the coarser film
    place = np.zeros((size, size), bool)  # (size, size)
    for box in geometry.boxes_to_prepared(boxes):
        left, top = np.maximum(np.floor(box[:2] - room), 0).astype(int).tolist()
        right, bottom = np.minimum(np.ceil(box[:2] + box[2:] + room), size).astype(int).tolist()
        place[top:bottom, left:right] |= resize_part(covered, size, (left, top, right, bottom)) > 0
    return place


def count_removal(markers: pd.DataFrame) -> dict[str, int]:
    """Films, films with marks, marks, films whose lungs are known, and of these the films and lung pixels that removal meets."""
    known = markers[markers["lung_pixels"].astype(str) != ""]
    touched = known["lung_pixels"].astype(int)
    return {
        "films": len(markers),
        "films with marks": int((markers["markers"] > 0).sum()),
        "marks": int(markers["markers"].sum()),
        "films with a lung mask": len(known),
        "films whose lungs are touched": int((touched > 0).sum()),
        "lung pixels touched": int(touched.sum()),
    }


def _margin(shape: tuple[int, ...]) -> float:
    return MARGIN * max(1.0, max(shape) / SIDE)


def _cover(shape: tuple[int, ...], boxes: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(H, W): 255 in the boxes and a margin around them, 0 elsewhere."""
    margin = _margin(shape)
    covered = np.zeros(shape, np.uint8)  # (H, W)
    for x, y, width, height in boxes:
        rows = slice(max(0, int(np.floor(y - margin))), int(np.ceil(y + height + margin)))
        covered[rows, max(0, int(np.floor(x - margin))) : int(np.ceil(x + width + margin))] = 255
    return covered
