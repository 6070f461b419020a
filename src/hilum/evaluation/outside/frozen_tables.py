"""The result of a frozen model on films of another origin: metrics with intervals, and the tables that hold them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from hilum.evaluation.outside.frozen import draw_present, find_present
from hilum.evaluation.scoring.metrics import METRICS, with_bins
from hilum.evaluation.shortcut_baselines import MEASURED, flat_bounds
from hilum.evaluation.statistics import Draws, Interval, OnResample, pair_draws
from hilum.evaluation.tables import class_table, confusion_matrix, interval_table, reliability_table
from hilum.records import Predictions, Probabilities
from hilum.results import table_of, write_json, write_table
from hilum.settings.params import Evaluate

PART = "external"  # in the column `split` of predictions.csv


@dataclass(frozen=True)
class FrozenResult:
    """A frozen model on one set of films.

    present: the classes with films, over which means are taken. draws, intervals: of every metric. baselines: name of a shortcut
    baseline -> its AUROC and how far the model is above it, paired; None where it is undefined. flat: all metrics by flat name,
    with `.low` and `.high`.
    """

    predictions: Predictions
    present: list[str]
    draws: Draws
    intervals: Mapping[str, Interval]
    baselines: Mapping[str, tuple[Interval, Interval] | None]
    flat: Mapping[str, float]


def measure_frozen(
    predictions: Predictions,
    settings: Evaluate,
    seed: int,
    baselines: Mapping[str, Probabilities | None],
    on_resample: OnResample | None = None,
) -> FrozenResult:
    """Every metric with its interval over patients, and the shortcut baselines beside it.

    baselines: (N, G) probabilities of each on the same films, or None.
    """
    present, metrics = find_present(predictions), with_bins(settings.calibration_bins)
    draws = draw_present(predictions, present, settings.bootstrap, seed, metrics, on_resample)
    intervals = draws.intervals(settings.confidence)
    beside = {
        name: None if one is None else _compare(predictions, one, present, settings, seed) for name, one in baselines.items()
    }
    flat: dict[str, float] = {}
    for name, found in intervals.items():
        flat |= flat_bounds(name, found)
    for name, both in beside.items():
        if both is not None:
            flat |= flat_bounds(f"{name}/{MEASURED}", both[0]) | flat_bounds(f"above_{name}/{MEASURED}", both[1])
    return FrozenResult(predictions, present, draws, intervals, beside, flat)


def _compare(
    model: Predictions, y_prob: Probabilities, present: list[str], settings: Evaluate, seed: int
) -> tuple[Interval, Interval]:
    """The AUROC of a shortcut baseline, and the model's minus that, on the same resamples of patients."""
    auroc = {"auroc": METRICS["auroc"]}
    baseline = replace(model, y_prob=y_prob, y_pred=y_prob.argmax(axis=1))
    drawn = [draw_present(one, present, settings.bootstrap, seed, auroc) for one in (baseline, model)]
    own = drawn[0].intervals(settings.confidence)[MEASURED]
    above = pair_draws(drawn[0], drawn[1], settings.confidence)[MEASURED]
    return own, Interval(above.value, above.low, above.high, above.undefined)


def write_frozen(folder: Path, found: FrozenResult, settings: Evaluate) -> None:
    """predictions.csv, metrics.json, intervals.csv, classes.csv, confusion.csv and calibration.csv."""
    predictions, names = found.predictions, list(found.predictions.classes)
    write_table(folder / "predictions.csv", table_of(predictions, PART))
    write_json(folder / "metrics.json", found.flat)
    write_table(folder / "intervals.csv", list_intervals(found))
    write_table(folder / "classes.csv", list_classes(found, settings))
    matrix = confusion_matrix(predictions)
    write_table(folder / "confusion.csv", pd.DataFrame(matrix, columns=names).assign(true=names))
    write_table(folder / "calibration.csv", reliability_table(predictions, settings.calibration_bins))


def list_intervals(found: FrozenResult) -> pd.DataFrame:
    """As `interval_table`; a mean over the classes at hand is defined where that over all classes is not."""
    table = interval_table(found.predictions, found.intervals)
    return table.assign(reason=table["reason"].where(table["value"].isna(), ""))


def list_classes(found: FrozenResult, settings: Evaluate) -> pd.DataFrame:
    """As `class_table`, without thresholds of single classes, which nothing here was tuned for."""
    thresholds = np.full(len(found.predictions.classes), np.nan)
    metrics = with_bins(settings.calibration_bins)
    return class_table(found.predictions, found.intervals, thresholds, metrics).drop(columns="threshold")


def list_errors(predictions: Predictions, most: int) -> pd.DataFrame:
    """The wrong predictions of which the model is most certain: columns image_id, true, predicted, probability."""
    wrong = np.flatnonzero(predictions.y_true != predictions.y_pred)
    certain = predictions.y_prob[wrong, predictions.y_pred[wrong]]
    rows = wrong[np.argsort(-certain, kind="stable")][:most]
    names = np.array(predictions.classes)
    return pd.DataFrame(
        {
            "image_id": predictions.image_id[rows],
            "true": names[predictions.y_true[rows]],
            "predicted": names[predictions.y_pred[rows]],
            "probability": predictions.y_prob[rows, predictions.y_pred[rows]],
        }
    )
