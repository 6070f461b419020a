"""What recalibration on few films of a site brings: fitted to films of some of its patients, measured on the other patients."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.evaluation.scoring.metrics import METRICS, Metric, metric_names, metric_values, with_bins
from hilum.evaluation.site_calibration import FEWEST_PATIENTS, METHODS, Rule, count_patients, fit_site
from hilum.evaluation.statistics import Draws, pair_draws
from hilum.records import Labels, Predictions

SIZES = (25, 50, 100, 200)  # films to fit to
DRAWS = 200  # of each size
MEASURED = ("log_loss", "brier", "ece", "accuracy", "balanced_accuracy", "sensitivity", "specificity")
BOUNDS = ("before", "before_low", "before_high", "after", "after_low", "after_high", "difference", "low", "high", "undefined")
COLUMNS = ("method", "size", "films", "patients", "draws", "metric", *BOUNDS)

OnDraw = Callable[[int, int], None]  # draws done, draws in all


@dataclass(frozen=True)
class SiteFilms:
    """Labelled films of a site and a frozen model's predictions for them.

    predictions: of the model as it is. logits: (N, K). rule: how the model decides.
    """

    predictions: Predictions
    logits: NDArray[np.float64]
    rule: Rule


def site_metrics(bins: int) -> dict[str, Metric]:
    """The metrics of MEASURED. bins: of the calibration error."""
    return with_bins(bins, {name: METRICS[name] for name in MEASURED})


def site_names(classes: tuple[str, ...], metrics: Mapping[str, Metric]) -> list[str]:
    """Their flat names without means of classes: that of the sensitivities is the balanced accuracy."""
    return [name for name in metric_names(classes, metrics) if not name.endswith("_macro")]


def find_sizes(films: SiteFilms) -> tuple[list[int], list[str]]:
    """The sizes of SIZES that the films allow, and why each of the others is left out.

    On average a draw and the films beside it must each hold FEWEST_PATIENTS of every class: fewer would be refused.
    """
    labels, classes = films.predictions.y_true, films.rule.classes
    counts = count_patients(labels, films.predictions.patient_id, len(classes))
    rarest = int(counts.argmin())
    fit, notes = [], []
    for size in SIZES:
        share = min(size / len(labels), 1)
        inside, beside = int(counts[rarest] * share + 1e-9), int(counts[rarest] * (1 - share) + 1e-9)
        if min(inside, beside) >= FEWEST_PATIENTS:
            fit.append(size)
        else:
            notes.append(f"{size} films ({classes[rarest]}: {inside} drawn, {beside} left)")
    told = [f"not drawn, as {FEWEST_PATIENTS} patients of every class are needed on both sides: {', '.join(notes)}"]
    return fit, told if notes else []


def draw_patients(labels: Labels, patients: NDArray[np.str_], size: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(N,) the films of patients drawn at random, each class in its share, until they are `size` films or more, of every class.

    A patient of several classes counts as that of the first film. One patient at least is left.
    """
    _, first, whose, films = np.unique(patients, return_index=True, return_inverse=True, return_counts=True)
    of_patient = labels[first]
    place = np.empty(len(first))
    for k in np.unique(of_patient):
        own = rng.permutation(np.flatnonzero(of_patient == k))
        place[own] = (np.arange(len(own)) + rng.random()) / len(own)  # classes in turn, by their shares
    order = np.argsort(place)
    enough = int(np.searchsorted(np.cumsum(films[order]), size)) + 1
    of_each = int(np.unique(of_patient[order], return_index=True)[1].max()) + 1
    drawn = np.zeros(len(first), bool)
    drawn[order[: min(max(enough, of_each), len(order) - 1)]] = True
    return drawn[whose]


def measure_curve(
    films: SiteFilms, draws: int, confidence: float, bins: int, seed: int, on_draw: OnDraw | None = None
) -> pd.DataFrame:
    """A row for each method, size and metric: the model as it is and recalibrated, on patients beside those of the draw.

    Columns COLUMNS: size: asked; films, patients: of a draw, on average. before, after, difference (after minus before): means
    over draws; the percentile interval of each is over draws of patients to fit to and one resample of the others per draw.
    undefined: share of draws without the metric.
    """
    metrics = site_metrics(bins)
    sizes, rows = find_sizes(films)[0], []
    for number, size in enumerate(sizes):

        def report(done: int, before: int = number * draws) -> None:
            if on_draw:
                on_draw(before + done, len(sizes) * draws)

        counts, drawn = _draw(films, size, draws, metrics, np.random.default_rng([seed, size]), report)
        for method in METHODS:
            table = tabulate_pair(drawn[""], drawn[method], films.rule.classes, metrics, confidence)
            held = {"films": counts[:, 0].mean(), "patients": counts[:, 1].mean()}
            rows.append(table.assign(method=method, size=size, **held, draws=draws))
    return pd.concat(rows, ignore_index=True)[list(COLUMNS)] if rows else pd.DataFrame(columns=list(COLUMNS))


def _draw(
    films: SiteFilms,
    size: int,
    draws: int,
    metrics: Mapping[str, Metric],
    rng: np.random.Generator,
    report: Callable[[int], None],
) -> tuple[NDArray[np.int64], dict[str, Draws]]:
    """Films and patients of each draw (B, 2); and the metrics of the model as it is (``) and of each method (B, M)."""
    own, names = films.predictions, metric_names(films.rule.classes, metrics)
    values: dict[str, list[NDArray[np.float64]]] = {name: [] for name in ("", *METHODS)}
    counts = np.zeros((draws, 2), np.int64)
    for i in range(draws):
        inside = draw_patients(own.y_true, own.patient_id, size, rng)
        counts[i] = inside.sum(), len(np.unique(own.patient_id[inside]))
        others = resample(own.patient_id, np.flatnonzero(~inside), rng)
        truth = own.y_true[others]
        values[""].append(metric_values(truth, own.y_prob[others], own.y_pred[others], metrics))
        for method in METHODS:
            fit = fit_site(method, films.logits[inside], own.y_true[inside], films.rule)
            values[method].append(metric_values(truth, *fit.predict(films.logits[others]), metrics))
        report(i + 1)
    drawn = {name: np.stack(rows) for name, rows in values.items()}
    return counts, {name: Draws(tuple(names), _mean(rows), rows) for name, rows in drawn.items()}


def resample(patients: NDArray[np.str_], rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of as many patients as the given rows have, drawn from them with replacement, all films of a patient together."""
    names, whose = np.unique(patients[rows], return_inverse=True)
    times = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))
    return np.repeat(rows, times[whose])


def tabulate_pair(
    before: Draws, after: Draws, classes: tuple[str, ...], metrics: Mapping[str, Metric], confidence: float
) -> pd.DataFrame:
    """A row per metric with BOUNDS, from the same resamples of a model as it is and recalibrated."""
    own, new = before.intervals(confidence), after.intervals(confidence)
    pairs = pair_draws(before, after, confidence)
    rows = []
    for name in site_names(classes, metrics):
        a, b, pair = own[name], new[name], pairs[name]
        values = (a.value, a.low, a.high, b.value, b.low, b.high, pair.value, pair.low, pair.high, pair.undefined)
        rows.append({"metric": name, **dict(zip(BOUNDS, values, strict=True))})
    return pd.DataFrame(rows)


def flat_pair(table: pd.DataFrame) -> dict[str, float]:
    """`before/log_loss`, `after/log_loss`, `difference/log_loss`, each with `.low` and `.high`, from `tabulate_pair`."""
    flat: dict[str, float] = {}
    for row in table.to_dict("records"):
        ends = {"before": ("before_low", "before_high"), "after": ("after_low", "after_high"), "difference": ("low", "high")}
        for what, (low, high) in ends.items():
            flat |= {f"{what}/{row['metric']}": row[what]}
            flat |= {f"{what}/{row['metric']}.low": row[low], f"{what}/{row['metric']}.high": row[high]}
    return flat


def _mean(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """(M,) means of the defined values of each column; NaN where there is none."""
    known = (~np.isnan(rows)).sum(axis=0)
    return np.where(known > 0, np.nansum(rows, axis=0) / np.maximum(known, 1), np.nan)
