"""The weights that a backbone starts with: ImageNet's, or those of a file that `save_backbone` or Keras wrote."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from keras.src.utils.naming import to_snake_case
from numpy.typing import NDArray

from hilum.models.backbones import Backbone, Options, find_backbone
from hilum.models.body import leaves, network, plain_network


def initial_weights(backbone: str, options: Options | None, size: int, weights: str) -> list[NDArray[np.float32]]:
    """A backbone's weights, as its network's `get_weights` orders them.

    weights: `imagenet`, `preset` (of a network that has its own) or the path of a file without top. size: of the films, px.

    Raises:
        ValueError: they are missing, cannot be fetched, or do not fit; the message names the first layer that does not.
    """
    inside = weights in ("imagenet", "preset")
    if not inside and not Path(weights).is_file():
        raise ValueError(f"weights must be pretrained, imagenet, preset, none or a file, got {weights!r}, which does not exist")
    written = 0 if inside else Path(weights).stat().st_mtime_ns
    chosen = tuple((key, tuple(value) if isinstance(value, list) else value) for key, value in sorted((options or {}).items()))
    return _read(backbone, chosen, size, weights, written)


@lru_cache(maxsize=1)  # every trial of a search builds the same network
def _read(
    backbone: str, options: tuple[tuple[str, Any], ...], size: int, weights: str, written: int
) -> list[NDArray[np.float32]]:
    """written: time of the file, because a replaced file must be read again."""
    row = find_backbone(backbone, dict(options) or None)
    if weights == "imagenet":
        return _imagenet(backbone, row, size)
    if weights == "preset":
        if not row.preset:
            raise ValueError(
                f"weights preset are those of a network that has its own, hub:<preset> or a file, got {backbone}; choose others"
            )
        return network(row, input_shape=(size, size, row.channels), weights="preset").get_weights()
    whole = plain_network(backbone, dict(options) or None, size)
    try:
        whole.load_weights(weights)
    except Exception as error:  # whatever Keras and h5py raise on a file: there is no list
        reason = _first_misfit(whole, Path(weights)) or str(error).splitlines()[0]
        raise ValueError(f"weights must be a file of {backbone} without top, got {weights}: {reason}") from error
    return whole.get_weights()


def _imagenet(backbone: str, row: Backbone, size: int) -> list[NDArray[np.float32]]:
    if not row.published:
        raise ValueError(f"there are no ImageNet weights of {backbone}, got weights imagenet; choose none, pretrained or a file")
    if row.imagenet is not None:  # its message already names the package
        return network(row, input_shape=(size, size, 3), weights=row.imagenet).get_weights()
    try:  # weights do not depend on the input size; those of MobileNets are published for 224 px and refuse odd sizes
        return network(row, input_shape=(224, 224, 3), weights="imagenet").get_weights()
    except Exception as error:  # Keras raises a plain Exception where it cannot reach the address
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"ImageNet weights of {backbone} are downloaded by Keras, which failed: {reason}; without a network download the "
            "file without top (no_top) elsewhere and write its path as the arm's weights, or choose pretrained or none"
        ) from error


def save_backbone(model: keras.Model, path: Path, options: Options | None = None) -> None:
    """Write the backbone's weights alone, to be named as `weights` of an arm of the same backbone and options."""
    whole = plain_network(model.name, options, int(model.input_shape[1]))
    for layer in leaves(whole):
        if layer.weights:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    whole.save_weights(path)


def _first_misfit(model: keras.Model, path: Path) -> str:
    """What is wrong with the first layer whose weights differ from those of a file; empty where the file cannot be compared."""
    try:
        with h5py.File(path) as stored:
            return _compare_in_order(model, stored) if "layer_names" in stored.attrs else _compare(model.layers, stored, "layers")
    except (OSError, KeyError):
        return ""


def _compare(layers: list[keras.layers.Layer], stored: h5py.File, place: str) -> str:
    """A file of Keras 3: a group per layer, named by its class and numbered."""
    used: dict[str, int] = {}
    for layer in layers:
        kind = to_snake_case(type(layer).__name__)
        number = used[kind] = used.get(kind, -1) + 1
        group = f"{place}/{kind}_{number}" if number else f"{place}/{kind}"
        if isinstance(layer, keras.Model):
            if fault := _compare(layer.layers, stored, f"{group}/layers"):
                return fault
            continue
        held = stored.get(f"{group}/vars", {})
        if fault := _differ(layer, [tuple(held[key].shape) for key in sorted(held, key=int)]):
            return fault
    return ""


def _compare_in_order(model: keras.Model, stored: h5py.File) -> str:
    """An older file: layers with weights in the order of the network, nested ones with those inside them."""
    groups = [stored[name] for name in stored.attrs["layer_names"]]
    held = [[tuple(group[name].shape) for name in group.attrs["weight_names"]] for group in groups]
    held = [shapes for shapes in held if shapes]
    wanted = [layer for layer in model.layers if layer.weights]
    for layer, shapes in zip(wanted, held, strict=False):
        if fault := _differ(layer, shapes):
            return fault
    if len(wanted) > len(held):
        return f"layer {wanted[len(held)].name} is not in the file"
    return f"the file has {len(held)} layers with weights, the network {len(wanted)}" if len(held) > len(wanted) else ""


def _differ(layer: keras.layers.Layer, held: list[tuple[int, ...]]) -> str:
    needed = [tuple(weight.shape) for weight in layer.weights]
    if needed == held:
        return ""
    return f"layer {layer.name} takes weights {_tell(needed)}, and the file has {_tell(held)}"


def _tell(shapes: list[tuple[int, ...]]) -> str:
    return ", ".join(map(str, shapes)) or "none"
