"""Changed films whose effect shows what a model relies on; each probe is a pure function of films (N, H, W) uint8."""

import numpy as np
from numpy.typing import NDArray

from hilum.audit.regions import Region
from hilum.data.burned_in.covering import cover_burned_in
from hilum.data.burned_in.found import BurnedIn
from hilum.data.burned_in.glyphs import letter_shape
from hilum.data.burned_in.letters import find_letters
from hilum.records import Films

LETTERS = ("R", "L")
CORNERS = ("upper left", "upper right", "lower left", "lower right")
WHITE = 237  # grey level of a pasted letter
MARGIN = 0.04  # of the side, between a pasted letter and the edge


def fill(films: Films, region: Region, grey: NDArray[np.floating] | float) -> Films:
    """The films with one grey level in a region; grey: a number or one per film (N,)."""
    changed = films.copy()
    levels = np.broadcast_to(np.asarray(grey), len(films))
    changed[:, region] = np.rint(levels).astype(np.uint8)[:, None]
    return changed


def mean_grey(films: Films, region: Region) -> float:
    """The mean grey level of a region over all films."""
    return float(films[:, region].mean()) if region.any() else 0.0


def without_letters(films: Films) -> Films:
    """The films with the single letters that are found near their edges covered."""
    return np.stack([cover_burned_in(film, BurnedIn(find_letters(film))) for film in films])  # (N, H, W)


def with_letter(films: Films, letter: str, corner: str) -> Films:
    """The films with a letter burned into one corner."""
    size = films.shape[1]
    glyph = letter_shape(letter, size)
    tall, wide = glyph.shape
    margin = round(MARGIN * size)
    top = margin if corner.startswith("upper") else size - margin - tall
    left = margin if corner.endswith("left") else size - margin - wide
    changed = films.copy()
    place = changed[:, top : top + tall, left : left + wide]
    place[:, glyph] = np.maximum(place[:, glyph], WHITE)
    return changed
