"""Ready data for pages and figures: per-class tables, curves and calibration, as numbers before they are drawn."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from hilum.evaluation.scoring.checks import check_predictions
from hilum.evaluation.scoring.metrics import METRICS, Metric, confidence_bin, confusion_counts, undefined_reasons
from hilum.evaluation.statistics import Interval
from hilum.records import Predictions

FEW_PATIENTS = 10  # below it a percentile interval of a share is far too narrow (3 of 3 right gives 1 to 1)


@dataclass(frozen=True)
class Curve:
    """A line to draw, with the area under it. x, y: (P,) within 0..1. base: y of a guess (PR: the class's prevalence)."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    area: Interval
    base: float


def confusion_matrix(predictions: Predictions) -> NDArray[np.int64]:
    """(K, K) films, rows by true class and columns by prediction, in the class order; never smaller than K x K."""
    check_predictions(predictions)
    return confusion_counts(predictions.y_true, predictions.y_pred, len(predictions.classes))


def interval_table(predictions: Predictions, intervals: Mapping[str, Interval]) -> pd.DataFrame:
    """One row per metric: metric, value, low, high, undefined (share of resamples), reason (why a value is NaN, else empty)."""
    reasons = undefined_reasons(predictions)
    rows = [(name, i.value, i.low, i.high, i.undefined, reasons.get(name, "")) for name, i in intervals.items()]
    return pd.DataFrame(rows, columns=["metric", "value", "low", "high", "undefined", "reason"])


def class_table(
    predictions: Predictions,
    intervals: Mapping[str, Interval],
    thresholds: NDArray[np.float64],
    metrics: Mapping[str, Metric] = METRICS,
) -> pd.DataFrame:
    """One row per class, in the class order.

    intervals: of `patient_bootstrap` on the same predictions. thresholds: (K,) one-vs-rest, from validation (NaN where none).
    Columns: class, films, patients, prevalence, called, then <metric>, <metric>_low, <metric>_high for each per-class metric,
    threshold, note (empty, or why the row is unreliable).
    """
    rows = []
    for k, name in enumerate(predictions.classes):
        positive, called = predictions.y_true == k, predictions.y_pred == k
        patients = len(np.unique(predictions.patient_id[positive]))
        row: dict[str, object] = {
            "class": name,
            "films": int(positive.sum()),
            "patients": patients,
            "prevalence": float(positive.mean()),
            "called": int(called.sum()),
        }
        for metric in (m for m, row_of in metrics.items() if row_of.kind == "per_class"):
            interval = intervals[f"{metric}/{name}"]
            row |= {metric: interval.value, f"{metric}_low": interval.low, f"{metric}_high": interval.high}
        notes = ["no film of this class"] if not patients else []
        notes += [f"only {patients} patients: intervals are too narrow"] if 0 < patients < FEW_PATIENTS else []
        notes += ["never predicted"] if not called.any() else []
        rows.append({**row, "threshold": float(thresholds[k]), "note": "; ".join(notes)})
    return pd.DataFrame(rows)


def roc_by_class(predictions: Predictions, intervals: Mapping[str, Interval]) -> dict[str, Curve]:
    """Class -> its ROC curve against the rest: x 1 - specificity, y sensitivity; a class without a curve is left out."""
    curves = {}
    for k, name in enumerate(predictions.classes):
        positive = predictions.y_true == k
        if positive.any() and not positive.all():
            x, y, _ = roc_curve(positive, predictions.y_prob[:, k])
            curves[name] = Curve(x, y, intervals[f"auroc/{name}"], 0.5)
    return curves


def pr_by_class(predictions: Predictions, intervals: Mapping[str, Interval]) -> dict[str, Curve]:
    """Class -> its precision (y) over sensitivity (x) against the rest; a class without films is left out."""
    curves = {}
    for k, name in enumerate(predictions.classes):
        positive = predictions.y_true == k
        if positive.any():
            y, x, _ = precision_recall_curve(positive, predictions.y_prob[:, k])
            curves[name] = Curve(x[::-1], y[::-1], intervals[f"auprc/{name}"], float(positive.mean()))
    return curves


def reliability_table(predictions: Predictions, bins: int) -> pd.DataFrame:
    """Confidence of the prediction against its accuracy, one row per equal-width bin of 0..1 (the bins of `ece`).

    Columns: low, high, films, confidence (mean), accuracy; NaN in an empty bin.
    """
    check_predictions(predictions)
    confidence = predictions.y_prob[np.arange(len(predictions.y_true)), predictions.y_pred]
    right = predictions.y_true == predictions.y_pred
    place = confidence_bin(confidence, bins)
    films = np.bincount(place, minlength=bins)
    some = np.where(films > 0, films, np.nan)
    return pd.DataFrame(
        {
            "low": np.arange(bins) / bins,
            "high": np.arange(1, bins + 1) / bins,
            "films": films,
            "confidence": np.bincount(place, weights=confidence, minlength=bins) / some,
            "accuracy": np.bincount(place, weights=right, minlength=bins) / some,
        }
    )
