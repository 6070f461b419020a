"""What `pretrain`, `tune` and `train` share: an arm's model before training, its rows for an epoch, and one training of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from hilum.config import Arm, Train
from hilum.data.batches import Rows
from hilum.data.imbalance import class_weights, log_prior, oversample
from hilum.models.classifier import build_classifier
from hilum.training.fit import Fitted, OnEpoch, OnFilm, Score, fit_phases


@dataclass(frozen=True)
class Task:
    """Everything that the trials and the training of one arm have in common.

    classes: names in class order; weights: None, `imagenet` or a file; cache: folder for activations of frozen parts.
    """

    train: Rows
    val: Rows
    classes: Sequence[str]
    weights: str | Path | None
    settings: Train
    seed: int
    cache: Path | None


def weights_of(arm: Arm, pretrained: Path, at_home: Callable[[str], Path]) -> str | Path | None:
    """Where an arm's first weights come from, as `build_classifier` takes it."""
    named: dict[str, str | Path | None] = {
        "none": None,
        "imagenet": "imagenet",
        "pretrained": pretrained / f"{arm.backbone}.weights.h5",
    }
    return named[arm.weights] if arm.weights in named else at_home(arm.weights)


def draw_sample(
    labels: NDArray[np.int64], classes: int, imbalance: str, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The rows of one epoch and their weights in the loss: (M,) positions, (M,) weights.

    imbalance: none, class_weight (w_k = N / (K n_k)) or oversample (copies of the rarer classes, drawn by imbalanced-learn).
    """
    rows = oversample(labels, seed) if imbalance == "oversample" else np.arange(len(labels))
    weights = class_weights(labels, classes)[labels] if imbalance == "class_weight" else np.ones(len(rows))
    return rows, weights


def train_arm(arm: Arm, task: Task, phases: int, score: Score, on_epoch: OnEpoch, on_film: OnFilm) -> tuple[keras.Model, Fitted]:
    """Build an arm's model and train its first `phases` phases; equal arguments give equal weights.

    arm: without spaces, as `config.settle` makes it.
    """
    sample, weights = draw_sample(task.train.labels, len(task.classes), task.settings.imbalance, task.seed)
    model = build_classifier(
        arm.backbone,
        task.train.films.shape[1],
        len(task.classes),
        task.weights,
        float(arm.head.dropout),  # type: ignore[arg-type]
        float(arm.head.weight_decay),  # type: ignore[arg-type]
        log_prior(task.train.labels, len(task.classes)),
        task.seed,
    )
    fitted = fit_phases(
        model,
        arm.settled_phases()[:phases],
        task.train,
        task.val,
        sample,
        weights,
        task.settings,
        task.seed,
        task.cache,
        score,
        on_epoch,
        on_film,
    )
    return model, fitted
