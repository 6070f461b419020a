"""Methods for unequal classes: the sampling and weight of each class, and the prior that the probabilities belong to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.records import Labels
from hilum.settings.training import Balance


@dataclass(frozen=True)
class Sampling:
    """What one epoch samples from the training films.

    strategy: a key of `STRATEGIES`. rows: (M,) positions among the training films, with copies.
    weights: (M,) of these rows in the loss. gamma: exponent of the focal loss; 0 is the plain log loss.
    made_up: (S,) class indices of the pooled features that SMOTE synthesises, each with weight 1; none otherwise.
    """

    strategy: str
    rows: NDArray[np.int64]
    weights: NDArray[np.float64]
    gamma: float = 0.0
    made_up: Labels = field(default_factory=lambda: np.zeros(0, np.int64))


def class_weights(labels: Labels, classes: int) -> NDArray[np.float64]:
    """Weights (K,) under which all classes count equally: w_k = N / (K n_k), so that they average 1 over the films.

    labels: (N,) class indices of training films. classes: K.

    Raises:
        ValueError: a class without a film.
    """
    return len(labels) / (classes * _count(labels, classes))


def log_prior(labels: Labels, classes: int) -> NDArray[np.float64]:
    """Natural logarithms (K,) of the classes' shares: with these output biases an untrained head predicts the shares.

    Raises:
        ValueError: a class without a film.
    """
    return np.log(_count(labels, classes) / len(labels))


def oversample(labels: Labels, seed: int) -> NDArray[np.int64]:
    """Row numbers with every training film at least once and each class as often as the largest one.

    labels: (N,) class indices of training films only. Drawn with replacement by imbalanced-learn's RandomOverSampler; the input
    stays as it is.

    Raises:
        ValueError: fewer than two classes.
    """
    from imblearn.over_sampling import RandomOverSampler

    return _resample(RandomOverSampler(random_state=seed), labels)


def undersample(labels: Labels, seed: int) -> NDArray[np.int64]:
    """Row numbers with each class as often as the smallest one, no film twice: the other films are never used.

    labels: (N,) class indices of training films only. Drawn by imbalanced-learn's RandomUnderSampler; the input stays as it is.

    Raises:
        ValueError: fewer than two classes.
    """
    from imblearn.under_sampling import RandomUnderSampler

    return _resample(RandomUnderSampler(random_state=seed), labels)


def check_smote(labels: Labels, classes: Sequence[str], neighbours: int) -> None:
    """Refuse SMOTE if a class that it must add to has too few films for that many neighbours.

    Raises:
        ValueError: with the number of films needed, and the classes that have fewer.
    """
    counts = _count(labels, len(classes))
    few = [f"{count} of {name}" for name, count in zip(classes, counts, strict=True) if neighbours >= count < counts.max()]
    if few:
        raise ValueError(
            f"smote with {neighbours} neighbours needs at least {neighbours + 1} training films of every class that it adds to, "
            f"got {', '.join(few)}; lower train.balance.smote_neighbours, or use `train.imbalance: oversample`, "
            "below the arm where it has a `train` of its own"
        )


def make_up(features: NDArray[np.float32], labels: Labels, neighbours: int, seed: int) -> NDArray[np.float32]:
    """Features (S, C) float32 that raise each class to the size of the largest one, in class order as in `Sampling.made_up`.

    features: (N, C) of the training films; labels: (N,) class indices. Each synthetic row lies at random between a film and one
    of its nearest films of the same class (imbalanced-learn's SMOTE); the input is not changed.

    Source: Chawla et al. 2002, doi 10.1613/jair.953.
    """
    from imblearn.over_sampling import SMOTE

    sampler = SMOTE(k_neighbors=neighbours, random_state=seed)
    return np.asarray(sampler.fit_resample(np.asarray(features), labels)[0][len(labels) :], np.float32)


def _show_all(labels: Labels, classes: Sequence[str], settings: Balance, seed: int) -> Sampling:
    return Sampling("none", np.arange(len(labels)), np.ones(len(labels)))


def _weigh(labels: Labels, classes: Sequence[str], settings: Balance, seed: int) -> Sampling:
    factors = np.array([settings.multiplier.get(name, 1.0) for name in classes])
    return Sampling("class_weight", np.arange(len(labels)), (class_weights(labels, len(classes)) * factors)[labels])


def _oversample(labels: Labels, classes: Sequence[str], settings: Balance, seed: int) -> Sampling:
    rows = oversample(labels, seed)
    return Sampling("oversample", rows, np.ones(len(rows)))


def _undersample(labels: Labels, classes: Sequence[str], settings: Balance, seed: int) -> Sampling:
    rows = undersample(labels, seed)
    return Sampling("undersample", rows, np.ones(len(rows)))


def _smote(labels: Labels, classes: Sequence[str], settings: Balance, seed: int) -> Sampling:
    check_smote(labels, classes, settings.smote_neighbours)
    counts = _count(labels, len(classes))
    made_up = np.repeat(np.arange(len(classes)), counts.max() - counts)
    return Sampling("smote", np.arange(len(labels)), np.ones(len(labels)), made_up=made_up)


def _focus(labels: Labels, classes: Sequence[str], settings: Balance, seed: int) -> Sampling:
    return Sampling("focal", np.arange(len(labels)), np.ones(len(labels)), gamma=settings.focal_gamma)


# `train.imbalance` -> sampling of an epoch, from labels (N,), class names, settings and seed; pure.
STRATEGIES: dict[str, Callable[[Labels, Sequence[str], Balance, int], Sampling]] = {
    "none": _show_all,
    "class_weight": _weigh,
    "oversample": _oversample,
    "undersample": _undersample,
    "smote": _smote,
    "focal": _focus,
}


def weigh_films(word: str, labels: Labels, classes: Sequence[str], settings: Balance) -> Sampling:
    """The average sampling of a strategy as weights of the films, for a solved head, which needs no random draw.

    oversample and undersample: the size of the largest or the smallest class over that of the film's class.

    Raises:
        ValueError: a strategy that cannot be written as weights of films, or a class without a film.
    """
    if word in ("none", "class_weight"):
        return STRATEGIES[word](labels, classes, settings, 0)
    if word not in ("oversample", "undersample"):
        raise ValueError(
            f"a head that is solved takes weights of films, got imbalance: {word}; use class_weight, oversample, undersample or "
            "none"
        )
    counts = _count(labels, len(classes))
    size = counts.max() if word == "oversample" else counts.min()
    return Sampling(word, np.arange(len(labels)), (size / counts)[labels])


def copies_per_film(shown: Sampling, labels: Labels, classes: Sequence[str]) -> pd.DataFrame:
    """How often an epoch samples the films of each class, and with what weight.

    labels: (N,) class indices. classes: names in class order.
    Columns: strategy, label, films, rows (of films), made_up (by SMOTE), mean_copies (rows per film), most_copies (of one film),
    weight (mean, in the loss; NaN without a row).
    """
    labels = np.asarray(labels)
    copies = np.bincount(shown.rows, minlength=len(labels))
    table = []
    for index, name in enumerate(classes):
        of_class = copies[labels == index]
        films, rows = len(of_class), int(of_class.sum())
        weights = shown.weights[labels[shown.rows] == index]
        table.append(
            {
                "strategy": shown.strategy,
                "label": name,
                "films": films,
                "rows": rows,
                "made_up": int((shown.made_up == index).sum()),
                "mean_copies": rows / films if films else 0.0,
                "most_copies": int(of_class.max(initial=0)),
                "weight": float(weights.mean()) if len(weights) else np.nan,
            }
        )
    return pd.DataFrame(table)


def shown_prior(shown: Sampling, labels: Labels, classes: int) -> NDArray[np.float64]:
    """The shares (K,) of the classes in the training loss: the prior that a fitted model's probabilities belong to.

    An approximation for the focal loss, whose minimum is not the true posterior.
    """
    mass = np.bincount(np.asarray(labels)[shown.rows], shown.weights, classes) + np.bincount(shown.made_up, minlength=classes)
    return mass / mass.sum()


def prior_shift(prior: NDArray[np.float64], prevalence: Mapping[str, float], classes: Sequence[str]) -> NDArray[np.float64]:
    """What to add to the logits (K,) of a model trained under one prior, so that its probabilities belong to another prevalence.

    p'(k|x) = p(k|x) prevalence_k / prior_k, divided by its sum: the logarithm of that ratio is added to the logits.
    prior: (K,) from `shown_prior`. prevalence: class -> share, sum 1. classes: names in class order.

    Source: Saerens, Latinne and Decaestecker 2002, doi 10.1162/089976602753284446, equation 2.4.
    """
    return np.log([prevalence[name] for name in classes]) - np.log(prior)


def _resample(sampler: Any, labels: Labels) -> NDArray[np.int64]:
    labels = np.asarray(labels)
    if len(np.unique(labels)) < 2:
        raise ValueError(f"resampling must have two classes or more, got {np.unique(labels).tolist()}; use `imbalance: none`")
    rows = np.arange(len(labels))[:, None]
    return sampler.fit_resample(rows, labels)[0][:, 0].astype(np.int64)


def _count(labels: Labels, classes: int) -> NDArray[np.int64]:
    counts = np.bincount(labels, minlength=classes)
    if len(counts) != classes or not counts.all():
        raise ValueError(f"each of the {classes} classes must have a film, got {counts.tolist()} films; check the split")
    return counts
