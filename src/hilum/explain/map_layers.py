"""Layers of a flat graph whose output has cells: the one that maps show, finer ones, and each step of convolutions."""

import re
from itertools import takewhile
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from hilum.models.backbones import BACKBONES
from hilum.models.cuts import legal_cuts

PATCH = 4  # px; below tokens a convolution with such a side or a larger one, and the same stride, cuts a film into patches
POOLINGS = (
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
)


def last_convolution(model: keras.Model) -> str:
    """The layer whose cells maps show: that of the backbone's row; in other models the highest legal cut with cells.

    Layers above a global pooling are ignored, because a pooling may keep its axes and be followed by convolutions. So are
    poolings, and cells that no convolution has seen but one that cuts the film into patches.

    Raises:
        ValueError: there is no such layer.
    """
    layers = [layer for layer in _spatial_layers(model) if not isinstance(layer, POOLINGS)]
    if model.name in BACKBONES:
        named = [layer for layer in layers if re.fullmatch(BACKBONES[model.name].maps, layer.name)]
        if named:
            return named[-1].name
    tokens = _has_tokens(model)
    for layer in reversed(layers):
        if _sees_neighbours(layer, tokens):
            return layer.name
    raise ValueError(
        f"maps of layers must be of a layer with cells above a convolution, which every path through the model crosses, got none "
        f"in {model.name}: input, patch embedding and pooling show no finding; use methods without layers: saliency, lime, "
        "occlusion, rise"
    )


def finer_convolution(model: keras.Model) -> str:
    """The highest layer with more cells than the last convolution, where every path crosses it; the last one if there is none."""
    last = model.get_layer(last_convolution(model))
    layers, tokens = _spatial_layers(model), _has_tokens(model)
    finer = [
        layer.name
        for layer in layers[: layers.index(last)]
        if layer.output.shape[1] > last.output.shape[1]
        and not isinstance(layer, (keras.layers.ZeroPadding2D, *POOLINGS))
        and _sees_neighbours(layer, tokens)
    ]
    return finer[-1] if finer else last.name


def convolution_steps(model: keras.Model) -> list[str]:
    """For each step below the pooling, the layer with its output, in graph order; all of them are legal cuts.

    A step begins with a convolution, or where paths above one merge. The normalisation and the activation after it
    belong to it; padding, pooling and other layers that change the number of cells or channels do not.
    """
    steps: list[list[keras.layers.Layer]] = []
    for layer in _spatial_layers(model):
        if kernel_of(layer) is not None or (steps and isinstance(layer.input, list)):
            steps.append([layer])
        elif steps and layer.output.shape == steps[-1][0].output.shape:
            steps[-1].append(layer)
    return [step[-1].name for step in steps]


def kernel_of(layer: keras.layers.Layer) -> NDArray[np.float32] | None:
    """The weights (height, width, channels in, channels out) of a convolution, of a separable one its first; else None."""
    kernels = [weight for weight in layer.weights if len(weight.shape) == 4]
    return np.asarray(kernels[0], np.float32) if kernels else None


def spatial_cuts(model: keras.Model) -> list[str]:
    """The names of the layers below the pooling whose output has cells and is crossed by every path, in graph order."""
    return [layer.name for layer in _spatial_layers(model)]


def _spatial_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers below the pooling whose output has cells and cuts the graph, in graph order."""
    pools = (keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D)
    below = takewhile(lambda layer: not isinstance(layer, pools), (model.get_layer(name) for name in legal_cuts(model)))
    return [layer for layer in below if len(layer.output.shape) == 4]


def _has_tokens(model: keras.Model) -> bool:
    """Whether cells become a sequence somewhere, as they do below attention."""
    return any(len(layer.output.shape) == 3 for layer in model.layers if not isinstance(layer.output, list))


def _sees_neighbours(layer: keras.layers.Layer, tokens: bool) -> bool:
    """Whether there is a convolution at or below a layer, or an attention; one that cuts a film into tokens does not count."""
    todo: list[Any] = [layer]
    seen: set[int] = set()
    while todo:
        operation = todo.pop()
        if id(operation) in seen:
            continue
        seen.add(id(operation))
        if isinstance(operation, keras.layers.MultiHeadAttention):
            return True
        convolves = isinstance(operation, keras.layers.Layer) and kernel_of(operation) is not None
        if convolves and not (tokens and _is_patch_embedding(operation)):
            return True
        if not isinstance(operation, keras.layers.InputLayer):
            todo += [tensor._keras_history.operation for tensor in keras.tree.flatten(operation.input)]
    return False


def _is_patch_embedding(layer: keras.layers.Layer) -> bool:
    sides, strides = getattr(layer, "kernel_size", None), getattr(layer, "strides", None)
    return sides is not None and sides == strides and min(sides) >= PATCH
