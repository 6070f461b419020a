"""What a metric is: one registry, and its values on the predictions of one split.

The functions are short numpy ones, equal to scikit-learn's to 1e-12 (the tests compare them): a bootstrap calls each of
them thousands of times, and scikit-learn checks its input at every call, which costs 50 times the arithmetic and more.
A metric that is not defined on its films is NaN, never 0; `undefined_reasons` says why.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hilum.evaluation.scoring.checks import check_predictions, class_shortfalls, shortfalls
from hilum.records import Labels, Predictions, Probabilities

Flags = NDArray[np.bool_]  # (N,)
Scores = NDArray[np.float64]  # (N,) probability of one class

BINS = 10  # of the expected calibration error, unless the caller says otherwise


@dataclass(frozen=True)
class Metric:
    """One row of the registry.

    function: overall metrics take y_true (N,), y_prob (N, K), y_pred (N,); per-class ones take one class against the rest:
        positive (N,) bool, score (N,), called (N,) bool. Both return a float, NaN where undefined.
    needs: what must be there for the metric to be defined, words of `shortfalls` in checks.py.
    """

    title: str
    function: Callable[..., float]
    kind: Literal["overall", "per_class"]
    better: Literal["higher", "lower"]
    needs: tuple[str, ...] = ()


def accuracy(y_true: Labels, y_prob: Probabilities, y_pred: Labels) -> float:
    """Share of films whose prediction is right."""
    return float(np.mean(y_true == y_pred))


def balanced_accuracy(y_true: Labels, y_prob: Probabilities, y_pred: Labels) -> float:
    """Mean sensitivity over all K classes; NaN if a class has no film (scikit-learn would leave that class out)."""
    counts = confusion_counts(y_true, y_pred, y_prob.shape[1])
    films = counts.sum(axis=1)
    return float(np.mean(np.diag(counts) / films)) if films.all() else np.nan


def mcc(y_true: Labels, y_prob: Probabilities, y_pred: Labels) -> float:
    """Matthews' correlation of K classes, -1 to 1; NaN if all films share one class or one prediction (0/0, scikit-learn says 0).

    Source: Gorodkin 2004, doi 10.1016/j.compbiolchem.2004.09.006.
    """
    counts = confusion_counts(y_true, y_pred, y_prob.shape[1]).astype(np.float64)
    true, called, films = counts.sum(axis=1), counts.sum(axis=0), counts.sum()
    spread = (films**2 - true @ true) * (films**2 - called @ called)
    return float((np.trace(counts) * films - true @ called) / np.sqrt(spread)) if spread > 0 else np.nan


def brier(y_true: Labels, y_prob: Probabilities, y_pred: Labels) -> float:
    """Mean over films of the squared distance between probabilities and truth, summed over classes: 0 to 2.

    With two classes it is twice the Brier score of the positive class.
    Source: Brier 1950, doi 10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    films = np.arange(len(y_true))
    # sum_k (p_k - o_k)^2 = sum_k p_k^2 - 2 p_true + 1; the plain form keeps 0 exact for a perfect model
    distance = y_prob.copy()
    distance[films, y_true] -= 1.0
    return float(np.mean(np.einsum("nk,nk->n", distance, distance)))


def ece(y_true: Labels, y_prob: Probabilities, y_pred: Labels, bins: int = BINS) -> float:
    """Expected calibration error of the prediction: mean distance of confidence and accuracy over `bins` equal widths, 0 to 1.

    The confidence is the probability of the prediction's class; a confidence on an edge belongs to the bin below. It is biased
    upwards where bins hold few films, and again in bootstrap resamples: a lower bound may lie close to the value itself.
    Source: Guo et al. 2017, arXiv 1706.04599, equation 3.
    """
    confidence = y_prob[np.arange(len(y_true)), y_pred]
    right = y_true == y_pred
    gap = np.bincount(confidence_bin(confidence, bins), weights=right - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(y_true))


def log_loss(y_true: Labels, y_prob: Probabilities, y_pred: Labels) -> float:
    """Mean of -ln(probability of the true class), in nats; probabilities are clipped to [eps, 1 - eps] of float64."""
    eps = np.finfo(np.float64).eps
    return float(-np.mean(np.log(np.clip(y_prob[np.arange(len(y_true)), y_true], eps, 1 - eps))))


def auroc(positive: Flags, score: Scores, called: Flags) -> float:
    """Probability that a film of the class scores above another film, ties counted half.

    Source: Hanley and McNeil 1982, doi 10.1148/radiology.143.1.7063747.
    """
    inside, outside = score[positive], np.sort(score[~positive])
    if not len(inside) or not len(outside):
        return np.nan
    below, not_above = np.searchsorted(outside, inside, "left"), np.searchsorted(outside, inside, "right")
    return float((below.sum() + not_above.sum()) / (2 * len(inside) * len(outside)))


def auprc(positive: Flags, score: Scores, called: Flags) -> float:
    """Average precision: the sum of precision times the gain in sensitivity over all distinct scores."""
    order = np.argsort(-score)
    hits = np.cumsum(positive[order])
    if not len(hits) or not hits[-1]:
        return np.nan
    last = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)  # films with one score enter together
    return float(np.sum(np.diff(hits[last], prepend=0) * hits[last] / (last + 1)) / hits[-1])


def sensitivity(positive: Flags, score: Scores, called: Flags) -> float:
    """Share of the class's films that are predicted as such."""
    return _ratio(np.count_nonzero(positive & called), np.count_nonzero(positive))


def specificity(positive: Flags, score: Scores, called: Flags) -> float:
    """Share of the other films that are not predicted as such."""
    return _ratio(np.count_nonzero(~(positive | called)), np.count_nonzero(~positive))


def precision(positive: Flags, score: Scores, called: Flags) -> float:
    """Share of the films predicted as the class that are of it (positive predictive value)."""
    return _ratio(np.count_nonzero(positive & called), np.count_nonzero(called))


def npv(positive: Flags, score: Scores, called: Flags) -> float:
    """Share of the films not predicted as the class that are of another (negative predictive value)."""
    return _ratio(np.count_nonzero(~(positive | called)), np.count_nonzero(~called))


def f1(positive: Flags, score: Scores, called: Flags) -> float:
    """2 TP / (2 TP + FP + FN); NaN only if no film is of the class and none is predicted as such."""
    return _ratio(2 * np.count_nonzero(positive & called), np.count_nonzero(positive) + np.count_nonzero(called))


METRICS: dict[str, Metric] = {
    "accuracy": Metric("accuracy", accuracy, "overall", "higher"),
    "balanced_accuracy": Metric("balanced accuracy", balanced_accuracy, "overall", "higher", ("every_class",)),
    "mcc": Metric("MCC", mcc, "overall", "higher", ("two_classes", "two_verdicts")),
    "brier": Metric("Brier score", brier, "overall", "lower"),
    "ece": Metric("calibration error (ECE)", ece, "overall", "lower"),
    "log_loss": Metric("log loss", log_loss, "overall", "lower"),
    "auroc": Metric("AUROC", auroc, "per_class", "higher", ("positives", "negatives")),
    "auprc": Metric("AUPRC", auprc, "per_class", "higher", ("positives",)),
    "sensitivity": Metric("sensitivity", sensitivity, "per_class", "higher", ("positives",)),
    "specificity": Metric("specificity", specificity, "per_class", "higher", ("negatives",)),
    "precision": Metric("precision", precision, "per_class", "higher", ("called",)),
    "npv": Metric("NPV", npv, "per_class", "higher", ("not_called",)),
    "f1": Metric("F1", f1, "per_class", "higher", ("positives_or_called",)),
}

# Names that may select an epoch or a trial: not per class, prediction by argmax.
VALIDATION_METRICS: tuple[str, ...] = tuple(n if m.kind == "overall" else f"{n}_macro" for n, m in METRICS.items())


def with_bins(bins: int, metrics: Mapping[str, Metric] = METRICS) -> dict[str, Metric]:
    """The registry with another number of bins in `ece`.

    Raises:
        ValueError: fewer than one bin.
    """
    if bins < 1:
        raise ValueError(f"the number of calibration bins must be at least 1, got {bins}; use for example {BINS}.")
    return {n: replace(m, function=partial(ece, bins=bins)) if n == "ece" else m for n, m in metrics.items()}


def metric_names(classes: tuple[str, ...], metrics: Mapping[str, Metric] = METRICS) -> list[str]:
    """Flat names in their order: `accuracy` ..., `auroc_macro`, ..., `auroc/<class>`, ..."""
    overall = [n for n, m in metrics.items() if m.kind == "overall"]
    per_class = [n for n, m in metrics.items() if m.kind == "per_class"]
    return [*overall, *(f"{n}_macro" for n in per_class), *(f"{n}/{c}" for n in per_class for c in classes)]


def evaluate_all(predictions: Predictions, metrics: Mapping[str, Metric] = METRICS) -> dict[str, float]:
    """Every metric of one split under its flat name.

    `<name>_macro` is the plain mean over the classes, and NaN as soon as one class is NaN: a mean over the classes that happen
    to be defined would change its meaning from one set of films to the next.

    Raises:
        ValueError: predictions that do not fit together (see `check_predictions`).
    """
    check_predictions(predictions)
    values = metric_values(predictions.y_true, predictions.y_prob, predictions.y_pred, metrics)
    return dict(zip(metric_names(predictions.classes, metrics), values.tolist(), strict=True))


def metric_values(
    y_true: Labels, y_prob: Probabilities, y_pred: Labels, metrics: Mapping[str, Metric] = METRICS
) -> NDArray[np.float64]:
    """(M,) values in the order of `metric_names`; arrays are taken as they are, unchecked, because a bootstrap calls this."""
    classes = range(y_prob.shape[1])
    overall = [m.function(y_true, y_prob, y_pred) for m in metrics.values() if m.kind == "overall"]
    truth, called = [y_true == k for k in classes], [y_pred == k for k in classes]
    rows = [[m.function(truth[k], y_prob[:, k], called[k]) for k in classes] for m in metrics.values() if m.kind == "per_class"]
    macros = [sum(row) / len(row) for row in rows]
    return np.array([*overall, *macros, *(value for row in rows for value in row)], dtype=np.float64)


def undefined_reasons(predictions: Predictions, metrics: Mapping[str, Metric] = METRICS) -> dict[str, str]:
    """Flat name -> why it is NaN, for the metrics of `evaluate_all` that are not defined on these films."""
    values = evaluate_all(predictions, metrics)
    overall = shortfalls(predictions.y_true, predictions.y_pred, predictions.classes)
    per_class = {
        name: class_shortfalls(predictions.y_true == k, predictions.y_pred == k, name)
        for k, name in enumerate(predictions.classes)
    }
    reasons = {}
    for flat in (name for name, value in values.items() if np.isnan(value)):
        metric, of_class = _by_flat_name(flat, metrics), flat.partition("/")[2]
        found = [overall] if metric.kind == "overall" else [per_class[of_class]] if of_class else list(per_class.values())
        causes = [shortfall[need] for shortfall in found for need in metric.needs if need in shortfall]
        reasons[flat] = "; ".join(causes) or "the metric's function gave NaN without a cause"
    return reasons


def score(name: str, y_true: Labels, y_prob: Probabilities) -> float:
    """One number that selects epochs and trials; the prediction is the most probable class.

    name: one of `VALIDATION_METRICS`: an overall metric or `<per-class metric>_macro`. NaN where undefined, and
    where the probabilities are not finite (training that diverged), so that such an epoch is never the best one.

    Raises:
        ValueError: a name that is not one of them.
    """
    metric = _selectable(name)
    if not np.isfinite(y_prob).all():
        return np.nan
    y_pred = np.argmax(y_prob, axis=1)
    if metric.kind == "overall":
        return metric.function(y_true, y_prob, y_pred)
    classes = range(y_prob.shape[1])
    return sum(metric.function(y_true == k, y_prob[:, k], y_pred == k) for k in classes) / len(classes)


def higher_is_better(name: str, metrics: Mapping[str, Metric] = METRICS) -> bool:
    """The direction of a metric by any of its flat names (`brier`, `auroc_macro`, `auroc/viral`).

    Raises:
        ValueError: an unknown name.
    """
    return _by_flat_name(name, metrics).better == "higher"


def sign_of(name: str, metrics: Mapping[str, Metric] = METRICS) -> int:
    """1 where a higher value of the metric is better, else -1.

    Raises:
        ValueError: an unknown name.
    """
    return 1 if higher_is_better(name, metrics) else -1


def metric_title(name: str, metrics: Mapping[str, Metric] = METRICS) -> str:
    """The title of a flat name in figures and pages: `AUROC, mean of classes`, `sensitivity, viral`.

    Raises:
        ValueError: an unknown name.
    """
    title, of_class = _by_flat_name(name, metrics).title, name.partition("/")[2]
    return f"{title}, {of_class}" if of_class else f"{title}, mean of classes" if name not in metrics else title


def confusion_counts(y_true: Labels, y_pred: Labels, classes: int) -> NDArray[np.int64]:
    """(K, K) films, rows by true class and columns by prediction; a class that is never predicted keeps its column."""
    return np.bincount(y_true * classes + y_pred, minlength=classes * classes).reshape(classes, classes)  # (K, K)


def confidence_bin(confidence: Scores, bins: int) -> NDArray[np.int64]:
    """(N,) index of the equal-width bin of 0..1 that holds each confidence; an edge belongs to the bin below."""
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


def _ratio(part: np.integer, whole: np.integer) -> float:
    return int(part) / int(whole) if whole else np.nan


def _by_flat_name(name: str, metrics: Mapping[str, Metric]) -> Metric:
    bare = name.partition("/")[0]
    bare = bare if bare in metrics else bare.removesuffix("_macro")
    if bare not in metrics:
        raise ValueError(
            f"a metric must be one of {', '.join(metrics)} (or <name>_macro, <name>/<class>), got {name!r}; use one."
        )
    return metrics[bare]


def _selectable(name: str) -> Metric:
    if name not in VALIDATION_METRICS:
        raise ValueError(f"the metric must be one of {', '.join(VALIDATION_METRICS)}, got {name!r}; use one of these names.")
    return _by_flat_name(name, METRICS)
