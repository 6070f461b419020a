"""Answers to classes of unequal size: weights, oversampling, and the prior that a model starts from."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.records import Labels


def class_weights(labels: Labels, classes: int) -> NDArray[np.float64]:
    """Weights (K,) that make every class count alike: w_k = N / (K n_k), so that they average 1 over the films.

    labels: (N,) class indices of training films. classes: K.

    Raises:
        ValueError: a class without a film.
    """
    return len(labels) / (classes * _count(labels, classes))


def log_prior(labels: Labels, classes: int) -> NDArray[np.float64]:
    """Natural logarithms (K,) of the classes' shares: as output biases they make an untrained head say these shares.

    Raises:
        ValueError: a class without a film.
    """
    return np.log(_count(labels, classes) / len(labels))


def oversample(labels: Labels, seed: int) -> NDArray[np.int64]:
    """Row numbers that hold every training film once or more and each class as often as the largest one.

    labels: (N,) class indices of training films only. Drawn with replacement by imbalanced-learn's RandomOverSampler; the input
    stays as it is.

    Raises:
        ValueError: fewer than two classes.
    """
    from imblearn.over_sampling import RandomOverSampler

    labels = np.asarray(labels)
    if len(np.unique(labels)) < 2:
        raise ValueError(f"oversampling must have two classes or more, got {np.unique(labels).tolist()}; use `imbalance: none`")
    rows = np.arange(len(labels))[:, None]
    sampler = RandomOverSampler(random_state=seed)
    return sampler.fit_resample(rows, labels)[0][:, 0].astype(np.int64)


def copies_per_film(rows: NDArray[np.int64], labels: Labels, classes: Sequence[str]) -> pd.DataFrame:
    """How often oversampling shows the films of each class.

    rows: (M,) from `oversample`. labels: (N,) class indices. classes: names in class order.
    Columns: label, films, rows, mean_copies, most_copies (of a single film).
    """
    shown = np.bincount(rows, minlength=len(labels))
    table = []
    for index, name in enumerate(classes):
        of_class = shown[np.asarray(labels) == index]
        films, total = len(of_class), int(of_class.sum())
        table.append((name, films, total, total / films if films else 0.0, int(of_class.max(initial=0))))
    return pd.DataFrame(table, columns=["label", "films", "rows", "mean_copies", "most_copies"])


def _count(labels: Labels, classes: int) -> NDArray[np.int64]:
    counts = np.bincount(labels, minlength=classes)
    if len(counts) != classes or not counts.all():
        raise ValueError(f"each of the {classes} classes must have a film, got {counts.tolist()} films; check the split")
    return counts
