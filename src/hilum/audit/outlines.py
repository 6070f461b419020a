"""How well the lung outlines alone predict the class: why the audit hides lungs by one region and not by their own shape."""

import numpy as np
from numpy.typing import NDArray

from hilum.evaluation.acquisition import predict_by_features
from hilum.records import Labels, Masks, Probabilities

GRID = 16  # cells per side that an outline is reduced to
PIECE = 256  # masks added up at a time: as numbers they take eight times their memory
LEAST = 5  # masks of every class that training needs


def predict_by_outlines(train: Masks, labels: Labels, test: Masks, classes: int) -> Probabilities | None:
    """A logistic regression's probabilities (N, K) for masks `test`, fitted on masks `train` (M, H, W) with labels (M,).

    None where training has fewer than LEAST masks of some class, or there is no test mask.
    """
    if not len(test) or min(np.bincount(labels, minlength=classes)) < LEAST:
        return None
    return predict_by_features(cover(train), labels, cover(test), classes)


def cover(masks: Masks) -> NDArray[np.float64]:
    """The share of each of GRID x GRID cells that is lung, (N, GRID * GRID)."""
    if len(masks) > PIECE:
        return np.concatenate([cover(masks[i : i + PIECE]) for i in range(0, len(masks), PIECE)])
    edges = np.linspace(0, masks.shape[1], GRID + 1).round().astype(int)
    sizes = np.outer(np.diff(edges), np.diff(edges))
    sums = np.add.reduceat(np.add.reduceat(masks.astype(np.float64), edges[:-1], axis=1), edges[:-1], axis=2)
    return (sums / sizes).reshape(len(masks), -1)  # (N, cells)
