"""What `pretrain`, `tune` and `train` share: an arm's initial model, its sampling, and its training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from hilum.data.prepared.examples import Examples, as_images
from hilum.models.classifier import build_classifier
from hilum.models.forward import compile_forward
from hilum.models.head import change_logits
from hilum.records import Films, Labels, Score
from hilum.settings.meaning import backbone_of, backbone_options, name_network, plain_phases, train_of
from hilum.settings.training import Arm, ConvexPhase, Head, Phase, Train
from hilum.training.learning.convex import PENALTIES
from hilum.training.learning.fit import Fitted, OnEpoch, OnFilm, fit_phases
from hilum.training.learning.imbalance import STRATEGIES, Sampling, log_prior, weigh_films
from hilum.training.learning.kept_state import KeptState


@dataclass(frozen=True)
class Task:
    """What the trials and the training of one arm have in common.

    classes: names in class order; weights: None, `imagenet` or a file; settings: `train`, before the arm's own values replace
    some; cache: folder for activations of frozen parts.
    """

    train: Examples
    val: Examples
    classes: Sequence[str]
    weights: str | Path | None
    settings: Train
    seed: int
    cache: Path | None


def weights_of(arm: Arm, pretrained: Path, at_home: Callable[[str], Path]) -> str | Path | None:
    """The source of an arm's initial weights, as `build_classifier` takes it."""
    named: dict[str, str | Path | None] = {
        "none": None,
        "imagenet": "imagenet",
        "preset": "preset",
        "pretrained": pretrained / f"{name_network(arm)}.weights.h5",
    }
    return named[arm.weights] if arm.weights in named else at_home(arm.weights)


def plan_phases(
    phases: Sequence[Phase | ConvexPhase], labels: Labels, classes: Sequence[str], settings: Train, seed: int
) -> list[Sampling]:
    """The sampling of the training films in each phase, by the method for unequal classes that `train` names.

    SMOTE synthesises features above a frozen backbone, so only a phase that trains the head alone can use it: any other phase
    uses `train.balance.smote_above_head`. A solved phase weights films instead of drawing them, so the seed has no effect.

    Raises:
        ValueError: a class without a film, or with too few for SMOTE; a method that cannot be written as weights of films.
    """
    words = [
        settings.balance.smote_above_head if settings.imbalance == "smote" and phase.unfreeze != "head" else settings.imbalance
        for phase in phases
    ]
    return [
        weigh_films(word, labels, classes, settings.balance)
        if isinstance(phase, ConvexPhase)
        else STRATEGIES[word](labels, classes, settings.balance, seed)
        for word, phase in zip(words, phases, strict=True)
    ]


def count_steps(phases: Sequence[Phase | ConvexPhase]) -> list[int]:
    """How many epochs each phase takes at most; of a solved one, the penalties that are tried."""
    return [
        (len(PENALTIES) if phase.penalty == "auto" else 1) if isinstance(phase, ConvexPhase) else int(phase.epochs)  # type: ignore[arg-type]
        for phase in phases
    ]


def read_logits(model: keras.Model, films: Films) -> NDArray[np.float64]:
    """Logits (N, K) of films (N, H, W)."""
    head = keras.Model(model.input, model.get_layer("logits").output)
    return compile_forward(head, constants=True)(as_images(films)).astype(np.float64)  # (N, K)


def scale_logits(model: keras.Model, temperature: float, biases: NDArray[np.float64]) -> None:
    """Divide the logits by a temperature and add biases (K,), in the head's weights: every use of the model is calibrated."""
    change_logits(model, temperature, biases)


def correct_prior(model: keras.Model, shift: NDArray[np.float64]) -> None:
    """Add to the biases of the logits in place, so that the model's probabilities belong to another prevalence.

    shift: (K,) from `imbalance.prior_shift`.
    """
    change_logits(model, 1.0, shift)


def train_arm(
    arm: Arm, task: Task, phases: int, score: Score, on_epoch: OnEpoch, on_film: OnFilm, kept: KeptState | None = None
) -> tuple[keras.Model, Fitted]:
    """Build an arm's model and train its first `phases` phases; equal arguments give equal weights.

    arm: without spaces, from `meaning.settle`. kept: where an interrupted training of these arguments is continued from.

    Raises:
        ValueError: the training films do not allow the method of `train.imbalance`; raised before training.
    """
    settings = train_of(task.settings, arm)
    shown = plan_phases(arm.phases[:phases], task.train.labels, task.classes, settings, task.seed)
    model = build_classifier(
        backbone_of(arm),
        task.train.films.shape[1],
        len(task.classes),
        task.weights,
        float(arm.head.dropout) if arm.head else 0.0,  # type: ignore[arg-type]
        float(arm.head.weight_decay) if arm.head else 0.0,  # type: ignore[arg-type]
        log_prior(task.train.labels, len(task.classes)),
        task.seed,
        options=backbone_options(arm),
        **_shape_of(arm.head),
    )
    fitted = fit_phases(
        model,
        plain_phases(arm)[:phases],
        task.train,
        task.val,
        shown,
        settings,
        task.seed,
        task.cache,
        score,
        on_epoch,
        on_film,
        kept,
    )
    return model, fitted


def _shape_of(head: Head | None) -> dict[str, Any]:
    """What `build_classifier` takes of a head besides dropout and weight decay; what it does not name is left out."""
    named = {key: getattr(head, key) for key in ("pooling", "dense", "output")} if head else {}
    return {key: value for key, value in named.items() if value}
