"""A scaling of logits folded into a classifier, hilum's own or any that `flatten` takes."""

from itertools import count
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from hilum.models.flatten import Rebuilt, flatten
from hilum.models.head import HALVES, ONE_LOGIT, change_logits

ADDED = "recalibration"  # the layer that is added where the output layer is not hilum's own


def fold_scaling(model: keras.Model, temperature: float, biases: NDArray[np.float64]) -> keras.Model:
    """The classifier with probabilities softmax(logits / temperature + biases); biases: (K,).

    In a head of hilum's own the weights of the output layer are changed in place; the scaling of an ensemble becomes another one.
    Elsewhere a layer is added between logits and softmax. All other layers share their weights with the given model.
    """
    flat = flatten(model)
    if _has_own_head(flat):
        change_logits(flat, temperature, biases)
        return flat
    if isinstance(last := flat.get_layer("logits"), keras.layers.Rescaling):
        return _end(flat.input, _compose(last, temperature, biases), flat.name)
    film, below = _raw_logits(flat)
    kernel = np.array([[-0.5, 0.5]]) if below.shape[-1] == 1 else np.eye(len(biases))
    names = {layer.name for layer in keras.Model(film, below).layers}
    free = next(name for i in count(1) if (name := ADDED if i == 1 else f"{ADDED}_{i}") not in names)
    added = keras.layers.Dense(len(biases), dtype="float32", name=free)
    scaled = added(below)
    added.set_weights([(kernel / temperature).astype(np.float32), biases.astype(np.float32)])
    return _end(film, keras.layers.Activation("linear", dtype="float32", name="logits")(scaled), flat.name)


def _has_own_head(flat: keras.Model) -> bool:
    """Whether `change_logits` can do it: a linear dense layer with biases gives the logits, or the one logit of `add_halves`."""
    halved = {ONE_LOGIT, *HALVES} <= {layer.name for layer in flat.layers}
    last = flat.get_layer(ONE_LOGIT if halved else "logits")
    return isinstance(last, keras.layers.Dense) and last.use_bias and last.activation is keras.activations.linear


def _compose(last: keras.layers.Rescaling, temperature: float, biases: NDArray[np.float64]) -> Any:
    """(N, K) logits by one rescaling in place of the last one and the scaling above it."""
    scale, offset = np.asarray(last.scale, np.float64) / temperature, np.asarray(last.offset, np.float64) / temperature + biases
    return keras.layers.Rescaling(scale.tolist(), offset.tolist(), dtype="float32", name="logits")(last.input)


def _raw_logits(flat: keras.Model) -> tuple[Any, Any]:
    """The film and what is to be scaled: logits (N, K), or below a sigmoid the log odds (N, 1) of the second class.

    A layer `logits` that computes something keeps doing so, under another name.
    """
    if "log_odds" in {layer.name for layer in flat.layers}:
        return flat.input, flat.get_layer("log_odds").input
    last = flat.get_layer("logits")
    if isinstance(last, keras.layers.Activation) and last.activation is keras.activations.linear:
        return flat.input, last.input
    rebuilt, film = Rebuilt(float32=False), keras.Input(flat.input_shape[1:], name=flat.input.name)
    rebuilt.reserve(("logits", "probabilities"))
    return film, rebuilt.replay(keras.Model(flat.input, last.output), film)


def _end(film: Any, logits: Any, name: str) -> keras.Model:
    return keras.Model(film, keras.layers.Activation("softmax", dtype="float32", name="probabilities")(logits), name=name)
