"""The head solved to convergence: multinomial logistic regression on the pooled features of a frozen backbone."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from hilum.data.prepared.examples import Examples, as_images
from hilum.models.classifier import cut
from hilum.models.forward import BATCH, compile_forward
from hilum.models.head import HEAD
from hilum.records import Labels, Score
from hilum.settings.training import ConvexPhase
from hilum.training.learning.augmentation import Changes
from hilum.training.learning.features import cached_features
from hilum.training.learning.imbalance import Sampling

Matrix = NDArray[np.float64]
OnEpoch = Callable[[int, dict[str, float]], None]
OnFilm = Callable[[int, int], None]

PENALTIES = tuple(10.0 ** (-half / 2) for half in range(-2, 11))  # what `auto` tries: 10 to 1e-5, two a decade
TOLERANCE = 1e-9  # the largest partial derivative of a finished solution
ENOUGH = 1e-5  # the same, if rounding ends the descent before
ITERATIONS = 5_000
STEEPNESS = 0.2  # about p (1 - p): how the log loss bends with a logit
CONSTANT = 1e-6  # a feature with less spread, in its unit or relative to its mean, counts as constant
AS_THEY_ARE = Changes(rotate=0, shift=0, zoom=0, gamma=0, contrast=0, brightness=0, noise=0, erase=0, flip=False)


@dataclass(frozen=True)
class Solved:
    """history: a row per penalty, like that of an epoch; step, value, penalty: step, `select` and penalty of the solution with
    the lowest log loss on validation, which the model keeps."""

    history: list[dict[str, Any]]
    step: int
    value: float
    penalty: float


def solve_phase(
    model: keras.Model,
    phase: ConvexPhase,
    place: tuple[int, int],
    train: Examples,
    val: Examples,
    shown: Sampling,
    cache: Path | None,
    score: Score,
    on_epoch: OnEpoch,
    on_film: OnFilm,
) -> Solved:
    """Solve the head for each penalty, from the largest down, and leave the model with the best one on validation.

    place: number of the phase and its first step. cache: folder of activations; None computes them, with the same result. The
    films are used as they are, ordered by their hashes: seed and order of the split do not change a bit of the result.

    Raises:
        ValueError: the head is more than one Dense layer, or rounding ends a solution too early.
    """
    drawn = np.bincount(shown.rows, shown.weights, len(train.labels)).astype(np.float64)  # (N,)
    order, order_val = (np.lexsort((rows.labels, np.array(rows.keys))) for rows in (train, val))
    train, val, drawn = train.take(order), val.take(order_val), drawn[order]
    features, features_val = (pooled_features(model, rows, cache, on_film) for rows in (train, val))  # (N, C), (V, C)
    penalties = PENALTIES if phase.penalty == "auto" else (float(phase.penalty),)
    history: list[dict[str, Any]] = []
    found: list[tuple[float, float, Matrix]] = []  # log loss on validation, select, coefficients
    with threadpool_limits(1, "blas"):  # sums depend on the number of threads, and threads slow down many small operations
        scaling = find_scaling(features)
        inputs, inputs_val = scaling.apply(features), scaling.apply(features_val)
        solution = np.zeros((inputs.shape[1] + 1, int(model.output_shape[-1])))
        for i, penalty in enumerate(penalties):
            solution = solve(inputs, scaling.variance, train.labels, drawn, penalty, solution)
            loss, _ = objective(solution, inputs, train.labels, drawn, penalty)
            logs = log_probabilities(inputs_val, solution)  # (V, K)
            metrics = score(val.labels, np.exp(logs))
            value = metrics.pop("select")
            row = {"step": place[1] + i, "phase": place[0], "epoch": i, "train/penalty": penalty, "train/loss": loss, **metrics}
            history.append(row)
            found.append((-float(logs[np.arange(len(logs)), val.labels].mean()), value, solution))
            on_epoch(row["step"], {**row, "select": value})
        best = int(np.argmin([loss for loss, _, _ in found]))
        model.get_layer("logits").set_weights(scaling.fold(found[best][2]))
    return Solved(history, place[1] + best, found[best][1], penalties[best])


def pooled_features(model: keras.Model, rows: Examples, cache: Path | None, on_film: OnFilm) -> Matrix:
    """The backbone's pooled features of the films without augmentation, (N, C).

    Raises:
        ValueError: there is more between the pooling and the logits than dropout, which is not applied here.
    """
    names = [layer.name for layer in model.layers]
    head = tuple(names[names.index("pool") :]) if "pool" in names else ()
    if head != HEAD:
        raise ValueError(
            f"solver convex solves a head of one Dense layer, {' > '.join(HEAD)}, got {' > '.join(head) or 'no pool'}; use "
            "`solver: gradient` for this one"
        )
    prefix, _ = cut(model, "pool")
    if cache is not None:
        return np.asarray(cached_features(prefix, rows, None, 0, AS_THEY_ARE, cache, on_film), np.float64)
    forward = compile_forward(prefix, constants=False)
    batches = [forward(as_images(rows.films[i : i + BATCH])) for i in range(0, len(rows.films), BATCH)]
    return np.concatenate(batches).astype(np.float64)


@dataclass(frozen=True)
class Scaling:
    """From features (N, C) to the inputs of a solved head: minus the mean, over the spread, rotated to their principal axes.

    mean, spread: (C,) of the training films; a constant feature keeps its unit. axes: (C, C), orthogonal, so that the sum of
    squares of a solution is that for standardised features. variance: (C,) of the inputs.
    """

    mean: Matrix
    spread: Matrix
    axes: Matrix
    variance: Matrix

    def apply(self, features: Matrix) -> Matrix:
        return ((features - self.mean) / self.spread) @ self.axes

    def fold(self, coefficients: Matrix) -> list[NDArray[np.float32]]:
        """Kernel (C, K) and bias (K,) that give for unscaled features the logits of the coefficients for inputs."""
        kernel = (self.axes @ coefficients[:-1]) / self.spread[:, None]
        bias = coefficients[-1] - self.mean @ kernel
        return [kernel.astype(np.float32), bias.astype(np.float32)]


def find_scaling(features: Matrix) -> Scaling:
    """The scaling from the features (N, C) of the training films."""
    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.where(spread > CONSTANT * np.maximum(np.abs(mean), 1.0), spread, 1.0)
    plain = (features - mean) / spread
    variance, axes = eigh(plain.T @ plain / len(plain))
    return Scaling(mean, spread, axes, np.maximum(variance, 0.0))


def solve(inputs: Matrix, variance: Matrix, labels: Labels, weights: Matrix, penalty: float, start: Matrix) -> Matrix:
    """Coefficients (C + 1, K), the last row the biases, that minimise `objective`; the minimum is unique up to the biases' mean.

    variance: (C,) of the inputs, which are uncorrelated: each is scaled so that the objective is about equally curved in all of
    them, and a hundred steps suffice instead of the thousands that correlated features take. start: initial coefficients, those
    of a neighbouring penalty.

    Raises:
        ValueError: rounding ended the descent while the slope was still above ENOUGH.

    Source: Byrd et al. 1995, doi 10.1137/0916069 (L-BFGS-B).
    """
    stretch = np.append(1 / np.sqrt(STEEPNESS * variance + penalty), 1.0)[:, None]  # (C + 1, 1)

    def stretched(flat: Matrix) -> tuple[float, Matrix]:
        value, gradient = objective(flat.reshape(start.shape) * stretch, inputs, labels, weights, penalty)
        return value, (gradient * stretch).ravel()

    options = {"gtol": TOLERANCE, "ftol": 0.0, "maxiter": ITERATIONS, "maxfun": 2 * ITERATIONS, "maxcor": 20}
    done = minimize(stretched, (start / stretch).ravel(), jac=True, method="L-BFGS-B", options=options)
    found = done.x.reshape(start.shape) * stretch
    slope = float(np.abs(done.jac).max())
    if not slope <= ENOUGH:
        raise ValueError(
            f"a head with penalty {penalty:g} must be solved to a slope of {ENOUGH:g}, got {slope:.2g} after {done.nit} steps "
            f"({done.message}); give the phase a larger penalty"
        )
    return found


def objective(coefficients: Matrix, inputs: Matrix, labels: Labels, weights: Matrix, penalty: float) -> tuple[float, Matrix]:
    """The weighted mean log loss plus half the penalty times the sum of squares of the coefficients, and its gradient (C + 1, K).

    coefficients: (C + 1, K), the last row the biases, which are not penalised. inputs: (N, C). weights: (N,) of the films.
    scikit-learn's C for the same problem is 1 / (penalty * sum of the weights).

    Source: Hastie, Tibshirani and Friedman 2009, The Elements of Statistical Learning, 2nd edition, section 18.3.2.
    """
    shares = weights / weights.sum()  # (N,)
    logs = log_probabilities(inputs, coefficients)  # (N, K)
    kernel = coefficients[:-1]
    loss = -float(shares @ logs[np.arange(len(labels)), labels]) + penalty / 2 * float((kernel**2).sum())
    residuals = np.exp(logs)
    residuals[np.arange(len(labels)), labels] -= 1
    residuals *= shares[:, None]
    gradient = np.concatenate([inputs.T @ residuals + penalty * kernel, residuals.sum(axis=0, keepdims=True)])
    return loss, gradient


def log_probabilities(inputs: Matrix, coefficients: Matrix) -> Matrix:
    """Natural logarithms (N, K) of the probabilities."""
    logits = inputs @ coefficients[:-1] + coefficients[-1]
    logits -= logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
