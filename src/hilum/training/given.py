"""A user's finished model as a classifier of hilum's form: films of the task in, probabilities of its classes out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from hilum.models.classifier import load_classifier
from hilum.models.flatten import check_graph, flatten
from hilum.models.head import ONE_LOGIT, add_halves
from hilum.settings.training import GivenArm

Scaling = tuple[float, float]  # factor and offset on grey levels 0-255


def build_given(
    model: keras.Model,
    size: int,
    classes: Sequence[str],
    order: Sequence[str],
    scaling: Scaling | None = None,
    side: int | None = None,
    adjustable: bool = False,
) -> keras.Model:
    """A flat graph (size, size, 1) -> (K,) that predicts as the model does, its weights shared, with a head like `add_head`'s.

    Films are resized inside the graph (bilinear, smoothed when they shrink) where the model takes others.
    classes: of the model's outputs; of one sigmoid, the class that it is for second. order: the same classes as the task has
    them. scaling: what the model takes instead of grey levels 0-255. side: pixels, of a model without a fixed input size.
    adjustable: `change_logits` must work, so a layer of weights is added where the model ends in none.

    Raises:
        ValueError: the model is no classifier of one square film, `side` or the number of classes does not fit it.
    """
    own = _fix_side(model, side)
    _check_classes(own, classes)
    side, channels = own.input_shape[1], own.input_shape[3]
    film = keras.Input((size, size, channels))
    tensor = film if side == size else keras.layers.Resizing(side, side, antialias=side < size, name="resized")(film)
    if scaling:
        tensor = keras.layers.Rescaling(*scaling, name="scaled")(tensor)
    flat = flatten(keras.Model(film, own(tensor, training=False), name=own.name))
    places = [list(classes).index(name) for name in order]
    if any(layer.name == "log_odds" for layer in flat.layers):
        logits = _two_logits(flat.get_layer("log_odds").input, 1 if places == [0, 1] else -1, adjustable)
    else:
        logits = _ordered_logits(flat.get_layer("logits").input, places, adjustable)
    return keras.Model(
        flat.input, keras.layers.Activation("softmax", dtype="float32", name="probabilities")(logits), name=own.name
    )


def load_given(path: Path, arm: GivenArm, order: Sequence[str], size: int) -> keras.Model:
    """The model of a given arm's file, as `build_given` makes it.

    path: of a file within the limits of `check`, which this does not repeat. order: the task's classes; size: of its films.
    Raises: ValueError as `load_classifier` and `build_given`.
    """
    scaling = (arm.scaling[0], arm.scaling[1]) if arm.scaling else None
    adjustable = arm.calibration not in (None, "none")
    return build_given(load_classifier(path), size, arm.classes, order, scaling, arm.size, adjustable)


def _fix_side(model: keras.Model, side: int | None) -> keras.Model:
    """The model with a fixed square input. Raises ValueError: it has another one, or none that `side` could fix."""
    shape = tuple(model.input_shape[1:]) if model.built and len(getattr(model, "inputs", [])) == 1 else ()
    if len(shape) == 3 and shape[:2] == (None, None):
        if side is None:
            raise ValueError(f"size must say how large the model's films are, as its input has no fixed size, {shape}, got none")
        film = keras.Input((side, side, shape[2]))
        model = keras.Model(film, model(film, training=False), name=model.name)
    check_graph(model)
    height, width = model.input_shape[1:3]
    if height != width:
        raise ValueError(
            f"a given model must take square films, as `prepare` makes them, got {height} x {width} pixels; end a square "
            "input in it by keras.layers.Resizing"
        )
    if side is not None and side != height:
        raise ValueError(f"size must be that of the model's films, {height}, got {side}; correct it, or leave it out")
    return model


def _check_classes(model: keras.Model, classes: Sequence[str]) -> None:
    outputs = model.output_shape[-1]
    if len(classes) != max(outputs, 2):  # one sigmoid is for two
        raise ValueError(
            f"classes must name {max(outputs, 2)} classes, as the model has {outputs} output{'s' * (outputs > 1)}, got "
            f"{', '.join(classes)}; a given model must have been trained for the classes of the task"
        )


def _ordered_logits(below: Any, places: list[int], adjustable: bool) -> Any:
    """The layer `logits` in the task's order, from the model's own last dense layer where it has one. below: (N, K)."""
    last = below._keras_history.operation
    if _is_linear(last):
        kernel, bias = _weights_of(last)
        return _dense(last.input, kernel[:, places], bias[places], "logits")
    if adjustable or places != sorted(places):
        return _dense(below, np.eye(len(places))[:, places], np.zeros(len(places)), "logits")
    return keras.layers.Activation("linear", dtype="float32", name="logits")(below)


def _two_logits(below: Any, sign: int, adjustable: bool) -> Any:
    """The layer `logits` of a model with one sigmoid, as that of `add_head`. below: (N, 1); sign: -1 if it is for the first."""
    last = below._keras_history.operation
    if _is_linear(last):
        kernel, bias = _weights_of(last)
        return add_halves(_dense(last.input, sign * kernel, sign * bias, ONE_LOGIT))
    if adjustable or sign < 0:
        return add_halves(_dense(below, np.full((1, 1), sign), np.zeros(1), ONE_LOGIT))
    return add_halves(below)


def _is_linear(operation: Any) -> bool:
    return type(operation) is keras.layers.Dense and operation.activation is keras.activations.linear


def _weights_of(dense: keras.layers.Dense) -> tuple[Any, Any]:
    kernel = keras.ops.convert_to_numpy(dense.kernel)
    return kernel, keras.ops.convert_to_numpy(dense.bias) if dense.use_bias else np.zeros(kernel.shape[1], np.float32)


def _dense(below: Any, kernel: Any, bias: Any, name: str) -> Any:
    layer = keras.layers.Dense(len(bias), dtype="float32", name=name)
    found = layer(below)
    layer.set_weights([kernel.astype(np.float32), bias.astype(np.float32)])
    return found
