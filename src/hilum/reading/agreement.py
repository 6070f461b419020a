"""Readers against truth, a model and each other: sensitivity, specificity, accuracy and kappa with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.evaluation.scoring.metrics import METRICS, Metric, confusion_counts, metric_names, metric_values
from hilum.evaluation.statistics import Draws, check_settings, draw_metrics, pair_draws, resampled_films
from hilum.reading.answered_films import CONFIDENCE, MODEL, NAME, PATIENT, TRUTH, AnsweredFilms
from hilum.records import Labels, Predictions, Probabilities

COLUMNS = ("who", "against", "metric", "class", "value", "low", "high", "undefined", "films", "patients")
EVERY = "all readers"


def cohen_kappa(y_true: Labels, y_prob: Probabilities, y_pred: Labels) -> float:
    """Cohen's kappa, unweighted, of two raters of K classes, -1 to 1; NaN where both name one and the same class for every film.

    Source: Cohen 1960, doi 10.1177/001316446002000104.
    """
    counts = confusion_counts(y_true, y_pred, y_prob.shape[1]).astype(np.float64)
    films = counts.sum()
    chance = counts.sum(axis=0) @ counts.sum(axis=1) / films**2
    return float((np.trace(counts) / films - chance) / (1 - chance)) if chance < 1 else float("nan")


KAPPA = {"kappa": Metric("Cohen's kappa", cohen_kappa, "overall", "higher")}
OF_TRUTH = {**{name: METRICS[name] for name in ("accuracy", "sensitivity", "specificity")}, **KAPPA}
OF_PAIRS = {"accuracy": METRICS["accuracy"], **KAPPA}  # between raters of whom none is the truth


@dataclass(frozen=True)
class Bootstrap:
    """resamples: 1 or more. confidence: 0 to 1, such as 0.95. seed: of the draws."""

    resamples: int
    confidence: float
    seed: int


def compare_readers(answered: AnsweredFilms, settings: Bootstrap) -> pd.DataFrame:
    """Every reader, the model and all readers together: columns COLUMNS, on films whose truth is known alone.

    Each reader and the model against the truth; each reader minus the model on the same films; readers against the model and
    against each other (`accuracy` is then the share of films with the same answer). Intervals are percentiles of a bootstrap
    over patients; those of EVERY over readers and patients, on the films that all of them answered.

    Raises:
        ValueError: no answered film with a known truth, fewer than two classes, or settings of no bootstrap.
    """
    check_settings(settings.resamples, settings.confidence)
    films = answered.known
    if films.empty:
        raise ValueError("the truth must be known of an answered film, got none; name a table with these films and their classes")
    raters = [*answered.readers, *([MODEL] if (films[MODEL] != "").any() else [])]
    classes = tuple(sorted({label for name in (TRUTH, *raters) for label in films[name]} - {""}))
    if len(classes) < 2:
        raise ValueError(f"answers and truth must have two classes or more, got {classes[0]} alone; read more films")
    rows: list[tuple[object, ...]] = []
    for who in raters:
        rows += _measure(films, who, TRUTH, classes, OF_TRUTH, settings)
    for reader in answered.readers:
        if MODEL in raters:
            rows += _differ(films, reader, classes, settings)
            rows += _measure(films, reader, MODEL, classes, OF_PAIRS, settings)
    for one, other in combinations(answered.readers, 2):
        rows += _measure(films, other, one, classes, OF_PAIRS, settings)
    if len(answered.readers) > 1:
        rows += _measure_all(films, answered.readers, classes, settings)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def list_differences(answered: AnsweredFilms) -> pd.DataFrame:
    """The films on which truth, model and readers do not all say the same, those whose truth is known first."""
    said = [TRUTH, MODEL, *answered.readers]
    table = answered.table
    differ = [len({row[name] for name in said} - {""}) > 1 for row in table.to_dict("records")]
    confidences = [f"{CONFIDENCE}{reader}" for reader in answered.readers]
    chosen = table[differ][[NAME, *said, *confidences]].rename_axis("sha256").reset_index()
    order = (chosen[TRUTH] == "").to_numpy().argsort(kind="stable")
    return chosen.iloc[order].reset_index(drop=True)


def _pair(films: pd.DataFrame, who: str, against: str, classes: Sequence[str]) -> Predictions | None:
    """One rater's answers as predictions of another's; None where they share no film. Probabilities are 0 and 1."""
    shared = films[(films[who] != "") & (films[against] != "")]
    if shared.empty:
        return None
    index = {name: k for k, name in enumerate(classes)}
    said, true = (np.array([index[name] for name in shared[rater]], np.int64) for rater in (who, against))
    names, patients = shared.index.to_numpy(str), shared[PATIENT].to_numpy(str)
    return Predictions(names, patients, true, np.eye(len(classes))[said], said, tuple(classes))


def _measure(
    films: pd.DataFrame, who: str, against: str, classes: Sequence[str], metrics: dict[str, Metric], settings: Bootstrap
) -> list[tuple[object, ...]]:
    pair = _pair(films, who, against, classes)
    if pair is None:
        return []
    return _rows(who, against, pair, draw_metrics(pair, settings.resamples, settings.seed, metrics), settings)


def _rows(who: str, against: str, pair: Predictions, draws: Draws, settings: Bootstrap) -> list[tuple[object, ...]]:
    size = (len(pair.y_true), len(np.unique(pair.patient_id)))
    found = draws.intervals(settings.confidence)
    return [
        (who, against, *_split(name), one.value, one.low, one.high, one.undefined, *size)
        for name, one in found.items()
        if not name.endswith("_macro")
    ]


def _differ(films: pd.DataFrame, reader: str, classes: Sequence[str], settings: Bootstrap) -> list[tuple[object, ...]]:
    """Reader minus model against the truth, on the same films and resamples."""
    both = films[(films[reader] != "") & (films[MODEL] != "")]
    own, model = (_pair(both, who, TRUTH, classes) for who in (reader, MODEL))
    if own is None or model is None:
        return []
    drawn = [draw_metrics(one, settings.resamples, settings.seed, OF_TRUTH) for one in (model, own)]
    size = (len(own.y_true), len(np.unique(own.patient_id)))
    return [
        (f"{reader} minus {MODEL}", TRUTH, *_split(name), one.value, one.low, one.high, one.undefined, *size)
        for name, one in pair_draws(drawn[0], drawn[1], settings.confidence).items()
        if not name.endswith("_macro")
    ]


def _measure_all(
    films: pd.DataFrame, readers: Sequence[str], classes: Sequence[str], settings: Bootstrap
) -> list[tuple[object, ...]]:
    """The mean over readers, its interval over readers and patients."""
    shared = films[(films[list(readers)] != "").all(axis=1)]
    pairs = [pair for reader in readers if (pair := _pair(shared, reader, TRUTH, classes))]
    return _rows(EVERY, TRUTH, pairs[0], draw_readers(pairs, settings.resamples, settings.seed), settings) if pairs else []


def draw_readers(pairs: Sequence[Predictions], resamples: int, seed: int) -> Draws:
    """Means over readers of every metric, on resamples of readers and, independently, of patients.

    pairs: a reader's answers each, on the same films in the same order. A resample is undefined where one of its readers is.

    Source: Owen 2007, "The pigeonhole bootstrap", doi 10.1214/07-AOAS122: conservative where both readers and patients vary.
    """
    names = tuple(metric_names(pairs[0].classes, OF_TRUTH))
    drawn = np.empty((resamples, len(names)))  # (B, M)
    rng = np.random.default_rng([seed, 1])
    everything = np.arange(len(pairs[0].y_true))
    for i, rows in enumerate(resampled_films(pairs[0], resamples, seed)):
        times = np.bincount(rng.integers(0, len(pairs), len(pairs)), minlength=len(pairs))
        drawn[i] = _mean_of(pairs, rows, times)
    return Draws(names, _mean_of(pairs, everything, np.ones(len(pairs), np.int64)), drawn)


def _mean_of(pairs: Sequence[Predictions], rows: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.float64]:
    chosen = [(pair, weight) for pair, weight in zip(pairs, times, strict=True) if weight]
    values = [metric_values(one.y_true[rows], one.y_prob[rows], one.y_pred[rows], OF_TRUTH) for one, _ in chosen]
    return np.asarray(np.average(values, axis=0, weights=[weight for _, weight in chosen]), np.float64)


def _split(name: str) -> tuple[str, str]:
    metric, _, of_class = name.partition("/")
    return metric, of_class
