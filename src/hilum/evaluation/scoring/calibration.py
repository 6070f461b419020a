"""Calibration on validation films: the fit, its films, and the metrics before and after it, those after cross-fitted."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilum.evaluation.scoring.metrics import BINS, confidence_bin
from hilum.evaluation.scoring.scaling import Logits, Scaling, Weights, fit_biases_too, fit_temperature, keep_as_it_is, softmax
from hilum.records import Labels, Probabilities

Bins = dict[str, NDArray[Any]]  # column -> (BINS,)
Prior = NDArray[np.float64]  # (K,) shares of the classes, in all 1
Patients = NDArray[np.str_]  # (N,) of each film

FITS = {"temperature": fit_temperature, "temperature_and_biases": fit_biases_too}  # values of `train.calibration` besides none
FEWEST = 30  # validation films in all, and
FEWEST_OF_A_CLASS = 5  # of each class: with fewer, a temperature is left to chance
FOLDS = 5  # of the metrics after calibration


@dataclass(frozen=True)
class Calibration:
    """What calibration did to a model.

    word: of `train.calibration`. scaling: folded into the model. films, patients: how many it was fitted on.
    prior: (K,) of the model's probabilities. before, after: log_loss, brier and ece of these films, weighted to that prior;
    own_before, own_after: the same of the unweighted films. Those after are cross-fitted over patients in `folds` folds, and NaN
    if there are too few patients for that. bins_before, bins_after: of `fill_bins`, what the weighted calibration errors sum up.
    """

    word: str
    scaling: Scaling
    films: int
    patients: int
    prior: Prior
    folds: int
    before: dict[str, float]
    after: dict[str, float]
    own_before: dict[str, float]
    own_after: dict[str, float]
    bins_before: Bins
    bins_after: Bins


def weigh_to_prior(labels: Labels, prior: Prior) -> Weights:
    """(N,) weights under which the films have a prior's class shares: prior_k / share_k, a class without a film left out.

    The probabilities of a model trained with class weights or resampled films belong to a uniform prior; validation films have
    other shares. Without weights, a temperature would correct for that difference in shares instead of for the model's
    confidence. With these weights the mean over films estimates the log loss under the prior of the model's probabilities.

    Source: Shimodaira 2000, doi 10.1016/S0378-3758(00)00115-4 (importance weights); where only class shares differ:
    Saerens, Latinne and Decaestecker 2002, doi 10.1162/089976602753284446.
    """
    share = np.bincount(labels, minlength=len(prior)) / len(labels)  # (K,)
    return (prior / np.where(share > 0, share, 1.0))[labels]


def find_scaling(word: str, logits: Logits, labels: Labels, prior: Prior) -> Scaling:
    """The scaling of `train.calibration`; with too few films, one that changes nothing, and the reason.

    logits: (N, K) of validation films. labels: (N,) class indices. prior: (K,) that the model's probabilities belong to.

    Raises:
        ValueError: an unknown word, or logits that are not finite.
    """
    if word not in (*FITS, "none"):
        raise ValueError(f"train.calibration must be one of {', '.join(FITS)} or none, got {word!r}; use one of these words")
    if not np.isfinite(logits).all():
        odd = int((~np.isfinite(logits)).any(axis=1).sum())
        raise ValueError(
            f"logits must be finite to be calibrated, got {odd} of {len(logits)} validation films with others; a training "
            "that diverged needs a lower learning rate, a given model other weights"
        )
    if word == "none":
        return keep_as_it_is(logits.shape[1])
    counts = np.bincount(labels, minlength=logits.shape[1])
    if len(labels) < FEWEST or counts.min() < FEWEST_OF_A_CLASS:
        return keep_as_it_is(
            logits.shape[1],
            f"not calibrated: that takes {FEWEST} validation films and {FEWEST_OF_A_CLASS} of each class, "
            f"got {len(labels)} and {counts.min()} of the rarest; raise split.validation",
        )
    return FITS[word](logits, labels, weigh_to_prior(labels, prior))


def calibrate(word: str, logits: Logits, labels: Labels, patients: Patients, prior: Prior, seed: int) -> Calibration:
    """Fit the scaling of `train.calibration` on validation films, and measure its effect.

    The metrics after it are of probabilities for patients that the fit did not see: each fold is scaled by a fit on the others.
    patients: (N,) of each film. seed: of the folds. The other arguments as in `find_scaling`.

    Raises: as `find_scaling`.
    """
    scaling = find_scaling(word, logits, labels, prior)
    folds = min(FOLDS, len(np.unique(patients))) if scaling.fitted else 0
    weights, before = weigh_to_prior(labels, prior), softmax(logits)
    after = cross_fit(word, logits, labels, weights, deal_patients(labels, patients, folds, seed)) if folds else before
    own = np.ones(len(labels))
    return Calibration(
        word,
        scaling,
        len(labels),
        len(np.unique(patients)),
        prior,
        folds,
        before=measure_predictions(labels, before, weights),
        after=measure_predictions(labels, after, weights),
        own_before=measure_predictions(labels, before, own),
        own_after=measure_predictions(labels, after, own),
        bins_before=fill_bins(labels, before, weights),
        bins_after=fill_bins(labels, after, weights),
    )


def deal_patients(labels: Labels, patients: Patients, folds: int, seed: int) -> NDArray[np.int64]:
    """(N,) the fold of each film: patients are assigned in turn, class by class, so that each fold has its share of every class.

    All films of a patient are in one fold; a patient of several classes counts as that of the first film.
    """
    names, first, whose = np.unique(patients, return_index=True, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(labels[first][order], kind="stable")]
    fold = np.empty(len(names), np.int64)
    fold[order] = np.arange(len(names)) % folds
    return fold[whose]


def cross_fit(word: str, logits: Logits, labels: Labels, weights: Weights, fold: NDArray[np.int64]) -> Probabilities:
    """(N, K) probabilities of the films of each fold by a scaling fitted to the other folds; NaN if there are no others."""
    predictions = np.full(logits.shape, np.nan)
    for held in np.unique(fold):
        rest = fold != held
        if rest.any():
            predictions[~rest] = FITS[word](logits[rest], labels[rest], weights[rest]).apply(logits[~rest])
    return predictions


def measure_predictions(labels: Labels, predictions: Probabilities, weights: Weights) -> dict[str, float]:
    """Weighted log_loss (nats), brier (0 to 2) and ece (0 to 1, most probable class) of (N, K) probabilities; NaN if any is.

    With weights of 1 they are the metrics of these names.
    """
    if not np.isfinite(predictions).all():
        return dict.fromkeys(("log_loss", "brier", "ece"), float("nan"))
    share, films = weights / weights.sum(), np.arange(len(labels))
    true = np.clip(predictions[films, labels], np.finfo(np.float64).eps, 1.0)  # (N,)
    distance = np.square(predictions - np.eye(predictions.shape[1])[labels]).sum(axis=1)  # (N,)
    bins = fill_bins(labels, predictions, weights)
    error = float(np.nansum(bins["share"] * np.abs(bins["accuracy"] - bins["confidence"])))
    return {"log_loss": float(-share @ np.log(true)), "brier": float(share @ distance), "ece": error}


def fill_bins(labels: Labels, predictions: Probabilities, weights: Weights) -> Bins:
    """Per bin of the most probable class's probability (BINS,): low, high, films, share (of all weights), confidence, accuracy.

    confidence, accuracy: weighted means, NaN in an empty bin; films without a finite probability are in none.
    """
    finite = np.isfinite(predictions).all(axis=1)
    labels, predictions, weights = labels[finite], predictions[finite], weights[finite] / weights.sum()
    said = predictions.argmax(axis=1)
    confidence = predictions[np.arange(len(labels)), said]  # (N,)
    place = confidence_bin(confidence, BINS)
    share = np.bincount(place, weights=weights, minlength=BINS)
    some = np.where(share > 0, share, np.nan)
    return {
        "low": np.arange(BINS) / BINS,
        "high": np.arange(1, BINS + 1) / BINS,
        "films": np.bincount(place, minlength=BINS),
        "share": share,
        "confidence": np.bincount(place, weights=weights * confidence, minlength=BINS) / some,
        "accuracy": np.bincount(place, weights=weights * (said == labels), minlength=BINS) / some,
    }


def tabulate_reliability(found: Calibration) -> dict[str, list[Any]]:
    """The columns of calibration.csv: `predictions` (before or after) and those of `fill_bins`; no row without a fit."""
    parts = {"before": found.bins_before, "after": found.bins_after} if found.folds else {}
    columns = {name: [value for bins in parts.values() for value in bins[name].tolist()] for name in found.bins_before}
    return {"predictions": [state for state in parts for _ in range(BINS)], **columns}


def describe_calibration(found: Calibration, classes: list[str]) -> dict[str, Any]:
    """The content of calibration.json; classes: names in class order."""
    return {
        "calibration": found.word,
        "temperature": found.scaling.temperature,
        "biases": _by_class(found.scaling.biases, classes),
        "note": found.scaling.note,
        "films": found.films,
        "patients": found.patients,
        "prior": _by_class(found.prior, classes),
        "folds": found.folds,
        "before": found.before,
        "after": found.after,
        "own_shares_before": found.own_before,
        "own_shares_after": found.own_after,
    }


def tell_calibration(found: Calibration) -> str:
    """`temperature 1.83, fitted on 240 validation films of 180 patients; log loss 0.612 to 0.541 ...`, or why there is no fit."""
    if not found.folds:
        return found.scaling.note or "not calibrated: train.calibration is none"
    told = f"temperature {found.scaling.temperature:.3g}" + (" and biases" if found.word == "temperature_and_biases" else "")
    note = f" ({found.scaling.note})" if found.scaling.note else ""
    return (
        f"{told}{note}, fitted on {found.films} validation films of {found.patients} patients; log loss "
        f"{found.before['log_loss']:.3f} to {found.after['log_loss']:.3f}, calibration error {found.before['ece']:.3f} to "
        f"{found.after['ece']:.3f}, those after on patients that the fit did not see"
    )


def _by_class(values: NDArray[np.float64], classes: list[str]) -> dict[str, float]:
    return dict(zip(classes, values.tolist(), strict=True))


def flat_calibration(found: Calibration, classes: list[str]) -> dict[str, float]:
    """Metrics of a run: `val/log_loss_uncalibrated`, `_calibrated` of the unweighted films; `calibration/...` of the fit."""
    flat = {"calibration/temperature": found.scaling.temperature, "calibration/films": float(found.films)}
    flat |= {"calibration/patients": float(found.patients)}
    if found.word == "temperature_and_biases":
        flat |= {f"calibration/bias/{name}": bias for name, bias in _by_class(found.scaling.biases, classes).items()}
    for name in found.before:
        flat |= {f"val/{name}_uncalibrated": found.own_before[name], f"val/{name}_calibrated": found.own_after[name]}
        flat |= {f"calibration/{name}_before": found.before[name], f"calibration/{name}_after": found.after[name]}
    return flat
