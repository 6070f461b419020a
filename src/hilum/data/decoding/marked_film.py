"""A film with and without the letters and marks burnt into it, and what is told of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from hilum.data.burned_in.letters import find_markers
from hilum.data.burned_in.removal import check_markers, find_place, remove_markers
from hilum.data.decoding.depth import GREY_BITS
from hilum.data.decoding.images import read_draft
from hilum.data.prepared.geometry import Geometry, check_square, fit_film, fit_square, round_levels


@dataclass(frozen=True)
class MarkedFilm:
    """A prepared film and the marks that its raw film carried.

    film: (size, size) uint8, with or without the marks. before: (size, size) uint8, with the marks; equal where they are kept.
    boxes: (M, 4) x, y, width, height in raw pixels. place: (size, size) bool, the prepared pixels that removal changes, or would
    change. bits: see `FilmRead`. remarks: what is odd in the file and cost no film.
    """

    film: NDArray[np.uint8]
    before: NDArray[np.uint8]
    geometry: Geometry
    boxes: NDArray[np.float64]
    place: NDArray[np.bool_]
    bits: int = 0
    remarks: tuple[str, ...] = ()


def prepare_marked(film: Path | BinaryIO, size: int, square: str, markers: str, bits: Sequence[int] = GREY_BITS) -> MarkedFilm:
    """Decode, square and resize one film, find the marks in it at the size at which it was decoded, and keep or remove them.

    markers: keep or inpaint. bits: the depths that a film of 16 bits may have.

    Raises:
        ValueError: what `read_film` refuses, or another word for `square` or `markers`.
    """
    check_markers(markers)
    check_square(square)
    read = read_draft(film, size, bits=bits)
    geometry, levels = fit_square(read.width, read.height, size, square), round_levels(read.grey)
    boxes = find_markers(levels)
    after = before = fit_film(read.grey, size, square)
    place = np.zeros((size, size), bool)  # (size, size)
    if len(boxes):
        place = find_place(levels.shape, boxes, size, square)
        if markers == "inpaint":
            removed = remove_markers(levels, boxes)
            after = fit_film(np.where(removed == levels, read.grey, removed), size, square)
    raw = boxes * np.tile((geometry.width / levels.shape[1], geometry.height / levels.shape[0]), 2)
    return MarkedFilm(after, before, geometry, raw, place, read.bits, read.remarks)


def tell_markers(marked: MarkedFilm, lungs: NDArray[np.bool_] | None) -> tuple[int, float, str, str]:
    """A row of MARKER_COLUMNS without its image_id.

    area_share: of the raw film that the boxes cover. boxes: JSON list of [x, y, width, height], raw pixels.
    lung_pixels: prepared pixels of the lungs that removal changes, or would change; empty without a lung mask.
    lungs: (size, size) mask on the prepared film.
    """
    area = float((marked.boxes[:, 2] * marked.boxes[:, 3]).sum()) / (marked.geometry.width * marked.geometry.height)
    touched = "" if lungs is None else str(int((lungs & marked.place).sum()))
    return len(marked.boxes), round(area, 6), json.dumps(marked.boxes.round(1).tolist()), touched
