"""Scaling of logits by one temperature, or by a temperature and a bias per class, fitted to validation films by log loss."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize

from hilum.records import Labels, Probabilities

Logits = NDArray[np.float64]  # (N, K)
Weights = NDArray[np.float64]  # (N,) of films

LOW, HIGH = 0.1, 10.0  # a temperature lies between them
WIDEST = 5.0  # a bias lies within this of 0
SEPARATED = "every film is on the right side, so that no temperature is low enough: 1 stays"
SEPARABLE = "biases alone put every film on its right side, so that no temperature is low enough: it is the one without biases"
BOUND = "a bound was reached: the films tell too little of a class"


@dataclass(frozen=True)
class Scaling:
    """softmax(logits / temperature + biases): the probabilities of a calibrated model.

    biases: (K,), sum 0. note: a remark on the fit, or empty. fitted: False if none was asked for, or there were too few films.
    prior_learnt: biases were fitted, so that the probabilities belong to the class shares of the weighted films.
    """

    temperature: float
    biases: NDArray[np.float64]
    note: str = ""
    fitted: bool = True
    prior_learnt: bool = False

    def apply(self, logits: Logits) -> Probabilities:
        """Probabilities (N, K) from the logits (N, K) of the network."""
        return softmax(logits / self.temperature + self.biases)


def keep_as_it_is(classes: int, note: str = "") -> Scaling:
    """The scaling that changes nothing, for a model without a fit; note: why."""
    return Scaling(1.0, np.zeros(classes), note, fitted=False)


def softmax(logits: Logits) -> Probabilities:
    """Probabilities (N, K) from logits (N, K), in double precision."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))  # (N, K)
    return powers / powers.sum(axis=1, keepdims=True)


def fit_temperature(logits: Logits, labels: Labels, weights: Weights) -> Scaling:
    """The temperature, LOW to HIGH, with the lowest weighted log loss of softmax(logits / temperature).

    The loss is convex in 1 / temperature, so its slope has one root. If every film is classified correctly, the loss falls
    towards a temperature of 0, which is no measure of the model's confidence: then the temperature is 1, with a note.

    logits: (N, K) finite. labels: (N,) class indices. weights: (N,) above 0.

    Source: Guo et al. 2017, arXiv 1706.04599, section 4.2.
    """
    if separates(logits, labels):
        return Scaling(1.0, np.zeros(logits.shape[1]), SEPARATED)
    true = logits[np.arange(len(labels)), labels]  # (N,)

    def slope(inverse: float) -> float:
        expected = np.einsum("nk,nk->n", softmax(logits * inverse), logits)  # (N,)
        return float(weights @ (expected - true) / weights.sum())

    if slope(1 / HIGH) >= 0:
        return Scaling(
            HIGH, np.zeros(logits.shape[1]), f"the highest allowed, {HIGH:g}: the logits hardly tell the classes apart"
        )
    if slope(1 / LOW) <= 0:
        return Scaling(
            LOW, np.zeros(logits.shape[1]), f"the lowest allowed, {LOW:g}: the model is far less sure than it is right"
        )
    return Scaling(1 / brentq(slope, 1 / HIGH, 1 / LOW, xtol=1e-12), np.zeros(logits.shape[1]))


def fit_biases_too(logits: Logits, labels: Labels, weights: Weights) -> Scaling:
    """The temperature and biases with the lowest weighted log loss of softmax(logits / temperature + biases).

    The loss is convex in 1 / temperature and the biases. Biases lie within WIDEST of that of the first class, and are then
    shifted to a sum of 0. Arguments and separated films as in `fit_temperature`. If biases alone can
    put every film on its right side, the temperature is that of `fit_temperature`, and the biases have the lowest loss at it.

    Source: Alexandari, Kundaje and Shrikumar 2020, arXiv 1901.06852, section 3 (bias-corrected temperature scaling).
    """
    start = fit_temperature(logits, labels, weights)
    if start.note == SEPARATED:
        return start
    classes, share = logits.shape[1], weights / weights.sum()  # (N,)
    wanted = np.eye(classes)[labels]  # (N, K)

    def loss(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scaled = logits * point[0] + np.append(0.0, point[1:])  # (N, K)
        top = scaled.max(axis=1)
        mass = np.log(np.exp(scaled - top[:, None]).sum(axis=1)) + top  # (N,)
        gap = share[:, None] * (softmax(scaled) - wanted)  # (N, K)
        slope = np.append((gap * logits).sum(), gap.sum(axis=0)[1:])
        return float(share @ (mass - scaled[np.arange(len(labels)), labels])), slope

    first = np.append(1 / start.temperature, np.zeros(classes - 1))
    free = not separates_with_biases(logits, labels)
    limits = [(1 / HIGH, 1 / LOW) if free else (first[0], first[0]), *[(-WIDEST, WIDEST)] * (classes - 1)]
    found = minimize(loss, first, jac=True, method="L-BFGS-B", bounds=limits, options={"ftol": 1e-14, "gtol": 1e-9}).x
    biases = np.append(0.0, found[1:])
    edge = [limit for limit, value in zip(limits, found, strict=True) if limit[0] < limit[1] and value in limit]
    note = "; ".join([*([] if free else [SEPARABLE, *filter(None, [start.note])]), *([BOUND] if edge else [])])
    temperature = 1 / float(found[0]) if free else start.temperature
    return Scaling(temperature, biases - biases.mean(), note, prior_learnt=True)


def separates(logits: Logits, labels: Labels) -> bool:
    """Whether for every film the true class alone has the largest logit."""
    true = logits[np.arange(len(labels)), labels]  # (N,)
    others = np.where(np.eye(logits.shape[1], dtype=bool)[labels], -np.inf, logits).max(axis=1)  # (N,)
    return bool((true > others).all())


def separates_with_biases(logits: Logits, labels: Labels) -> bool:
    """Whether biases exist with which for every film the true class alone has the largest logit.

    They must differ by less than the smallest margin of each class y over each other k, b_k - b_y < min (logit_y - logit_k).
    Such inequalities have a solution if and only if the margins along every cycle of classes add up to more than 0.

    Source: Cormen, Leiserson, Rivest and Stein, Introduction to Algorithms, difference constraints and Floyd-Warshall.
    """
    classes = logits.shape[1]
    way = np.full((classes, classes), np.inf)  # (K, K): the smallest sum of margins from one class to another
    for k in np.unique(labels):
        own = logits[labels == k]
        way[k] = (own[:, [k]] - own).min(axis=0)
    np.fill_diagonal(way, np.inf)
    for k in range(classes):
        way = np.minimum(way, way[:, [k]] + way[[k], :])
    return bool((np.diag(way) > 0).all())
