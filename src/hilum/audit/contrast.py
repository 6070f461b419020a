"""What goes with the class around the lungs: surroundings of a film of another class against those of a film of the same class.

Each film is given a part of the surroundings of a donor of its own class, and the same part of a donor of another class. Seams,
blended borders and the strangeness of a mixture are in both, so only their difference counts. A part is found on one half of the
patients and measured on the other.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from hilum.audit.auditee import Auditee, log_odds
from hilum.audit.mixtures import Mixing
from hilum.audit.regions import Blend
from hilum.records import Labels, Probabilities

BATCH = 256  # mixed films in memory at once
LEAST_SPREAD = 1e-6  # of log odds


@dataclass(frozen=True)
class Triples:
    """rows: films (T,); same: donors of the same class; other: donors of another class, of other patients where there are any."""

    rows: NDArray[np.intp]
    same: NDArray[np.intp]
    other: NDArray[np.intp]

    def take(self, some: NDArray[np.intp]) -> "Triples":
        return Triples(self.rows[some], self.same[some], self.other[some])


def draw_triples(labels: Labels, patients: NDArray[np.str_], repeats: int, rng: np.random.Generator) -> Triples:
    """`repeats` triples of each film (N,), of two and more classes; a film that is alone in its class is its own `same`."""
    rows = np.tile(np.arange(len(labels)), repeats)
    same, other = rows.copy(), np.empty_like(rows)
    for i, row in enumerate(rows):
        stranger = patients != patients[row]
        of_class, others = labels == labels[row], labels != labels[row]
        mates = np.flatnonzero(of_class & stranger)
        if not len(mates):
            mates = np.setdiff1d(np.flatnonzero(of_class), row)
        same[i] = rng.choice(mates) if len(mates) else row
        rivals = np.flatnonzero(others & stranger)
        other[i] = rng.choice(rivals if len(rivals) else np.flatnonzero(others))
    return Triples(rows, same, other)


def split_patients(patients: NDArray[np.str_], rng: np.random.Generator) -> NDArray[np.intp]:
    """The half, 0 or 1, of each film (N,); all films of a patient lie in one."""
    names, place = np.unique(patients, return_inverse=True)
    return (rng.permutation(len(names)) % 2)[place]


@dataclass(frozen=True)
class Effect:
    """The effect of a part of the surroundings on the prediction.

    points: balanced accuracy with it from the film's own class less with it from another, halved: what it adds to accuracy where
    it goes with the class, against chance. odds: mean change of the log odds towards the donor's class, as a share of the films'
    own spread. Each with its standard error over films. auroc: of the changes of the log odds by all donors, for their class.
    """

    points: float
    points_error: float
    odds: float
    odds_error: float
    auroc: float


def predict_exchanged(auditee: Auditee, mixing: Mixing, triples: Triples, blend: Blend) -> Probabilities:
    """(2, T, K) probabilities of each film with the part of its donor of the same class, and of the other one.

    blend: (H, W), or (N, H, W) with one for each film.
    """

    def predict(donors: NDArray[np.intp]) -> Probabilities:
        parts = []
        for i in range(0, len(donors), BATCH):
            rows = triples.rows[i : i + BATCH]
            parts.append(auditee.predict(mixing(rows, donors[i : i + BATCH], blend if blend.ndim == 2 else blend[rows])))
        return np.concatenate(parts)

    return np.stack([predict(triples.same), predict(triples.other)])


@dataclass(frozen=True)
class Predicted:
    """probabilities: (..., K), and the predicted classes (...,) by the model's own rule."""

    probabilities: Probabilities
    classes: Labels


def effects(labels: Labels, own: Predicted, triples: Triples, mixed: Predicted) -> dict[tuple[int, int], Effect]:
    """The effect for each pair of classes; own: of the films (N,) as they are; mixed: (2, T) with same and other donors."""
    found = {}
    classes = np.unique(labels).tolist()
    for i, first in enumerate(classes):
        for second in classes[i + 1 :]:
            pair = (first, second)
            at = np.flatnonzero(np.isin(labels[triples.rows], pair) & np.isin(labels[triples.other], pair))
            if len(at):
                part = Predicted(mixed.probabilities[:, at], mixed.classes[:, at])
                found[pair] = _effect_of(pair, labels, own, triples.take(at), part)
    return found


def _effect_of(pair: tuple[int, int], labels: Labels, own: Predicted, triples: Triples, mixed: Predicted) -> Effect:
    before, odds = (_odds_between(pair, some.probabilities) for some in (own, mixed))  # (N,), (2, T)
    spread = max(float(before[np.isin(labels, pair)].std()), LEAST_SPREAD)
    towards = np.where(labels[triples.other] == pair[1], 1.0, -1.0)
    right = mixed.classes == labels[triples.rows]  # (2, T)
    moved, moved_error = _mean_of_classes(towards * (odds[1] - odds[0]) / spread, triples.rows, labels)
    lost, lost_error = _mean_of_classes(50.0 * (right[0].astype(float) - right[1]), triples.rows, labels)
    changes = (odds - before[triples.rows]).ravel()
    donors = np.concatenate([labels[triples.same], labels[triples.other]]) == pair[1]
    return Effect(lost, lost_error, moved, moved_error, area_under_curve(donors, changes))


def _odds_between(pair: tuple[int, int], probabilities: Probabilities) -> NDArray[np.float64]:
    odds = log_odds(probabilities)
    return np.asarray(odds[..., pair[1]] - odds[..., pair[0]])


def _mean_of_classes(values: NDArray[np.float64], rows: NDArray[np.intp], labels: Labels) -> tuple[float, float]:
    """Mean over classes of the mean over films, and its standard error; values: (T,), one for each draw of a film."""
    films, place = np.unique(rows, return_inverse=True)
    means = np.bincount(place, values) / np.bincount(place)  # (films,)
    sides = [means[labels[films] == k] for k in np.unique(labels[films])]
    error = np.sqrt(sum(side.var(ddof=1) / len(side) if len(side) > 1 else np.inf for side in sides)) / len(sides)
    return float(np.mean([side.mean() for side in sides])), float(error)


def area_under_curve(positive: NDArray[np.bool_], values: NDArray[np.float64]) -> float:
    """AUROC, 0.5 where all values are equal or all are of one kind."""
    hits = int(positive.sum())
    if not hits or hits == len(positive):
        return 0.5
    ranks = rankdata(values)
    return float((ranks[positive].sum() - hits * (hits + 1) / 2) / (hits * (len(positive) - hits)))
