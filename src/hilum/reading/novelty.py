"""How far a film is from the training films in the feature space of a model, and from where on it is unlike them."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf

RATE = 0.05  # of usual films may be called unlike the training films

Vectors = NDArray[np.float64]  # (N, F)


@dataclass(frozen=True)
class FeatureSpace:
    """mean: (K, F) of the training films of each class. precision: (F, F) inverse of their common, shrunk covariance."""

    mean: Vectors
    precision: Vectors

    def distances(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """(N,) Mahalanobis distance of each film from the nearest class."""
        apart = np.asarray(features, np.float64)[:, None] - self.mean  # (N, K, F)
        return np.sqrt(np.maximum(np.einsum("nkf,fg,nkg->nk", apart, self.precision, apart, optimize=True), 0).min(axis=1))


def learn_space(features: Vectors, labels: NDArray[np.int64], classes: int) -> FeatureSpace:
    """The space of training films: (N, F) features and (N,) class indices; a class without films has no mean.

    Sources: Lee et al. 2018, arXiv 1807.03888 (distance from the nearest class mean under one covariance); Ledoit and Wolf 2004,
    doi 10.1016/S0047-259X(03)00096-4 (its shrinkage, since there may be more features than films).
    """
    there = [k for k in range(classes) if (labels == k).any()]
    mean = np.stack([features[labels == k].mean(axis=0) for k in there])
    apart = features - mean[np.searchsorted(there, labels)]
    covariance, _ = ledoit_wolf(apart, assume_centered=True)
    covariance[np.diag_indices_from(covariance)] += 1e-6 * np.trace(covariance) / len(covariance) + 1e-12
    return FeatureSpace(mean, np.linalg.inv(covariance))


def find_threshold(distances: NDArray[np.float64], rate: float = RATE) -> float:
    """The distance that a further film of the same kind exceeds with a probability of at most `rate`.

    distances: of validation films, on which nothing was fitted; with too few of them (18 for 5 %) the largest is taken.
    Source: Bates et al. 2023, doi 10.1214/22-AOS2244 (conformal p-values of outliers).
    """
    place = math.ceil((len(distances) + 1) * (1 - rate))
    return float(np.sort(distances)[min(place, len(distances)) - 1])
