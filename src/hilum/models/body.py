"""The part of a classifier between the film and the pooling: scaling, the backbone's layers, and their names."""

import re
from typing import Any

import keras
from keras.src.utils.naming import to_snake_case  # by which Keras numbers layers in a process

from hilum.models.backbones import Backbone, Options, Scale, application, find_backbone
from hilum.models.flatten import Rebuilt

ENTRY = ("grey", "scale", "three_channels")


def network(row: Backbone, **arguments: Any) -> keras.Model:
    """The backbone without top as its own function builds it; arguments: those of keras.applications."""
    whole: keras.Model = application(row)(include_top=False, **arguments, **row.options)
    return whole


def plain_network(name: str, options: Options | None, size: int) -> keras.Model:
    """The backbone on films (size, size, C) with random weights, its layers named as in a classifier.

    Raises:
        ValueError: no such backbone, options that do not fit it, or films that are too small for it.
    """
    row = find_backbone(name, options)
    check_size(name, row, size)
    made = network(row, input_shape=(size, size, row.channels), weights=None)
    _name_layers(made, row)
    return made


def check_size(name: str, row: Backbone, size: int) -> None:
    """Raises ValueError for films that are too small for a backbone, or are not cut into whole patches."""
    if size < row.smallest:
        raise ValueError(
            f"films for the backbone {name} must have a side of {row.smallest} px or more, got {size}; raise prepare.size, or "
            "choose another backbone"
        )
    if size % row.multiple:
        below = size // row.multiple * row.multiple
        raise ValueError(
            f"films for the backbone {name} must have a side of a multiple of {row.multiple} px, its patches, got {size}; set "
            f"prepare.size to {below} or {below + row.multiple}"
        )


def attach(grey: Any, name: str, options: Options | None, weights: list[Any] | None) -> Any:
    """Put a backbone on films (N, H, W, 1) of grey levels 0-255; returns its features (N, h, w, C).

    weights: as from `get_weights` of its network; None for random ones.
    """
    row = find_backbone(name, options)
    size = int(grey.shape[1])
    check_size(name, row, size)
    if row.names == "place":  # on the scaled film at once, as models saved earlier were built
        body = network(row, input_tensor=_scale(grey, *row.scaling), weights=None)
        _name_by_place(body)
        if weights is not None:
            body.set_weights(weights)
        return body.output
    made = plain_network(name, options, size)
    if weights is not None:
        made.set_weights(weights)
    return _Replayed(float32=False).replay(made, _scale(grey, *row.scaling, row.channels))


def leaves(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers of a model and of those inside it, in graph order."""
    found = []
    for layer in model.layers:
        found += leaves(layer) if isinstance(layer, keras.Model) else [layer]
    return found


class _Replayed(Rebuilt):
    """A flat copy of a network: a bare sum of two tensors becomes a layer, so that it can be cut at, and dropout is left out.

    Activations of frozen parts are computed once, in inference mode; with dropout inside, training through them would differ.
    """

    def call(self, operation: Any, *tensors: Any, **options: Any) -> Any:
        if isinstance(operation, keras.layers.Dropout):
            return tensors[0]
        if _is_sum(operation):
            return keras.layers.Add(name=self.own_name(operation.name))(list(tensors))
        return super().call(operation, *tensors, **options)


def _is_sum(operation: Any) -> bool:
    bare = not isinstance(operation, keras.layers.Layer) and type(operation).__name__ == "Add"
    return bare and len(keras.tree.flatten(operation.input)) == 2


def _scale(grey: Any, factor: Scale, offset: Scale, channels: int = 3) -> Any:
    """A film (N, H, W, 1) as the channels (N, H, W, C) that a backbone's weights take."""
    if isinstance(factor, tuple) or isinstance(offset, tuple):  # one per channel, so there must be three to scale
        numbers = [list(value) if isinstance(value, tuple) else value for value in (factor, offset)]
        colour = keras.layers.Concatenate(name="three_channels")([grey, grey, grey])
        return keras.layers.Rescaling(*numbers, name="scale")(colour)
    scaled = keras.layers.Rescaling(factor, offset, name="scale")(grey)
    if channels == 1:
        return scaled
    return keras.layers.Concatenate(name="three_channels")([scaled, scaled, scaled])


def _name_layers(made: keras.Model, row: Backbone) -> None:
    if row.names == "place":
        _name_by_place(made)
    elif row.names == "order":
        _name_by_order(made)


def _name_by_place(body: keras.Model) -> None:
    """Name the layers that Keras numbers per process (ResNet's shortcuts) after the layer that reads them."""
    for layer in body.layers:
        if layer.name.replace("_", "").startswith(type(layer).__name__.lower()):
            layer.name = f"{layer._outbound_nodes[0].operation.name}_{type(layer).__name__.lower()}"


def _name_by_order(body: keras.Model) -> None:
    """Number the layers that Keras numbers per process by their order in this network, as a fresh process would.

    A bare operation is named after the one whose output it reads last: names of operations are in the model's configuration.
    """
    numbered: dict[str, list[tuple[int, keras.layers.Layer]]] = {}
    for layer in body.layers:
        kind = to_snake_case(type(layer).__name__)
        if found := re.fullmatch(rf"{kind}(?:_(\d+))?", layer.name):
            numbered.setdefault(kind, []).append((int(found[1] or 0), layer))
    for kind, layers in numbered.items():
        for i, (_, layer) in enumerate(sorted(layers, key=lambda pair: pair[0])):
            layer.name = f"{kind}_{i}" if i else kind
    for operation in body.operations:
        if not isinstance(operation, keras.layers.Layer):
            below = keras.tree.flatten(operation.input)[-1]._keras_history.operation
            operation.name = f"{below.name}_{to_snake_case(type(operation).__name__)}"
