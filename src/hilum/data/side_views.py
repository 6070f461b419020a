"""Films taken from the side, found by their pixels where no view is written down.

Frontal and lateral chest films differ so much that thumbnails of a few pixels tell them apart once films of both kinds are there
to learn from (Boone et al. 2003: 98.8 % of 1,998 films at 16 x 16; Lehmann et al. 2003: 99.3 % of 1,867 at 8 x 8; both in
J Digit Imaging 16). A set of frontal films has no lateral ones, so both kinds are drawn (`trunk`), in two steps: what the
drawings alone call lateral is suspected, then drawings and the unsuspected films of the set, as frontal ones, judge it.
Hence a folder half of which is lateral does not teach that this is what frontal films look like.
"""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.svm import SVC

from hilum.data.trunk import draw_projections

SIDE = 12  # pixels of the thumbnails that are compared
DRAWN = 600  # drawings of each kind
PARTS = 5  # of a set: each is judged by the others
ALIKE = 0.5  # correlation with the nearest lateral drawing: a photograph is like none
FIT = 150  # films of a set that teach, at most: more would outweigh the drawings
SUSPECTED = 0.5  # margin of the drawings alone, on the lateral side, from which on a film does not teach and may be listed


def find_side_views(thumbnails: NDArray[np.float32], patients: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N,) how far each film lies on the lateral side, from 0, where it is frontal, to 1, as far as the nearest drawings.

    thumbnails: (N, h, w) of upright films, any grey scale; patients: (N,), whose films do not judge each other.
    """
    films = _describe(thumbnails)
    drawn, lateral = _draw()
    alone = SVC().fit(drawn, lateral).decision_function(films)
    part = np.unique(patients, return_inverse=True)[1] % PARTS
    margin = np.zeros(len(films))
    for judged in np.unique(part):
        frontal = films[(part != judged) & (alone < SUSPECTED)]
        frontal = frontal[np.unique(np.linspace(0, len(frontal) - 1, min(FIT, len(frontal))).round().astype(int))]
        both = np.concatenate([drawn, frontal, _mirror(frontal)])
        model = SVC().fit(both, np.concatenate([lateral, np.zeros(2 * len(frontal))]))
        margin[part == judged] = model.decision_function(films[part == judged])
    sides = drawn[lateral == 1]
    alike = (films @ np.concatenate([sides, _mirror(sides)]).T).max(1) / SIDE**2
    return np.where((alone > SUSPECTED) & (alike > ALIKE), margin.clip(0, 1), 0.0)


@lru_cache(maxsize=1)
def _draw() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(2 * DRAWN, SIDE²) drawings, and whether each is lateral."""
    films = [draw_projections(0, DRAWN, lateral) for lateral in (False, True)]
    return _describe(np.concatenate(films)), np.repeat([0.0, 1.0], DRAWN)


def _describe(films: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N, SIDE²), mean 0 and standard deviation 1 each."""
    small = np.stack([cv2.resize(film, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for film in films])
    flat = small.reshape(len(films), -1).astype(np.float64)
    flat -= flat.mean(1, keepdims=True)
    return flat / (flat.std(1, keepdims=True) + 1e-3)


def _mirror(flat: NDArray[np.float64]) -> NDArray[np.float64]:
    return flat.reshape(-1, SIDE, SIDE)[:, :, ::-1].reshape(flat.shape)
