"""Lateral films, found by their pixels where no view is given.

Frontal and lateral chest films differ so much that thumbnails of a few pixels separate them, given examples of both
(Boone et al., J Digit Imaging 2003: 98.8 % right at 16 x 16 pixels; Lehmann et al., same volume: 99.3 % of 1,867
films at 8 x 8). A set of frontal films has no lateral ones, so both kinds are drawn (`trunk`). First the drawings
alone classify all films; films called lateral are suspected and classified again by the drawings and the unsuspected films as
frontal ones. So the lateral films of a mixed folder are not learned as frontal.

Limits: it was measured on simulated lateral films among real frontal ones, for lack of real lateral films. Frontal films unlike
the drawings that make up most of a set, and many films turned by 90 degrees, may be called lateral.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.svm import SVC

from hilum.data.quality.trunk import draw_projections

PIXELS = 12  # a side of the thumbnails that are compared
DRAWN = 600  # drawings of each kind
PARTS = 5  # of a set: each is classified by the others
EXAMPLES = 250  # films of a set used as examples, at most: more would outweigh the drawings
SUSPECTED = 0.5  # margin by the drawings alone, on the lateral side, from which a film is no example and may be listed
LIKE_A_DRAWING = 0.5  # correlation with the nearest lateral drawing: a photograph resembles none
LEAST = 0.01  # final margin below which a film is frontal


def find_lateral_films(thumbnails: NDArray[np.float32], patients: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N,) distance of each film from the boundary to the frontal ones, at most 1 (the usual one of a drawing); 0: frontal.

    thumbnails: (N, h, w), any grey scale; a lateral film that is not upright is hardly found.
    patients: (N,); films of one do not classify each other, unless there are fewer than PARTS patients.

    Drawing takes about five seconds, once in a process.
    """
    films = _describe(thumbnails)
    drawn, lateral = _draw()
    suspicion = SVC().fit(drawn, lateral).decision_function(films)
    names, part = np.unique(patients, return_inverse=True)
    part = (part if len(names) >= PARTS else np.arange(len(films))) % PARTS
    margin = np.zeros(len(films))
    for own in np.unique(part):
        examples = films[(part != own) & (suspicion < SUSPECTED)]
        examples = examples[np.unique(np.linspace(0, len(examples) - 1, min(EXAMPLES, len(examples))).round().astype(int))]
        model = SVC().fit(np.concatenate([drawn, examples]), np.concatenate([lateral, np.zeros(len(examples))]))
        margin[part == own] = model.decision_function(films[part == own])
    may_be = np.flatnonzero((suspicion > SUSPECTED) & (margin > LEAST))
    nearest = (films[may_be] @ drawn[lateral == 1].T).max(1) / PIXELS**2
    found = np.zeros(len(films))
    found[may_be] = np.where(nearest > LIKE_A_DRAWING, margin[may_be].clip(0, 1), 0.0)
    return found


@lru_cache(maxsize=1)
def _draw() -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """(2 * DRAWN, PIXELS²) drawings, and 1 for each that is lateral."""
    films = [draw_projections(0, DRAWN, lateral) for lateral in (False, True)]
    return _describe(np.concatenate(films)), np.repeat([0.0, 1.0], DRAWN)


def _describe(films: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, PIXELS²), standardised."""
    return shrink_films(films, PIXELS).reshape(len(films), -1)  # (N, PIXELS ** 2)


def shrink_films(films: Iterable[NDArray[Any]], side: int) -> NDArray[np.float32]:
    """Films (h, w) of any sizes and grey scales -> thumbnails (N, side, side), mean 0 and standard deviation 1 each."""
    small = np.stack([cv2.resize(film, (side, side), interpolation=cv2.INTER_AREA) for film in films])  # (N, side, side)
    flat = small.reshape(len(small), -1).astype(np.float32)  # (N, side * side)
    flat = flat - flat.mean(1, keepdims=True)
    return (flat / (flat.std(1, keepdims=True) + 1e-3)).reshape(small.shape)
