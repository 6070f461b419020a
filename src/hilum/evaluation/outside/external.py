"""The external test of a frozen arm: metrics on one source, the drop from the internal test, the effect of another prior."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.evaluation.group_measures import count_shares
from hilum.evaluation.outside.cross_fitted_baselines import cross_fit_baseline
from hilum.evaluation.outside.frozen import (
    Grouping,
    draw_present,
    measure_drop,
    predict_groups,
    regroup,
    shift_prior,
)
from hilum.evaluation.outside.frozen_tables import FrozenResult, measure_frozen, write_frozen
from hilum.evaluation.scoring.decisions import decide, factors_of
from hilum.evaluation.scoring.metrics import with_bins
from hilum.evaluation.statistics import Interval, OnResample, flat_metrics, pair_draws
from hilum.records import Predictions, Probabilities
from hilum.results import write_table
from hilum.settings.params import Evaluate

SOURCES = "sources.json"  # what was tested, by source; {} where external.sources is empty
OF_PRIOR = ("log_loss", "brier", "ece", "accuracy", "balanced_accuracy")  # metrics before and after the correction


@dataclass(frozen=True)
class ExternalResult:
    """One arm on one source.

    found: its metrics there. internal: the same metrics on its internal test films, over the same classes. drop: external minus
    internal. shares: a row per class: class, prior (of the model's probabilities; NaN if unknown), internal, external.
    prior: a row per metric of OF_PRIOR: metric, as_it_is, corrected, difference, low, high; empty where the prior is unknown.
    """

    found: FrozenResult
    internal: Mapping[str, Interval]
    drop: Mapping[str, Interval]
    shares: pd.DataFrame
    prior: pd.DataFrame


def measure_external(
    y_prob: Probabilities,
    films: pd.DataFrame,
    grouping: Grouping,
    internal: Predictions,
    described: Mapping[str, Any],
    settings: Evaluate,
    features: NDArray[np.float64] | None = None,
    on_resample: OnResample | None = None,
) -> ExternalResult:
    """Measure a frozen arm on a source. Weights, calibration, threshold and classes are those of `described`, the model.json.

    y_prob: (N, K) of the arm's classes. films: N rows, columns image_id, patient_id and label, a name of the grouping.
    internal: on the arm's internal test films. features: (N, F) of `acquisition_features`, for the shortcut baseline.
    """
    summed, predicted = predict_groups(y_prob, described["threshold"], factors_of(described), grouping)
    place = {name: k for k, name in enumerate(grouping.names)}
    y_true = np.array([place[label] for label in films["label"]], np.int64)
    ids, patients = films["image_id"].to_numpy(str), films["patient_id"].to_numpy(str)
    external = Predictions(ids, patients, y_true, summed, predicted, grouping.names)
    seed = settings.seed + 1  # another than inside: the patients are others
    baselines = {} if features is None else {"acquisition_only": cross_fit_baseline(features, external, seed)}
    found = measure_frozen(external, settings, seed, baselines, on_resample)
    metrics = with_bins(settings.calibration_bins)
    inside = regroup(internal, grouping)
    drawn = draw_present(inside, found.present, settings.bootstrap, settings.seed, metrics)
    drop = measure_drop(drawn, found.draws, settings.confidence)
    prior = _prior_of(described, grouping)
    shares = {"prior": prior, "internal": count_shares(inside), "external": count_shares(external)}
    corrected = _correct(found, prior, shares["external"], described, settings) if np.isfinite(prior).all() else pd.DataFrame()
    table = pd.DataFrame({"class": grouping.names, **shares})
    return ExternalResult(found, drawn.intervals(settings.confidence), drop, table, corrected)


def _prior_of(described: Mapping[str, Any], grouping: Grouping) -> NDArray[np.float64]:
    """(G,) the class shares that the model's probabilities belong to; NaN where model.json does not say."""
    told = described.get("prior")
    if not isinstance(told, Mapping):
        return np.full(len(grouping.names), np.nan)
    prior = np.array([told[name] for name in described["classes"]], np.float64)
    return np.array([prior[list(part)].sum() for part in grouping.members])


def _correct(
    found: FrozenResult,
    prior: NDArray[np.float64],
    target: NDArray[np.float64],
    described: Mapping[str, Any],
    settings: Evaluate,
) -> pd.DataFrame:
    """What the true class shares of the source would do, were they known: the same decision rule on corrected probabilities."""
    y_prob = shift_prior(found.predictions.y_prob, prior, target)
    alone = len(prior) == len(described["classes"])  # joined classes have no rule of their own
    y_pred = decide(y_prob, described["threshold"], factors_of(described)) if alone else decide(y_prob, None)
    corrected = replace(found.predictions, y_prob=y_prob, y_pred=y_pred)
    bins = with_bins(settings.calibration_bins)
    metrics = {name: bins[name] for name in (*OF_PRIOR, "sensitivity")}
    drawn = [
        draw_present(one, found.present, settings.bootstrap, settings.seed + 1, metrics) for one in (found.predictions, corrected)
    ]
    paired = pair_draws(drawn[0], drawn[1], settings.confidence)
    rows = [(name, d.a, d.b, d.value, d.low, d.high) for name, d in paired.items() if name in OF_PRIOR]
    return pd.DataFrame(rows, columns=["metric", "as_it_is", "corrected", "difference", "low", "high"])


def flat_external(source: str, result: ExternalResult) -> dict[str, float]:
    """`external/<source>/<metric>` and `external/<source>/drop_<metric>`, each with .low and .high."""
    flat = {f"external/{source}/{name}": value for name, value in result.found.flat.items()}
    return flat | flat_metrics({f"drop_{name}": drop for name, drop in result.drop.items()}, f"external/{source}")


def list_drop(result: ExternalResult) -> pd.DataFrame:
    """A row per metric: metric, then internal, external and drop, each with _low and _high."""
    sides = {"internal": result.internal, "external": result.found.intervals, "drop": result.drop}
    rows = []
    for name in result.drop:
        row: dict[str, object] = {"metric": name}
        for side, of in sides.items():
            row |= {side: of[name].value, f"{side}_low": of[name].low, f"{side}_high": of[name].high}
        rows.append(row)
    return pd.DataFrame(rows)


def write_external(folder: Path, result: ExternalResult, settings: Evaluate) -> None:
    """The tables of `write_frozen`, drop.csv, shares.csv and, where the prior is known, prior.csv."""
    write_frozen(folder, result.found, settings)
    write_table(folder / "drop.csv", list_drop(result))
    write_table(folder / "shares.csv", result.shares)
    if len(result.prior):
        write_table(folder / "prior.csv", result.prior)
