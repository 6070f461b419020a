"""The head of a classifier: pooling, dense layers, and an output that predicts the prior before it is trained."""

import re
from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np
from numpy.typing import NDArray

from hilum.settings.training import Dense

HEAD = ("pool", "dropout", "logits", "probabilities")  # of a head without dense layers
MOMENTUM = 0.9  # of trained batch norm: MobileNetV2's own 0.999 leaves the moving statistics near their start in few steps
ONE_LOGIT = "logit_of_second"  # the one output before a sigmoid
HALVES = ("logit_half_first", "logit_half_second")
_NAMES = re.compile(r"pool(_average|_max)?|dense_\d+(_bn|_activation|_dropout)?|dropout|logits|logit_.*|probabilities")

Pooling = Literal["average", "max", "both"]
Output = Literal["softmax", "sigmoid"]


def in_head(name: str) -> bool:
    """Whether a layer of a classifier of ours belongs to its head."""
    return _NAMES.fullmatch(name) is not None


def add_head(
    features: Any,
    log_prior: NDArray[np.float64],
    dropout: float,
    weight_decay: float,
    seed: int,
    pooling: Pooling = "average",
    dense: Sequence[Dense] = (),
    output: Output = "softmax",
) -> Any:
    """Probabilities (N, K) from features (N, h, w, C).

    log_prior: (K,) natural logarithm of the class frequencies, in class order: the biases of the output.
    Each dense layer is followed by its batch norm, activation and dropout, where it has them. dropout: before the output layer;
    weight_decay: on its kernel.

    Raises:
        ValueError: a sigmoid for other than two classes.
    """
    x = _pool(features, pooling)
    for i, layer in enumerate(dense, start=1):
        x = _dense(x, layer, f"dense_{i}", seed + i)
    x = keras.layers.Dropout(dropout, seed=seed, name="dropout")(x)
    logits = _logits(x, log_prior, weight_decay, seed, output)
    return keras.layers.Activation("softmax", dtype="float32", name="probabilities")(logits)


def _pool(features: Any, pooling: Pooling) -> Any:
    kinds = {"average": keras.layers.GlobalAveragePooling2D, "max": keras.layers.GlobalMaxPooling2D}
    if pooling in kinds:
        return kinds[pooling](name="pool")(features)
    return keras.layers.Concatenate(name="pool")([kind(name=f"pool_{word}")(features) for word, kind in kinds.items()])


def _dense(x: Any, settings: Dense, name: str, seed: int) -> Any:
    """One dense layer. Seeds are explicit, because reading a backbone's weights draws from Keras' own generator or not."""
    x = keras.layers.Dense(
        int(settings.units),  # type: ignore[arg-type]
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        kernel_regularizer=_penalty(float(settings.weight_decay or 0.0)),  # type: ignore[arg-type]
        name=name,
    )(x)
    if settings.batch_norm:
        x = keras.layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_bn")(x)
    if settings.activation == "leaky_relu":  # the layer's slope, 0.3; that of the activation's name is 0.2
        x = keras.layers.LeakyReLU(name=f"{name}_activation")(x)
    elif settings.activation != "linear":
        x = keras.layers.Activation(settings.activation, name=f"{name}_activation")(x)
    if settings.dropout:
        x = keras.layers.Dropout(float(settings.dropout), seed=seed, name=f"{name}_dropout")(x)  # type: ignore[arg-type]
    return x


def _logits(x: Any, log_prior: NDArray[np.float64], weight_decay: float, seed: int, output: Output) -> Any:
    """A logit per class; for a sigmoid z half of it for the second class and minus half for the first: softmax gives the same."""
    if output == "sigmoid" and len(log_prior) != 2:
        raise ValueError(f"a head with one sigmoid must have two classes, got {len(log_prior)}; use output: softmax")
    biases = log_prior if output == "softmax" else log_prior[1:] - log_prior[:1]
    last = keras.layers.Dense(
        len(biases),
        kernel_initializer=keras.initializers.RandomNormal(stddev=1e-3, seed=seed),
        bias_initializer=keras.initializers.Constant(biases.tolist()),
        kernel_regularizer=_penalty(weight_decay),
        name="logits" if output == "softmax" else ONE_LOGIT,
    )(x)
    if output == "softmax":
        return last
    return add_halves(last)


def add_halves(log_odds: Any) -> Any:
    """The layer `logits`, (N, 2), from the log odds of the second class, (N, 1)."""
    halves = [keras.layers.Rescaling(sign, name=name)(log_odds) for name, sign in zip(HALVES, (-0.5, 0.5), strict=True)]
    return keras.layers.Concatenate(name="logits")(halves)


def _penalty(weight_decay: float) -> keras.regularizers.Regularizer | None:
    return keras.regularizers.L2(weight_decay) if weight_decay else None


def change_logits(model: keras.Model, temperature: float, biases: NDArray[np.float64]) -> None:
    """Divide a classifier's logits by a temperature and add biases (K,), in the weights of its output layer."""
    if any(layer.name == ONE_LOGIT for layer in model.layers):
        last, shift = model.get_layer(ONE_LOGIT), biases[1:] - biases[:1]
    else:
        last, shift = model.get_layer("logits"), biases
    last.kernel.assign(last.kernel.numpy() / temperature)
    last.bias.assign(last.bias.numpy() / temperature + shift)
