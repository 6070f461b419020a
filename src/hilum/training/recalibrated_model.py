"""A scaling of logits folded into a classifier, hilum's own or any that `flatten` takes."""

from itertools import count

import keras
import numpy as np
from numpy.typing import NDArray

from hilum.models.flatten import flatten
from hilum.models.head import ONE_LOGIT, change_logits

ADDED = "recalibration"  # the layer that is added where the output layer is not hilum's own


def fold_scaling(model: keras.Model, temperature: float, biases: NDArray[np.float64]) -> keras.Model:
    """The classifier with probabilities softmax(logits / temperature + biases); biases: (K,).

    In a head of hilum's own the weights of the output layer are changed in place; elsewhere a layer is added between logits
    and softmax, and all other layers share their weights with the given model.
    """
    flat = flatten(model)
    names = {layer.name for layer in flat.layers}
    if ONE_LOGIT in names or isinstance(flat.get_layer("logits"), keras.layers.Dense):
        change_logits(flat, temperature, biases)
        return flat
    one = "log_odds" in names  # below a sigmoid: one logit z of the second class against the first
    below = flat.get_layer("log_odds").input if one else flat.get_layer("logits").input
    kernel = np.array([[-0.5, 0.5]]) if one else np.eye(len(biases))
    free = next(name for i in count(1) if (name := ADDED if i == 1 else f"{ADDED}_{i}") not in names)
    added = keras.layers.Dense(len(biases), dtype="float32", name=free)
    scaled = added(below)
    added.set_weights([(kernel / temperature).astype(np.float32), biases.astype(np.float32)])
    logits = keras.layers.Activation("linear", dtype="float32", name="logits")(scaled)
    probabilities = keras.layers.Activation("softmax", dtype="float32", name="probabilities")(logits)
    return keras.Model(flat.input, probabilities, name=flat.name)
