"""A film with what is burned into it kept or covered, and its row of burned_in.csv."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from hilum.data.burned_in.covering import find_place
from hilum.data.burned_in.found import BurnedIn
from hilum.data.burned_in.search import find_burned_in
from hilum.data.burned_in.second_look import cover_and_look
from hilum.data.burned_in.treatment import Treatment
from hilum.data.decoding.depth import GREY_BITS
from hilum.data.decoding.images import read_draft
from hilum.data.prepared.geometry import Geometry, check_square, fit_film, fit_square, round_levels

Told = tuple[int, float, str, str, str, str]  # a row of `covering.COLUMNS` without its image_id


@dataclass(frozen=True)
class CoveredFilm:
    """A prepared film and what is burned into its raw film.

    film: (size, size) uint8, with what is burned in kept or covered. before: (size, size) uint8, with it; equal where it is kept.
    found: in raw pixels; all that was covered, or would be. place: (size, size) bool, the prepared pixels that covering changes,
    or would change. left: what was still found when the covered film was searched again, in raw pixels; None: not searched.
    bits: see `FilmRead`. remarks: oddities of the file that did not prevent reading.
    """

    film: NDArray[np.uint8]
    before: NDArray[np.uint8]
    geometry: Geometry
    found: BurnedIn
    place: NDArray[np.bool_]
    left: BurnedIn | None = None
    bits: int = 0
    remarks: tuple[str, ...] = ()


def prepare_covered(
    film: Path | BinaryIO, size: int, square: str, treatment: Treatment, bits: Sequence[int] = GREY_BITS
) -> CoveredFilm:
    """Decode, square and resize one film; find what is burned in, at the size at which it was decoded, and keep or cover it.

    bits: the depths that a film of 16 bits may have.

    Raises:
        ValueError: what `read_film` refuses, or another word for `square`.
    """
    check_square(square)
    read = read_draft(film, size, bits=bits)
    geometry, levels = fit_square(read.width, read.height, size, square), round_levels(read.grey)
    after = before = fit_film(read.grey, size, square)
    left = None
    if treatment.do == "inpaint":
        covered = cover_and_look(read.grey, size, square, treatment.searches)
        after, found, left = covered.film, covered.found, covered.left
    else:
        found = find_burned_in(levels, treatment.searches)
    place = find_place(levels.shape, found, size, square) if len(found) else np.zeros((size, size), bool)  # (size, size)
    raw = geometry.width / levels.shape[1], geometry.height / levels.shape[0]
    return CoveredFilm(
        after, before, geometry, found.scale(*raw), place, None if left is None else left.scale(*raw), read.bits, read.remarks
    )


def tell_burned_in(film: CoveredFilm, lungs: NDArray[np.bool_] | None) -> Told:
    """A row of `covering.COLUMNS` without its image_id.

    burned_in: places found. area_share: of the raw film that they cover. boxes, left_boxes: JSON lists of [x, y, width, height],
    raw pixels. lung_pixels: prepared pixels of the lungs that covering changes, or would change; empty without a lung mask.
    left: places where something was still found; empty where not searched again.
    lungs: (size, size) mask on the prepared film.
    """
    share = film.found.measure_area() / (film.geometry.width * film.geometry.height)
    touched = "" if lungs is None else str(int((lungs & film.place).sum()))
    left = ("", "") if film.left is None else (str(len(film.left)), _write_boxes(film.left))
    return len(film.found), round(share, 6), _write_boxes(film.found), touched, *left


def _write_boxes(found: BurnedIn) -> str:
    return json.dumps(found.list_boxes().round(1).tolist())
