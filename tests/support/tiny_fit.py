"""Trainings of the tiny task: what every argument is unless a test says otherwise, a scripted score, and what the model was."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
from tiny_task import log_loss, make_rows, make_settings, score, silent

from hilum.data.prepared.examples import Examples
from hilum.training.learning.fit import Fitted, fit_phases
from hilum.training.learning.imbalance import Sampling

TRAIN, VAL = make_rows(24, seed=1), make_rows(12, seed=2)


def fit(
    model: keras.Model, phases: list, cache: Path | None, train: Examples = TRAIN, val: Examples = VAL, **given: Any
) -> Fitted:
    sample = given.pop("sample", np.arange(len(train.keys)))
    shown = given.pop("shown", None) or Sampling("none", sample, given.pop("weights", np.ones(len(sample))))
    usual = {"settings": make_settings(), "seed": 3, "score": score, "on_epoch": silent, "on_film": silent}
    return fit_phases(model, phases, train, val, [shown] * len(phases), cache=cache, **{**usual, **given})  # type: ignore[arg-type]


class Script:
    """A score that says what was written for it, epoch by epoch."""

    def __init__(self, *values: float) -> None:
        self.values = iter(values)

    def __call__(self, labels: Any, probabilities: Any) -> dict[str, float]:
        return {"val/log_loss": log_loss(labels, probabilities), "select": next(self.values)}


class Snapshots:
    """The model's weights after each epoch."""

    def __init__(self, model: keras.Model) -> None:
        self.model, self.weights, self.metrics = model, [], []  # type: ignore[var-annotated]

    def __call__(self, step: int, metrics: dict[str, float]) -> None:
        assert step == len(self.weights)
        self.weights.append(self.model.get_weights())
        self.metrics.append(metrics)


def equal(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
