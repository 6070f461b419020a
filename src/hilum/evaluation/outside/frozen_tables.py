"""The result of a frozen model on films of another origin: metrics with intervals, and the tables that hold them."""

from collections.abc import Mapping, Sequence
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
AREAS = ("auroc", "auprc")
FEWEST_PATIENTS = 5  # of a class and of the rest, for AREAS: as few as the shortcut baselines beside them need


@dataclass(frozen=True)
class FrozenResult:
    """A frozen model on one set of films.

    present: the classes with films, over which means are taken. draws, intervals: of every metric. baselines: name of a shortcut
    baseline -> its AUROC and how far the model is above it, paired; None where it is undefined. flat: all metrics by flat name,
    with `.low` and `.high`. too_few: the patients of each class, `normal: 3`, for which AREAS are not given.
    """

    predictions: Predictions
    present: list[str]
    draws: Draws
    intervals: Mapping[str, Interval]
    baselines: Mapping[str, tuple[Interval, Interval] | None]
    flat: Mapping[str, float]
    too_few: list[str]


def measure_frozen(
    predictions: Predictions,
    settings: Evaluate,
    seed: int,
    baselines: Mapping[str, Probabilities | None],
    on_resample: OnResample | None = None,
) -> FrozenResult:
    """Every metric with its interval over patients, and the shortcut baselines beside it.

    AUROC and AUPRC of a class are NaN where it, or the rest, has fewer than FEWEST_PATIENTS patients, and so are their means.

    baselines: (N, G) probabilities of each on the same films, or None.
    """
    present, metrics = find_present(predictions), with_bins(settings.calibration_bins)
    few = find_few(predictions)
    draws = _without_areas(draw_present(predictions, present, settings.bootstrap, seed, metrics, on_resample), few)
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
    patients = [f"{name}: {count_patients(predictions, name)}" for name in few]
    return FrozenResult(predictions, present, draws, intervals, beside, flat, patients)


def count_patients(predictions: Predictions, name: str) -> int:
    """Patients with a film of the class."""
    return len(set(predictions.patient_id[predictions.y_true == predictions.classes.index(name)].tolist()))


def find_few(predictions: Predictions) -> list[str]:
    """The classes with films of which, or of the rest of which, there are fewer than FEWEST_PATIENTS patients."""
    found = []
    for k, name in enumerate(predictions.classes):
        of_class = predictions.y_true == k
        sides = [len(set(predictions.patient_id[side].tolist())) for side in (of_class, ~of_class)]
        if sides[0] and min(sides) < FEWEST_PATIENTS:
            found.append(name)
    return found


def tell_no_auroc(found: FrozenResult) -> list[str]:
    """A sentence where no AUROC is given, and what such films show."""
    if not found.too_few:
        return []
    why = f"fewer than {FEWEST_PATIENTS} patients of a class or of the rest ({', '.join(found.too_few)})"
    if len(found.present) == 1:
        why = f"every film is of {found.present[0]} ({found.too_few[0].rpartition(' ')[2]} patients)"
    return [f"no AUROC is given: {why}; these films show that the model runs on them, not how well it tells the classes apart"]


def _without_areas(draws: Draws, few: Sequence[str]) -> Draws:
    """The draws, NaN in AREAS of these classes and in their means."""
    ends = [*few, *(["macro"] if few else [])]
    gone = {f"{area}{'_' if end == 'macro' else '/'}{end}" for area in AREAS for end in ends}
    columns = np.isin(draws.names, list(gone))
    value, drawn = draws.value.copy(), draws.drawn.copy()
    value[columns], drawn[:, columns] = np.nan, np.nan
    return Draws(draws.names, value, drawn)


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
    few = f"fewer than {FEWEST_PATIENTS} patients of a class or of the rest"
    reason = table["reason"].where(table["reason"] != "", few)
    return table.assign(reason=reason.where(table["value"].isna(), ""))


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
