"""Figures of ways that were trained with several seeds: means, 95 % intervals over seeds and patients, paired differences.

The variance of a mean over S seeds has two parts: that of the patients, from resamples of them that are the same for all ways and
seeds, and that of the seeds, the sample variance of the seeds' values over S. The interval is the mean plus or minus Student's t
times the root of their sum, with Satterthwaite's degrees of freedom; with one seed it is over patients alone. In a difference
the patients are paired, and the variances of the seeds of both ways add up: equal numbers are not the same luck.

Source: Satterthwaite 1946, doi 10.2307/3002019; Field and Welsh 2007, doi 10.1111/j.1467-9868.2007.00593.x (drawing patients).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from hilum.evaluation.scoring.calibration import find_scaling
from hilum.evaluation.scoring.metrics import METRICS, metric_names, metric_values
from hilum.records import Labels, Probabilities

SHOWN = {
    "accuracy": "accuracy",
    "f1_macro": "macro-F1",
    "auroc_macro": "AUROC",
    "log_loss": "log loss",
    "ece": "calibration error",
}
USED = {name: METRICS[name] for name in ("accuracy", "ece", "log_loss", "auroc", "f1")}
COMPARED = ("accuracy", "f1_macro")
RESAMPLES, SEED = 500, 0


@dataclass(frozen=True)
class Outcome:
    """One way and seed: logits (N, K), labels (N,), patients (N,) of validation and test films; prior: (K,) of the model.

    prevalence: (K,) class shares that its probabilities are shifted to; None leaves them as they are.
    """

    val_logits: NDArray[np.float64]
    val_labels: Labels
    val_patients: NDArray[np.str_]
    test_logits: NDArray[np.float64]
    test_labels: Labels
    test_patients: NDArray[np.str_]
    prior: NDArray[np.float64]
    seconds: NDArray[np.float64]
    prevalence: NDArray[np.float64] | None = None

    def predictions(self, calibration: str) -> Probabilities:
        """Probabilities (N, K) of the test films, calibrated on validation by a word of `train.calibration`."""
        found = find_scaling(calibration, self.val_logits, self.val_labels, self.prior).apply(self.test_logits)
        if self.prevalence is None:
            return found
        shifted = found * self.prevalence / self.prior
        return shifted / shifted.sum(axis=1, keepdims=True)


def measure(outcomes: Sequence[Outcome], calibration: str, classes: tuple[str, ...]) -> NDArray[np.float64]:
    """(1 + R, S, M): the metrics of SHOWN for all test films, then for each resample of their patients, by seed."""
    columns = [metric_names(classes, USED).index(name) for name in SHOWN]
    truth, patients = outcomes[0].test_labels, outcomes[0].test_patients
    _, group = np.unique(patients, return_inverse=True)
    films_of = [np.flatnonzero(group == g) for g in range(group.max() + 1)]
    rng = np.random.default_rng(SEED)
    drawn = [np.concatenate([films_of[g] for g in rng.integers(0, len(films_of), len(films_of))]) for _ in range(RESAMPLES)]
    answers = [outcome.predictions(calibration) for outcome in outcomes]
    return np.array(
        [
            [metric_values(truth[films], p[films], p[films].argmax(axis=1), USED)[columns] for p in answers]
            for films in [np.arange(len(truth)), *drawn]
        ]
    )


def interval(values: NDArray[np.float64], minus: NDArray[np.float64] | None = None) -> tuple[float, float, float]:
    """Mean, lower and upper end of the 95 % interval of one metric (1 + R, S), or of its difference from `minus` (1 + R, Z)."""
    parts = [values] if minus is None else [values, minus]
    means = parts[0].mean(axis=1) - (0.0 if minus is None else minus.mean(axis=1))  # (1 + R,)
    of_seeds = [(float(part[0].var(ddof=1)) / part.shape[1], part.shape[1]) for part in parts if part.shape[1] > 1]
    total = float(means[1:].var(ddof=1)) + sum(variance for variance, _ in of_seeds)
    doubt = sum(variance**2 / (seeds - 1) for variance, seeds in of_seeds)
    reach = float(t.ppf(0.975, total**2 / doubt if doubt else np.inf)) * total**0.5
    return float(means[0]), float(means[0]) - reach, float(means[0]) + reach


def write_table(
    found: Mapping[str, Sequence[Outcome]], reference: str, calibration: Sequence[str], classes: tuple[str, ...]
) -> str:
    """A row per way and calibration: its figures, its difference from the reference under the first calibration if that way is
    among them, accuracies by seed, seconds."""
    names = list(SHOWN)
    values = {(way, word): measure(found[way], word, classes) for way, word in product(found, calibration)}
    first = (reference, calibration[0])
    head = [
        "way",
        "calibration",
        *SHOWN.values(),
        *(f"{SHOWN[name]} minus reference" for name in COMPARED),
        "accuracy by seed",
        "s",
    ]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for (way, word), of_way in values.items():
        cells = [way, word, *(write_interval(of_way[:, :, names.index(name)]) for name in names)]
        for column in map(names.index, COMPARED):
            other = values[first][:, :, column] if first in values and (way, word) != first else None
            cells.append("" if other is None else write_interval(of_way[:, :, column], other, "+"))
        cells.append(", ".join(f"{100 * one:.1f}" for one in of_way[0, :, 0]))
        cells.append(f"{np.mean([float(outcome.seconds) for outcome in found[way]]):.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def write_interval(values: NDArray[np.float64], minus: NDArray[np.float64] | None = None, sign: str = "") -> str:
    """`0.812 [0.790, 0.833]` of one metric (1 + R, S), or of its difference from another way's."""
    return "{:{sign}.3f} [{:{sign}.3f}, {:{sign}.3f}]".format(*interval(values, minus), sign=sign)
