"""The uncertainty of metrics: intervals over patients, paired differences of two arms, and an exact test of their predictions.

Patients, not films, are drawn: two films of one patient are not independent.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from hilum.evaluation.scoring.checks import check_pair, check_predictions
from hilum.evaluation.scoring.decisions import (
    THRESHOLD_RULES,
    choose_threshold,
    decide,
    majority_baseline,
    one_vs_rest_thresholds,
)
from hilum.evaluation.scoring.metrics import METRICS, Metric, metric_names, metric_values
from hilum.records import Predictions

__all__ = [
    "THRESHOLD_RULES",
    "Difference",
    "Draws",
    "Interval",
    "McNemar",
    "choose_threshold",
    "decide",
    "draw_metrics",
    "majority_baseline",
    "mcnemar_exact",
    "one_vs_rest_thresholds",
    "pair_draws",
    "paired_bootstrap",
    "patient_bootstrap",
]

OnResample = Callable[[int, int], None]  # resamples done, resamples in all


@dataclass(frozen=True)
class Interval:
    """A metric, its percentile interval over patients, and the share of resamples in which it was undefined (left out)."""

    value: float
    low: float
    high: float
    undefined: float


@dataclass(frozen=True)
class Difference:
    """Metric of b minus metric of a on the same resamples.

    share_not_above: share of the defined resamples in which b's metric was not above a's (difference <= 0).
    undefined: share of resamples in which either was undefined (left out).
    """

    a: float
    b: float
    value: float
    low: float
    high: float
    undefined: float
    share_not_above: float


@dataclass(frozen=True)
class Draws:
    """Every metric of one arm on all films, and on each resample of the patients.

    names: flat names as in `evaluate_all`. value: (M,). drawn: (B, M), NaN where undefined.
    """

    names: tuple[str, ...]
    value: NDArray[np.float64]
    drawn: NDArray[np.float64]

    def intervals(self, confidence: float) -> dict[str, Interval]:
        """Every metric with its percentile interval, as `patient_bootstrap` gives it."""
        low, high = _percentiles(self.drawn, confidence)
        rows = zip(self.value, low, high, np.isnan(self.drawn).mean(axis=0), strict=True)
        return {name: Interval(*map(float, row)) for name, row in zip(self.names, rows, strict=True)}


@dataclass(frozen=True)
class McNemar:
    """Predictions of two arms on one film per patient: how often each was right, and the exact two-sided p."""

    films: int
    both_right: int
    only_a: int
    only_b: int
    both_wrong: int
    p_value: float


def patient_bootstrap(
    predictions: Predictions,
    resamples: int,
    confidence: float,
    seed: int,
    metrics: Mapping[str, Metric] = METRICS,
    on_resample: OnResample | None = None,
) -> dict[str, Interval]:
    """Every metric with its percentile interval; patients are drawn with replacement, all films of a patient together.

    One set of resamples serves all metrics. confidence: 0 to 1, such as 0.95. Keys as in `evaluate_all`.
    A resample in which a metric is undefined is left out of that metric's interval and counted in `undefined`.

    Raises:
        ValueError: predictions that do not fit together, fewer than one resample, confidence outside 0..1.

    Source: Efron and Tibshirani 1993, chapter 13 (percentile interval); Field and Welsh 2007, doi
        10.1111/j.1467-9868.2007.00593.x (drawing clusters).
    """
    check_settings(resamples, confidence)
    return draw_metrics(predictions, resamples, seed, metrics, on_resample).intervals(confidence)


def draw_metrics(
    predictions: Predictions,
    resamples: int,
    seed: int,
    metrics: Mapping[str, Metric] = METRICS,
    on_resample: OnResample | None = None,
) -> Draws:
    """Every metric on every resample of the patients; arms with the same films and seed are measured on the same ones.

    Raises:
        ValueError: predictions that do not fit together.
    """
    check_predictions(predictions)
    value = _values(predictions, slice(None), metrics)
    drawn = np.empty((resamples, len(value)))  # (resamples, metrics)
    for i, films in enumerate(resampled_films(predictions, resamples, seed)):
        drawn[i] = _values(predictions, films, metrics)
        if on_resample:
            on_resample(i + 1, resamples)
    return Draws(tuple(metric_names(predictions.classes, metrics)), value, drawn)


def paired_bootstrap(
    a: Predictions,
    b: Predictions,
    resamples: int,
    confidence: float,
    seed: int,
    metrics: Mapping[str, Metric] = METRICS,
    on_resample: OnResample | None = None,
) -> dict[str, Difference]:
    """Every metric of b minus that of a, with its percentile interval: both arms are measured on the same drawn patients.

    a, b: the same films in any order. The intervals are those of each metric alone, not corrected for their number.

    Raises:
        ValueError: arms that do not hold the same films, labels, patients and class order, or settings as above.
    """
    b = check_pair(a, b)
    check_settings(resamples, confidence)
    drawn = draw_metrics(a, resamples, seed, metrics)
    return pair_draws(drawn, draw_metrics(b, resamples, seed, metrics, on_resample), confidence)


def pair_draws(a: Draws, b: Draws, confidence: float) -> dict[str, Difference]:
    """Every metric of b minus that of a, both drawn with one seed from the same films."""
    drawn = b.drawn - a.drawn  # (B, M)
    low, high = _percentiles(drawn, confidence)
    missing = np.isnan(drawn)
    defined = (~missing).sum(axis=0)
    not_above = np.where(defined > 0, (drawn <= 0).sum(axis=0) / np.maximum(defined, 1), np.nan)
    rows = zip(a.value, b.value, b.value - a.value, low, high, missing.mean(axis=0), not_above, strict=True)
    return {name: Difference(*map(float, row)) for name, row in zip(a.names, rows, strict=True)}


def mcnemar_exact(a: Predictions, b: Predictions, seed: int) -> McNemar:
    """McNemar's exact test: are films that only a gets right as frequent as films that only b gets right?

    The test needs independent films, so each patient enters with one: films in the order of their image ids get a seeded random
    number each, and a patient's film with the lowest number is taken. Without a discordant film p is 1.

    Raises:
        ValueError: arms that do not hold the same films, labels, patients and class order.

    Source: McNemar 1947, doi 10.1007/BF02295996; the exact form is a binomial test of the discordant films.
    """
    b = check_pair(a, b)
    order = np.argsort(a.image_id)
    order = order[np.argsort(np.random.default_rng(seed).random(len(order)))]
    films = order[np.unique(a.patient_id[order], return_index=True)[1]]
    right_a, right_b = (arm.y_pred[films] == arm.y_true[films] for arm in (a, b))
    only_a, only_b = int(np.sum(right_a & ~right_b)), int(np.sum(right_b & ~right_a))
    p_value = float(binomtest(only_a, only_a + only_b, 0.5).pvalue) if only_a + only_b else 1.0
    return McNemar(len(films), int(np.sum(right_a & right_b)), only_a, only_b, int(np.sum(~right_a & ~right_b)), p_value)


def resampled_films(predictions: Predictions, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Row indices of each resample; the draws depend on the seed and the sorted patients, not on the order of rows."""
    patients, of_film = np.unique(predictions.patient_id, return_inverse=True)
    rng = np.random.default_rng(seed)
    rows = np.arange(len(of_film))
    for _ in range(resamples):
        times = np.bincount(rng.integers(0, len(patients), len(patients)), minlength=len(patients))
        yield np.repeat(rows, times[of_film])


def _values(predictions: Predictions, films: NDArray[np.int64] | slice, metrics: Mapping[str, Metric]) -> NDArray[np.float64]:
    return metric_values(predictions.y_true[films], predictions.y_prob[films], predictions.y_pred[films], metrics)


def _percentiles(drawn: NDArray[np.float64], confidence: float) -> NDArray[np.float64]:
    """(2, M) lower and upper percentile of the defined values of each column; NaN where a column has none."""
    tail = (1 - confidence) / 2
    bounds = np.full((2, drawn.shape[1]), np.nan)  # (2, metrics)
    some = ~np.isnan(drawn).all(axis=0)
    bounds[:, some] = np.nanquantile(drawn[:, some], [tail, 1 - tail], axis=0)
    return bounds


def check_settings(resamples: int, confidence: float) -> None:
    if resamples < 1 or not 0 < confidence < 1:
        raise ValueError(
            f"a bootstrap must have at least 1 resample and a confidence between 0 and 1, got {resamples} and {confidence};"
            " use for example 1000 and 0.95."
        )


def flat_metrics(found: dict[str, Interval], part: str) -> dict[str, float]:
    """`test/auroc_macro` with `test/auroc_macro.low` and `.high`."""
    flat: dict[str, float] = {}
    for name, interval in found.items():
        flat |= {f"{part}/{name}": interval.value}
        flat |= {f"{part}/{name}.low": interval.low, f"{part}/{name}.high": interval.high}
    return flat
