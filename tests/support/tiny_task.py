"""A task that a small network learns in seconds: films of 32 px that are the brighter the higher their class."""

import hashlib
from pathlib import Path

import keras
import numpy as np

from hilum.data.prepared.examples import Examples
from hilum.models.classifier import build_classifier
from hilum.models.initial_weights import save_backbone
from hilum.records import Labels, Probabilities
from hilum.settings.training import Arm, Augment, Balance, Head, Phase, Train

SIZE = 32
BALANCE = Balance(multiplier={}, smote_neighbours=2, smote_above_head="class_weight", focal_gamma=2.0)
CLASSES = ("normal", "bacterial", "viral")


def make_rows(count: int, seed: int) -> Examples:
    """Unequal classes: of 12 films, 6 are of class 0, 4 of class 1 and 2 of class 2."""
    labels = np.resize([0, 0, 0, 1, 1, 2], count).astype(np.int64)
    films = np.random.default_rng(seed).integers(10, 70, (count, SIZE, SIZE)).astype(np.uint8)
    films += (80 * labels).astype(np.uint8)[:, None, None]
    return Examples(films, labels, tuple(hashlib.sha256(film.tobytes()).hexdigest() for film in films))


def make_settings(**given: object) -> Train:
    augment = {"views": 2, "rotate": 7.0, "shift": 0.05, "zoom": 0.08, "gamma": 0.15, "contrast": 0.08}
    augment |= {"unchanged": 0, "brightness": 0.08, "noise": 0.01, "erase": 0.0}
    usual = {"seed": 3, "batch_size": 7, "imbalance": "none", "select": "log_loss", "patience": 9, "threshold_rule": "half"}
    usual |= {"repeats": 1, "balance": BALANCE, "prevalence": {}, "calibration": "none", "decision": "probable", "costs": {}}
    usual |= {"schedule": {"warmup": 0.0, "plateau_factor": 0.5, "plateau_patience": 1}}
    usual |= {"label_smoothing": 0.0, "mixup": 0.0, "averaging": 0.0}
    optimizer = {"name": "adam", "momentum": 0.9, "nesterov": False, "weight_decay": 0.0, "clip": 0.0, "layer_decay": 1.0}
    optimizer |= given.pop("optimizer", {})  # type: ignore[call-overload]
    views = {"views": given.pop("views")} if "views" in given else {}
    return Train.model_validate({**usual, "optimizer": optimizer, "augment": {**augment, "flip": False, **views}, **given})


def no_augmentation() -> Augment:
    return Augment(
        views=0, unchanged=0, rotate=0, shift=0, zoom=0, gamma=0, contrast=0, brightness=0, noise=0, erase=0, flip=False
    )


def make_phase(
    unfreeze: str | int = "head", epochs: int = 2, rate: float = 1e-2, batch_norm: str = "frozen", decay: str = "none"
) -> Phase:
    return Phase.model_validate(
        {"unfreeze": unfreeze, "epochs": epochs, "learning_rate": rate, "decay": decay, "batch_norm": batch_norm}
    )


def make_arm(*phases: Phase, dropout: float = 0.3, weight_decay: float = 1e-4) -> Arm:
    head = Head(dropout=dropout, weight_decay=weight_decay)
    return Arm(backbone="mobilenet_025", weights="pretrained", head=head, phases=list(phases))


PRIOR = np.array([1 / 2, 1 / 3, 1 / 6])


def make_model(dropout: float = 0.3, weight_decay: float = 1e-4, seed: int = 1) -> keras.Model:
    """A classifier of two small blocks, named as those of a MobileNet are, because a real one takes seconds to compile."""
    keras.utils.set_random_seed(seed)
    grey = keras.Input((SIZE, SIZE, 1), name="grey")
    x = keras.layers.Rescaling(1 / 127.5, -1.0, name="scale")(grey)
    x = keras.layers.Concatenate(name="three_channels")([x, x, x])
    for block, filters in ((12, 6), (13, 8)):
        x = keras.layers.Conv2D(filters, 3, strides=3, use_bias=False, name=f"conv_pw_{block}")(x)
        x = keras.layers.BatchNormalization(name=f"conv_pw_{block}_bn")(x)
        x = keras.layers.ReLU(6.0, name=f"conv_pw_{block}_relu")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dropout(dropout, seed=seed, name="dropout")(x)
    decay = keras.regularizers.L2(weight_decay) if weight_decay else None
    bias = keras.initializers.Constant(np.log(PRIOR).tolist())
    x = keras.layers.Dense(3, kernel_regularizer=decay, bias_initializer=bias, name="logits")(x)
    return keras.Model(grey, keras.layers.Activation("softmax", name="probabilities")(x), name="mobilenet_025")


def make_mobilenet(weights: Path | None, dropout: float = 0.3) -> keras.Model:
    """The real thing: MobileNet alpha 0.25."""
    return make_network("mobilenet_025", weights, dropout)


def make_network(backbone: str, weights: Path | str | None, dropout: float = 0.3) -> keras.Model:
    """Any backbone of the registry."""
    return build_classifier(backbone, SIZE, 3, weights, dropout, 1e-4, np.log(PRIOR), 1)


def log_loss(labels: Labels, probabilities: Probabilities) -> float:
    return float(-np.log(probabilities[np.arange(len(labels)), labels]).mean())


def score(labels: Labels, probabilities: Probabilities) -> dict[str, float]:
    loss = log_loss(labels, probabilities)
    return {"val/log_loss": loss, "select": -loss}


def silent(*_: object) -> None:
    """A callback that reports to nobody."""


def write_awake_backbone(path: Path) -> Path:
    """Random weights with batch norm statistics of the films: with those of a fresh graph the signal dies on its way up."""
    model = make_mobilenet(None)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for norm in norms:
        norm.momentum = 0.0
    model(make_rows(24, 5).films[..., None].astype(np.float32), training=True)
    save_backbone(model, path)
    return path
