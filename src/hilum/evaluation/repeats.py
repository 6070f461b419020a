"""Metrics over the repeats of a training: mean, spread, and intervals over seeds and patients together.

Every repeat predicts the same test films, so seeds and patients are crossed, as readers and cases are in a reader study: a
metric varies with the seed, with the patients, and with how much a seed's predictions differ from patient to patient.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import t as student

from hilum.evaluation.scoring.checks import check_pair, check_predictions
from hilum.evaluation.scoring.metrics import METRICS, Metric
from hilum.evaluation.statistics import OnResample, check_settings, draw_metrics
from hilum.records import Predictions

LIMITS = {"mcc": (-1.0, 1.0), "brier": (0.0, 2.0), "log_loss": (0.0, np.inf)}  # of metrics; of all others 0 to 1


@dataclass(frozen=True)
class RepeatInterval:
    """A metric over R repeats: values (R,), their mean and standard deviation (NaN for one), and the interval of the mean.

    undefined: share of resamples of patients in which the metric was undefined for some repeat (left out).
    """

    values: tuple[float, ...]
    mean: float
    sd: float
    low: float
    high: float
    undefined: float


@dataclass(frozen=True)
class RepeatDifference:
    """Mean of b's repeats minus mean of a's, with its interval. a, b: the means. undefined: as in RepeatInterval."""

    a: float
    b: float
    value: float
    low: float
    high: float
    undefined: float


@dataclass(frozen=True)
class Resampled:
    """The metrics of R repeats: values (R, M), drawn (B, R, M) on B resamples of patients; names of the M metrics."""

    values: NDArray[np.float64]
    drawn: NDArray[np.float64]
    names: list[str]
    patients: int


def resample_repeats(
    repeats: Sequence[Predictions],
    resamples: int,
    seed: int,
    metrics: Mapping[str, Metric] = METRICS,
    on_resample: OnResample | None = None,
) -> Resampled:
    """Every metric of every repeat on the same resamples of patients; equal seeds give two arms the same resamples.

    repeats: predictions for the same films, in any order of films.

    Raises:
        ValueError: no repeat; repeats with other films, patients, labels or class order; fewer than one resample.
    """
    if not repeats:
        raise ValueError("an arm must have at least one repeat, got none; run `dvc repro`")
    first = repeats[0]
    check_predictions(first)
    check_settings(resamples, 0.5)
    total = resamples * len(repeats)
    draws = []
    for place, one in enumerate([check_pair(first, one) for one in repeats]):
        report = (lambda done, _, before=place * resamples: on_resample(before + done, total)) if on_resample else None
        draws.append(draw_metrics(one, resamples, seed, metrics, report))
    values, drawn = np.array([one.value for one in draws]), np.stack([one.drawn for one in draws], axis=1)  # (R, M), (B, R, M)
    return Resampled(values, drawn, list(draws[0].names), len(np.unique(first.patient_id)))


def repeat_intervals(found: Resampled, confidence: float) -> dict[str, RepeatInterval]:
    """The mean of each metric over the repeats with its interval: over other seeds and other patients of the same kind.

    The variance of the mean of R repeats has two parts that can be estimated apart. The variance between repeats, divided by R,
    holds the seeds and a seed's dealings with these patients. The covariance of two repeats over resampled patients (the mean
    over all pairs) holds the patients, whom all repeats share; other seeds do not change it. Their sum is the unbiased variance
    of the crossed design; a Student interval takes its degrees of freedom from both, so that three repeats that differ are worth
    two degrees, and repeats that agree leave the patients' interval. Any metric fits, AUROC too: for a
    U-statistic over patients, the covariance of two repeats is that of readers in a reader study. Of one repeat the interval
    is over patients alone. Bounds are made on log odds of the metric's range (logarithms of the log loss), because values near
    a limit are skewed.

    Raises:
        ValueError: confidence outside 0..1.

    Source: Obuchowski and Rockette 1995, doi 10.1080/03610919508813243; Hillis 2007, doi 10.1002/sim.2532 (degrees of freedom).
    """
    check_settings(len(found.drawn), confidence)
    intervals = {}
    for place, name in enumerate(found.names):
        values, drawn = found.values[:, place], found.drawn[:, :, place]
        defined = drawn[~np.isnan(drawn).any(axis=1)]
        mean, undefined = float(values.mean()), 1 - len(defined) / len(drawn)
        seeds = _between(values)
        patients = _shared(np.atleast_2d(np.cov(defined, rowvar=False))) if len(defined) > 1 else np.nan
        half = _half_width([(seeds, len(values) - 1), (patients, found.patients - 1)], confidence)
        spread = float(values.std(ddof=1)) if len(values) > 1 else np.nan
        low, high = _bounds(mean, half, *LIMITS.get(name.partition("/")[0], (0.0, 1.0)))
        intervals[name] = RepeatInterval(tuple(values.tolist()), mean, spread, low, high, undefined)
    return intervals


def repeat_differences(a: Resampled, b: Resampled, confidence: float) -> dict[str, RepeatDifference]:
    """The mean of b's repeats minus that of a's, with its interval over seeds and patients.

    Patients are paired: both arms predict the same films, and the covariance of their means over resampled patients is taken
    off. Seeds are not: they count as independent between arms, also where the numbers are equal. An equal number gives two arms
    the same order of films, not the same luck: their networks part after a few steps. Where some of it is shared after all,
    such as the first phase of a fine-tuned arm, repeats of the two rise together and the interval is wider than it need be,
    never narrower. Independent seeds leave the degrees of freedom of both arms (4 instead of 2 for three repeats each), need
    no equal numbers of repeats, and serve an arm whose repeats are equal. Of an arm with one repeat the spread over seeds
    is not known: it counts as 0, and the interval holds for that one model.

    a, b: of `resample_repeats` with the same films, resamples and seed.

    Raises:
        ValueError: confidence outside 0..1; numbers of resamples or patients, or metrics, that are not the same.

    Source: as `repeat_intervals`; Welch 1947, doi 10.1093/biomet/34.1-2.28 (unequal spreads and numbers).
    """
    check_settings(len(a.drawn), confidence)
    if (len(a.drawn), a.patients, a.names) != (len(b.drawn), b.patients, b.names):
        raise ValueError(
            "two arms must be measured on the same resamples of the same patients, got "
            f"{len(a.drawn)} and {len(b.drawn)} resamples of {a.patients} and {b.patients} patients; run `dvc repro`"
        )
    count, differences = len(a.values), {}
    for place, name in enumerate(a.names):
        of_a, of_b = a.values[:, place], b.values[:, place]
        drawn = np.hstack([a.drawn[:, :, place], b.drawn[:, :, place]])  # (B, R of a and of b)
        defined = drawn[~np.isnan(drawn).any(axis=1)]
        patients = np.nan
        if len(defined) > 1:
            both = np.cov(defined, rowvar=False)
            patients = max(_shared(both[:count, :count]) + _shared(both[count:, count:]) - 2 * both[:count, count:].mean(), 0.0)
        seeds = _pool([(_between(of_a), len(of_a) - 1), (_between(of_b), len(of_b) - 1)])
        parts = [seeds, (patients, a.patients - 1)]
        value, half = float(of_b.mean() - of_a.mean()), _half_width(parts, confidence)
        undefined = 1 - len(defined) / len(drawn)
        differences[name] = RepeatDifference(float(of_a.mean()), float(of_b.mean()), value, value - half, value + half, undefined)
    return differences


def _between(values: NDArray[np.float64]) -> float:
    """The variance of the mean that comes from the differences between repeats (R,); 0 for one repeat."""
    return float(values.var(ddof=1) / len(values)) if len(values) > 1 else 0.0 * float(values[0])


def _shared(covariance: NDArray[np.float64]) -> float:
    """The part (at least 0) of the variance of the mean that all repeats share: the mean covariance of two; of one its variance.

    covariance: (R, R), of the repeats over resamples.
    """
    count = len(covariance)
    if count == 1:
        return float(covariance[0, 0])
    return max(float(covariance.sum() - np.trace(covariance)) / (count * (count - 1)), 0.0)


def _pool(parts: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The sum of independent parts of a variance with its degrees of freedom, by Satterthwaite; 1 degree where the sum is 0.

    NaN where a part is: of an arm with one repeat whose metric is undefined, which has no degrees of freedom either.
    """
    total = sum(variance for variance, _ in parts)
    if np.isnan(total):
        return total, np.nan
    spent = sum(variance**2 / degrees for variance, degrees in parts if variance)
    return total, total**2 / spent if spent else 1.0


def _half_width(parts: Sequence[tuple[float, float]], confidence: float) -> float:
    """Half of a Student interval from independent parts of a variance, each with its degrees of freedom; NaN if one is NaN.

    For few seeds Satterthwaite's quantile is a little too small, and that of Cochran and Cox (the parts' own quantiles, weighted
    by the parts) a little too large; their mean covers as often as it says (docs/training.md).

    Source: Satterthwaite 1946, doi 10.2307/3002019; Cochran and Cox 1957, Experimental Designs, chapter 4.
    """
    total = sum(variance for variance, _ in parts)
    if not total > 0:
        return total  # 0, or NaN
    some, level = [part for part in parts if part[0]], (1 + confidence) / 2
    together = float(student.ppf(level, _pool(some)[1]))
    weighted = sum(variance * float(student.ppf(level, degrees)) for variance, degrees in some) / total
    return (together + weighted) / 2 * float(np.sqrt(total))


def _bounds(mean: float, half: float, low: float, high: float) -> tuple[float, float]:
    """Bounds about a mean, its half width carried over to log odds between the limits, or to logarithms above the lower one."""
    if not half > 0 or not low < mean < high:
        return mean - half, mean + half
    above = mean - low
    if np.isinf(high):
        shift = np.array([-1, 1]) * min(half / above, 500.0)  # beyond it the bounds are 0 and without end
        ends = low + above * np.exp(shift)
    else:
        shift = np.array([-1, 1]) * half * (high - low) / (above * (high - mean))
        ends = low + (high - low) * expit(np.log(above / (high - mean)) + shift)
    return float(ends[0]), float(ends[1])
