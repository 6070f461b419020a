"""Shortcut baselines, classifiers that see no lung: their AUROC, and whether a model is far enough above it."""

from collections.abc import Mapping

import numpy as np

from hilum.evaluation.scoring.metrics import METRICS, evaluate_all
from hilum.evaluation.statistics import Difference, Interval, paired_bootstrap, patient_bootstrap
from hilum.records import Predictions

SHORTCUT_BASELINES = {  # key in files and metrics -> label
    "acquisition_only": "acquisition only",
    "source_only": "source only",
}
SEES = {  # key of SHORTCUT_BASELINES -> what it sees, and what could then explain a model's predictions
    "acquisition_only": ("size, proportion and rim of the films", "How the films were taken"),
    "source_only": ("the source of the films", "Where the films come from"),
}
MEASURED = "auroc_macro"


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
