"""Shortcut baselines, classifiers that see no lung: their predictions, AUROC, and whether a model is far enough above it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from hilum.data.prepared.loading import load_films, read_manifest
from hilum.evaluation.acquisition import acquisition_features, predict_by_features, source_features
from hilum.evaluation.scoring.decisions import decide
from hilum.evaluation.scoring.metrics import METRICS, evaluate_all
from hilum.evaluation.statistics import Difference, Interval, paired_bootstrap, patient_bootstrap
from hilum.records import Predictions
from hilum.results import read_table
from hilum.settings.params import Evaluate
from hilum.workspace import Workspace

SHORTCUT_BASELINES = {  # key in files and metrics -> label
    "acquisition_only": "acquisition only",
    "source_only": "source only",
}
SEES = {  # key of SHORTCUT_BASELINES -> what it sees, and what could then explain a model's predictions
    "acquisition_only": ("size, proportion and rim of the films", "How the films were taken"),
    "source_only": ("the source of the films", "Where the films come from"),
}
MEASURED = "auroc_macro"


def predict_shortcut_baselines(
    model: Predictions, settings: Evaluate, description: dict[str, Any], workspace: Workspace
) -> dict[str, Predictions | None]:
    """The predictions of both shortcut baselines on the test films; None for the sources where training has only one."""
    manifest = read_manifest(workspace.prepared / "manifest.csv").set_index("image_id")
    tables = {part: read_table(workspace.split / f"{part}.csv") for part in ("train", "test")}
    rows = {part: manifest.loc[table["image_id"]] for part, table in tables.items()}
    films = load_films(workspace.prepared)
    ring, bins = settings.acquisition.ring, settings.acquisition.bins
    square = description["square"]
    taken = {
        part: acquisition_features(
            films, tables[part]["row"].tolist(), rows[part]["width"].tolist(), rows[part]["height"].tolist(), square, ring, bins
        )
        for part in tables
    }
    known = sorted(set(rows["train"]["source"]))
    sources = {part: source_features(rows[part]["source"].tolist(), known) for part in tables}
    classes = description["classes"]
    labels = tables["train"]["label"].astype(str).map({name: k for k, name in enumerate(classes)}).to_numpy(np.int64)

    def prediction(features: dict[str, Any]) -> Predictions:
        found = predict_by_features(features["train"], labels, features["test"], len(classes))
        return replace(model, y_prob=found, y_pred=decide(found, None))

    return {"acquisition_only": prediction(taken), "source_only": prediction(sources) if len(known) > 1 else None}


def measure_shortcut_baselines(
    model: Predictions,
    baselines: Mapping[str, Predictions | None],
    resamples: int,
    confidence: float,
    seed: int,
    margin: float,
) -> dict[str, float]:
    """Flat metrics of a model beside shortcut baselines, which see no lung, on the same films.

    baselines: name of SHORTCUT_BASELINES -> predictions, None where it is undefined. margin: how far the model's AUROC must be
    above theirs. Keys: `<name>/<overall metric>`, `<name>/auroc_macro.low` and `.high`, `above_<name>/auroc_macro` (model minus
    baseline, paired, over patients) with `.low` and `.high`, and `flagged/<name>`: 1 if that interval reaches below the margin,
    else 0, NaN if it is undefined.
    """
    auroc = {"auroc": METRICS["auroc"]}
    flat: dict[str, float] = {}
    for name, predictions in baselines.items():
        if predictions is None:
            flat[f"{name}/{MEASURED}"] = np.nan
            continue
        flat |= {f"{name}/{metric}": value for metric, value in evaluate_all(predictions).items() if "/" not in metric}
        own = patient_bootstrap(predictions, resamples, confidence, seed, auroc)[MEASURED]
        flat |= flat_bounds(f"{name}/{MEASURED}", own)
        flat |= flat_bounds(
            f"above_{name}/{MEASURED}", paired_bootstrap(predictions, model, resamples, confidence, seed, auroc)[MEASURED]
        )
    flat |= {f"flagged/{name}": flag(flat.get(f"above_{name}/{MEASURED}.low", np.nan), margin) for name in baselines}
    return flat


def flag(low: float, margin: float) -> float:
    """1 if an interval of model minus shortcut baseline reaches below the margin, 0 if not, NaN if it is undefined."""
    return np.nan if np.isnan(low) else float(low < margin)


def tell_flag(flagged: float | None) -> str:
    """`flagged`, `not flagged` or `undefined`, from the metric."""
    return "undefined" if flagged is None or np.isnan(flagged) else "flagged" if flagged else "not flagged"


def flat_bounds(key: str, found: Interval | Difference) -> dict[str, float]:
    """An interval by its key, with `.low` and `.high`."""
    return {key: found.value, f"{key}.low": found.low, f"{key}.high": found.high}
