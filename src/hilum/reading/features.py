"""What a model sees of a film, as one vector: the channels of a layer in the middle of its depth, averaged over its cells.

The middle was chosen by measurement (`benchmarks/unlike_films.py`): the last layers of a small trained network no longer tell a
photograph from a film.
"""

from collections.abc import Callable

import keras
import numpy as np
from numpy.typing import NDArray

from hilum.models.classifier import legal_cuts
from hilum.models.flatten import flatten
from hilum.models.forward import compile_forward
from hilum.records import Images

Features = Callable[[Images], NDArray[np.float32]]  # (N, H, W, 1) grey levels 0-255 -> (N, F)


def make_features(model: keras.Model) -> Features:
    """The function from films to features of a classifier of any kind that `flatten` takes.

    Raises:
        ValueError: no layer that every path crosses has cells or tokens.
    """
    flat = flatten(model)
    middle = flat.get_layer(middle_layer(flat)).output  # (N, h, w, F), or (N, tokens, F)
    pooled = keras.ops.mean(middle, axis=tuple(range(1, len(middle.shape) - 1)))
    return compile_forward(keras.Model(flat.input, pooled), constants=True)


def middle_layer(flat: keras.Model) -> str:
    """The layer halfway between the first with weights and the last with cells or tokens, of those that every path crosses.

    Raises:
        ValueError: there is none.
    """
    layers = [flat.get_layer(name) for name in legal_cuts(flat)]
    first = next((place for place, layer in enumerate(layers) if layer.weights), len(layers))
    celled = [layer.name for layer in layers[first:] if len(layer.output.shape) > 2]
    if not celled:
        raise ValueError(f"features need a layer with cells, which every path through the model crosses, got none in {flat.name}")
    return celled[len(celled) // 2]
