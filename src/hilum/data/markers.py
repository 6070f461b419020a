"""Letters and other marks burnt into a film: a film with and without them, and what is told of them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.data.geometry import Geometry, check_square, fit_film, fit_square, resize_part, round_levels, square_film
from hilum.data.images import read_draft
from hilum.data.letters import SIDE, find_markers

MARKERS = ("keep", "inpaint")
MARKER_COLUMNS = ("image_id", "markers", "area_share", "boxes", "lung_pixels")  # of data/prepared/markers.csv

MARGIN = 1.5  # pixels of the searched film around a box that are replaced as well: a letter's edge is soft
INPAINT_RADIUS = 3.0


@dataclass(frozen=True)
class MarkedFilm:
    """A prepared film and the marks that its raw film carried.

    film: (size, size) uint8, with or without the marks. before: (size, size) uint8, with the marks; equal where they are kept.
    boxes: (M, 4) x, y, width, height in raw pixels. place: (size, size) bool, the prepared pixels that removal changes, or would
    change.
    """

    film: NDArray[np.uint8]
    before: NDArray[np.uint8]
    geometry: Geometry
    boxes: NDArray[np.float64]
    place: NDArray[np.bool_]


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
    place = np.zeros((size, size), bool)
    for box in geometry.boxes_to_prepared(boxes):
        left, top = np.maximum(np.floor(box[:2] - room), 0).astype(int).tolist()
        right, bottom = np.minimum(np.ceil(box[:2] + box[2:] + room), size).astype(int).tolist()
        place[top:bottom, left:right] |= resize_part(covered, size, (left, top, right, bottom)) > 0
    return place


def prepare_marked(film: Path | BinaryIO, size: int, square: str, markers: str) -> MarkedFilm:
    """Decode, square and resize one film, find the marks in it at the size at which it was decoded, and keep or remove them.

    markers: keep or inpaint.

    Raises:
        ValueError: what `read_film` refuses, or another word for `square` or `markers`.
    """
    check_markers(markers)
    check_square(square)
    read = read_draft(film, size)
    geometry, levels = fit_square(read.width, read.height, size, square), round_levels(read.grey)
    boxes = find_markers(levels)
    after = before = fit_film(read.grey, size, square)
    place = np.zeros((size, size), bool)
    if len(boxes):
        place = find_place(levels.shape, boxes, size, square)
        if markers == "inpaint":
            removed = remove_markers(levels, boxes)
            after = fit_film(np.where(removed == levels, read.grey, removed), size, square)
    raw = boxes * np.tile((geometry.width / levels.shape[1], geometry.height / levels.shape[0]), 2)
    return MarkedFilm(after, before, geometry, raw, place)


def tell_markers(marked: MarkedFilm, lungs: NDArray[np.bool_] | None) -> tuple[int, float, str, str]:
    """A row of MARKER_COLUMNS without its image_id.

    area_share: of the raw film that the boxes cover. boxes: JSON list of [x, y, width, height], raw pixels.
    lung_pixels: prepared pixels of the lungs that removal changes, or would change; empty without a lung mask.
    lungs: (size, size) mask on the prepared film.
    """
    area = float((marked.boxes[:, 2] * marked.boxes[:, 3]).sum()) / (marked.geometry.width * marked.geometry.height)
    touched = "" if lungs is None else str(int((lungs & marked.place).sum()))
    return len(marked.boxes), round(area, 6), json.dumps(marked.boxes.round(1).tolist()), touched


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
    covered = np.zeros(shape, np.uint8)
    for x, y, width, height in boxes:
        rows = slice(max(0, int(np.floor(y - margin))), int(np.ceil(y + height + margin)))
        covered[rows, max(0, int(np.floor(x - margin))) : int(np.ceil(x + width + margin))] = 255
    return covered
