"""Covering of what is burned into a film by what is around it, and counts of it."""

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from hilum.data.burned_in.found import BurnedIn, measure_margin
from hilum.data.prepared.geometry import fit_square, resize_part, square_film

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("image_id", "burned_in", "area_share", "boxes", "lung_pixels", "left", "left_boxes")  # of data/prepared/burned_in.csv
STILL_FOUND = "burned-in text still found"  # in problems.csv

INPAINT_RADIUS = 3.0


def cover_burned_in(grey: NDArray[np.uint8], found: BurnedIn) -> NDArray[np.uint8]:
    """The film (H, W) uint8 with what was found replaced from what is around it.

    Source: Telea, An image inpainting technique based on the fast marching method, 2004.
    """
    if not len(found):
        return grey
    return cv2.inpaint(grey, found.paint(grey.shape), INPAINT_RADIUS, cv2.INPAINT_TELEA).astype(np.uint8)


def find_place(shape: tuple[int, ...], found: BurnedIn, size: int, square: str) -> NDArray[np.bool_]:
    """The covered pixels of a film (H, W) in its prepared film: (size, size), True where covering affects a pixel.

    shape: of the film. found: in its pixels. Only the surroundings of the places are computed.
    """
    covered = square_film(found.paint(shape), square)
    geometry = fit_square(shape[1], shape[0], size, square)
    scale = np.array([geometry.scale_x, geometry.scale_y])
    room = (measure_margin(shape) + 1) * scale + np.maximum(scale, 1) + 1  # the filter reaches one pixel of the coarser film
    place = np.zeros((size, size), bool)  # (size, size)
    for box in geometry.boxes_to_prepared(found.list_boxes()):
        left, top = np.maximum(np.floor(box[:2] - room), 0).astype(int).tolist()
        right, bottom = np.minimum(np.ceil(box[:2] + box[2:] + room), size).astype(int).tolist()
        place[top:bottom, left:right] |= resize_part(covered, size, (left, top, right, bottom)) > 0
    return place


def count_burned_in(table: "pd.DataFrame") -> dict[str, int]:
    """Counts of a table of COLUMNS: films, films with something burned in, places; films with a lung mask, and of these the
    films and lung pixels that covering touches; films searched again, and those on which something was still found.
    """
    known = table[table["lung_pixels"].astype(str) != ""]
    touched = known["lung_pixels"].astype(int)
    again = table.loc[table["left"].astype(str) != "", "left"].astype(int)
    return {
        "films": len(table),
        "films with it": int((table["burned_in"] > 0).sum()),
        "places": int(table["burned_in"].sum()),
        "films with a lung mask": len(known),
        "films whose lungs are touched": int((touched > 0).sum()),
        "lung pixels touched": int(touched.sum()),
        "films looked at again": len(again),
        "films where some is left": int((again > 0).sum()),
    }
