"""Figures of ways that were trained with several seeds: means, 95 % intervals over seeds and patients, paired differences.

The variance of a mean over S seeds has two parts: that of the patients, from resamples of them that are the same for all ways and
seeds, and that of the seeds, the sample variance of the seeds' values over S. The interval is the mean plus or minus Student's t
times the root of their sum, with Satterthwaite's degrees of freedom; with one seed it is over patients alone. A difference
is taken film by film and seed by seed before that.

Source: Satterthwaite 1946, doi 10.2307/3002019; Field and Welsh 2007, doi 10.1111/j.1467-9868.2007.00593.x (drawing patients).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
    """One way and seed: logits (N, K), labels (N,), patients (N,) of validation and test films; prior: (K,) of the model."""

    val_logits: NDArray[np.float64]
    val_labels: Labels
    val_patients: NDArray[np.str_]
    test_logits: NDArray[np.float64]
    test_labels: Labels
    test_patients: NDArray[np.str_]
    prior: NDArray[np.float64]
    seconds: NDArray[np.float64]

    def predictions(self, calibration: str) -> Probabilities:
        """Probabilities (N, K) of the test films, calibrated on validation by a word of `train.calibration`."""
        return find_scaling(calibration, self.val_logits, self.val_labels, self.prior).apply(self.test_logits)


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


def interval(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean, lower and upper end of the 95 % interval, from one metric (1 + R, S)."""
    seeds = values.shape[1]
    mean, of_patients = float(values[0].mean()), float(values[1:].mean(axis=1).var(ddof=1))
    of_seeds = float(values[0].var(ddof=1)) / seeds if seeds > 1 else 0.0
    total = of_patients + of_seeds
    freedom = total**2 / (of_seeds**2 / (seeds - 1)) if of_seeds else np.inf
    reach = float(t.ppf(0.975, freedom)) * total**0.5
    return mean, mean - reach, mean + reach


def write_table(found: Mapping[str, Sequence[Outcome]], reference: str, calibration: str, classes: tuple[str, ...]) -> str:
    """A row per way: its figures, its difference from the reference where that has as many seeds, accuracies by seed, seconds."""
    names = list(SHOWN)
    values = {way: measure(outcomes, calibration, classes) for way, outcomes in found.items()}
    head = ["way", *SHOWN.values(), *(f"{SHOWN[name]} minus reference" for name in COMPARED), "accuracy by seed", "s"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for way, of_way in values.items():
        cells = [way, *(write_interval(of_way[:, :, names.index(name)]) for name in names)]
        pair = reference in values and way != reference
        apart = paired(of_way, values[reference]) if pair else None
        cells += ["" if apart is None else write_interval(apart[:, :, names.index(name)], "+") for name in COMPARED]
        cells.append(", ".join(f"{100 * one:.1f}" for one in of_way[0, :, 0]))
        cells.append(f"{np.mean([float(outcome.seconds) for outcome in found[way]]):.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def paired(of_way: NDArray[np.float64], of_reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Differences (1 + R, S, M), seed by seed; a way or reference with one seed is compared with every seed of the other."""
    seeds = max(of_way.shape[1], of_reference.shape[1])
    if {of_way.shape[1], of_reference.shape[1]} <= {1, seeds}:
        return of_way - of_reference
    fewer = min(of_way.shape[1], of_reference.shape[1])
    return of_way[:, :fewer] - of_reference[:, :fewer]


def write_interval(values: NDArray[np.float64], sign: str = "") -> str:
    """`0.812 [0.790, 0.833]` of one metric (1 + R, S)."""
    return "{:{sign}.3f} [{:{sign}.3f}, {:{sign}.3f}]".format(*interval(values), sign=sign)
