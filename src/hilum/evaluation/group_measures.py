"""What a model is worth on a group of films: four measures at one mix of classes, each with what every film adds to it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilum.records import Labels, Predictions, Probabilities

Shares = NDArray[np.float64]  # (K,) of the classes, in all 1
Contributions = NDArray[np.float64]  # (4, N): a measure is a constant plus the sum over classes of the mean over its films

MEASURES = {  # key in files -> title
    "auroc": "AUROC",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "overconfidence": "overconfidence",
}
RANGE = {"auroc": (0.0, 1.0), "sensitivity": (0.0, 1.0), "specificity": (0.0, 1.0), "overconfidence": (-1.0, 1.0)}


@dataclass(frozen=True)
class GroupMeasures:
    """The measures of MEASURES on some films.

    values: (4,). films: (4, N) what each film adds, before the mean over the films of its class; 0 where it adds nothing.
    """

    values: NDArray[np.float64]
    films: Contributions


def count_shares(predictions: Predictions) -> Shares:
    """(K,) the share of each class among the films."""
    return np.bincount(predictions.y_true, minlength=len(predictions.classes)) / len(predictions.y_true)


def needed_classes(classes: int) -> NDArray[np.bool_]:
    """(4, K): whether a measure needs films of a class; of two classes, sensitivity the second, specificity the first."""
    needed = np.ones((len(MEASURES), classes), bool)
    if classes == 2:
        needed[1:3] = [[False, True], [True, False]]
    return needed


def measure_group(y_true: Labels, y_prob: Probabilities, y_pred: Labels, shares: Shares) -> GroupMeasures:
    """The measures of a group as if its classes had these shares, so that groups of other class mixes can be compared.

    Of two classes AUROC, sensitivity and specificity are those of the second; of more, the mean over the classes, each against
    the rest, whose classes have their shares. overconfidence: mean probability of the predicted class minus the share of right
    predictions (calibration in the large of the prediction). On all films the first three are the metrics of these names. A
    measure without films of a class that it needs is NaN.

    Source: placements of AUROC: DeLong et al. 1988, doi 10.2307/2531595.
    """
    count = len(shares)
    measured = np.arange(count) if count > 2 else np.array([1])
    against = np.zeros((count, count))  # (k, c): weight of class c among the rest of class k
    against[measured] = shares / (1 - shares[measured, None]) / len(measured)
    np.fill_diagonal(against, 0.0)
    own = np.zeros(count)
    own[measured] = 1 / len(measured)
    films = np.zeros((len(MEASURES), len(y_true)))
    rows = np.arange(len(y_true))
    auroc = _add_placements(films[0], y_true, y_prob, against)
    films[1] = (y_pred == y_true) * own[y_true]
    films[2] = -against[y_pred, y_true]
    films[3] = (y_prob[rows, y_pred] - (y_pred == y_true)) * shares[y_true]
    values = np.array([auroc, *(_sum_of_means(one, y_true, count) for one in films[1:])])
    values[2] += 1.0
    return GroupMeasures(np.where(_missing(y_true, count), np.nan, values), films)


def _add_placements(films: NDArray[np.float64], y_true: Labels, y_prob: Probabilities, against: NDArray[np.float64]) -> float:
    """AUROC, and what each film adds to it: the share of films of another class that it is on the right side of."""
    of_class = [np.flatnonzero(y_true == k) for k in range(len(against))]
    total = 0.0
    for k, c in zip(*np.nonzero(against), strict=True):
        inside, outside = of_class[k], of_class[c]
        if len(inside) and len(outside):
            above = _share_below(y_prob[inside, k], y_prob[outside, k])
            films[inside] += against[k, c] * above
            films[outside] += against[k, c] * (1 - _share_below(y_prob[outside, k], y_prob[inside, k]))
            total += against[k, c] * float(above.mean())
    return total


def _share_below(scores: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each score, the share of the others below it, ties counted half."""
    ordered = np.sort(others)
    return (np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")) / (2 * len(others))


def _sum_of_means(films: NDArray[np.float64], y_true: Labels, count: int) -> float:
    number = np.bincount(y_true, minlength=count)
    return float((np.bincount(y_true, films, minlength=count) / np.maximum(number, 1)).sum())


def _missing(y_true: Labels, count: int) -> NDArray[np.bool_]:
    """(4,) whether a class that a measure needs has no film."""
    return (needed_classes(count) & (np.bincount(y_true, minlength=count) == 0)).any(axis=1)
