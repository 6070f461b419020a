"""Every covered film is searched again, as it was covered and as it was prepared, and covered again where needed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilum.data.burned_in.covering import cover_burned_in
from hilum.data.burned_in.found import BurnedIn, join_found
from hilum.data.burned_in.search import find_burned_in
from hilum.data.prepared.geometry import fit_film, fit_square, round_levels

LOOKS = {"letters": 1, "text": 3, "ocr": 3}  # reader -> searches after covering; what all but the last find is covered too


@dataclass(frozen=True)
class Covered:
    """A film whose burned-in letters and text were covered.

    film: (size, size) uint8. found: all that was covered; left: what the last search still finds; both in pixels of the film that
    was searched.
    """

    film: NDArray[np.uint8]
    found: BurnedIn
    left: BurnedIn


def cover_and_look(grey: NDArray[Any], size: int, square: str, reader: str) -> Covered:
    """Cover what is found in a film, prepare it, and search again until nothing is found, at most LOOKS times.

    grey: (H, W) uint8 or float32. size, square: as `fit_film` takes them. reader: of `search.READERS`.

    Raises:
        ValueError: a reader whose packages are not installed.
    """
    levels = round_levels(grey)
    found = find_burned_in(levels, reader)
    for look in range(LOOKS[reader]):
        covered = cover_burned_in(levels, found)
        film = fit_film(np.where(covered == levels, grey, covered), size, square) if len(found) else fit_film(grey, size, square)
        left = _look_at_prepared(film, covered.shape, square, reader)
        if len(found):  # else it is the film that was searched before
            left = join_found(find_burned_in(covered, reader), left)
        if not len(left) or look == LOOKS[reader] - 1:
            break
        found = join_found(found, left)
    return Covered(film, found, left)


def _look_at_prepared(film: NDArray[np.uint8], shape: tuple[int, ...], square: str, reader: str) -> BurnedIn:
    """What is found in a prepared film, in pixels of the film of that shape from which it was made."""
    geometry = fit_square(shape[1], shape[0], film.shape[0], square)
    return find_burned_in(film, reader).to_raw(geometry)
