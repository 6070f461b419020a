"""A classifier as one flat graph: grey levels 0-255 in, probabilities out, the backbone's scaling inside."""

import hashlib
import json
import tempfile
import zipfile
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from hilum.models.backbones import Scale, application, blocks_of, find_backbone
from hilum.models.declared_size import refuse_description

HEAD = ("pool", "dropout", "logits", "probabilities")
ENTRY = ("grey", "scale", "three_channels")
MOMENTUM = 0.9  # of trained batch norm: MobileNetV2's own 0.999 leaves the moving statistics near their start in few steps


def build_classifier(
    backbone: str,
    size: int,
    classes: int,
    weights: str | Path | None,
    dropout: float,
    weight_decay: float,
    log_prior: NDArray[np.float64],
    seed: int,
) -> keras.Model:
    """Build a flat graph (size, size, 1) -> (classes,) whose untrained head predicts the prior.

    weights: None for random ones, "imagenet" (Keras downloads them, or a package has them: see the backbone's row) or the
        path of a file without top.
    log_prior: (classes,) natural logarithm of the class frequencies, in class order.

    Raises:
        ValueError: the backbone is unknown, log_prior has another length than classes, or the weights are missing or do not fit.
    """
    if log_prior.shape != (classes,):
        raise ValueError(f"log_prior must hold one value per class, got shape {log_prior.shape} for {classes} classes")
    row = find_backbone(backbone)
    keras.utils.set_random_seed(seed)
    grey = keras.Input((size, size, 1), name="grey")  # (N, H, W, 1) grey levels 0-255
    body = application(backbone)(input_tensor=_scale(grey, *row.scaling), include_top=False, weights=None, **row.options)
    _name_by_place(body)
    if weights is not None:
        body.set_weights(_backbone_weights(backbone, size, str(weights)))
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(body.output)
    kept = keras.layers.Dropout(dropout, seed=seed, name="dropout")(pooled)
    logits = keras.layers.Dense(
        classes,
        kernel_initializer=keras.initializers.RandomNormal(stddev=1e-3, seed=seed),
        bias_initializer=keras.initializers.Constant(log_prior.tolist()),
        kernel_regularizer=keras.regularizers.L2(weight_decay) if weight_decay else None,
        name="logits",
    )(kept)
    probabilities = keras.layers.Activation("softmax", dtype="float32", name="probabilities")(logits)
    return keras.Model(grey, probabilities, name=backbone)


def _scale(grey: Any, factor: Scale, offset: Scale) -> Any:
    """A film (N, H, W, 1) as the three channels (N, H, W, 3) that a backbone's weights take."""
    if isinstance(factor, tuple) or isinstance(offset, tuple):  # one per channel, so there must be three to scale
        numbers = [list(value) if isinstance(value, tuple) else value for value in (factor, offset)]
        colour = keras.layers.Concatenate(name="three_channels")([grey, grey, grey])
        return keras.layers.Rescaling(*numbers, name="scale")(colour)
    scaled = keras.layers.Rescaling(factor, offset, name="scale")(grey)
    return keras.layers.Concatenate(name="three_channels")([scaled, scaled, scaled])


def _name_by_place(body: keras.Model) -> None:
    """Name the layers that Keras numbers per process (ResNet's shortcuts) after the layer that reads them."""
    for layer in body.layers:
        if layer.name.replace("_", "").startswith(type(layer).__name__.lower()):
            layer.name = f"{layer._outbound_nodes[0].operation.name}_{type(layer).__name__.lower()}"


def _backbone_weights(backbone: str, size: int, weights: str) -> list[NDArray[np.float32]]:
    if weights != "imagenet" and not Path(weights).is_file():
        raise ValueError(f"weights must be pretrained, imagenet, none or a file, got {weights!r}, which does not exist")
    return _read_weights(backbone, size, weights, 0 if weights == "imagenet" else Path(weights).stat().st_mtime_ns)


@lru_cache(maxsize=1)  # every trial of a search builds the same network
def _read_weights(backbone: str, size: int, weights: str, written: int) -> list[NDArray[np.float32]]:
    """written: time of the file, because a replaced file must be read again."""
    row = find_backbone(backbone)
    if weights == "imagenet" and row.imagenet is not None:  # its message already names the package
        shape = (size, size, 3)
        return application(backbone)(input_shape=shape, include_top=False, weights=row.imagenet, **row.options).get_weights()
    # Weights do not depend on the input size; ImageNet files of MobileNets are published for 224 px and refuse odd sizes.
    side = 224 if weights == "imagenet" else size
    try:
        whole = application(backbone)(input_shape=(side, side, 3), include_top=False, weights=weights, **row.options)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"weights must be a file of {backbone} without top, got {weights}: {reason}") from error
    return whole.get_weights()


def backbone_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers between the scaling and the pooling, in graph order."""
    return [layer for layer in model.layers if layer.name not in (*ENTRY, *HEAD)]


def backbone_blocks(model: keras.Model) -> dict[str, list[str]]:
    """Block name -> layer names, from the input upwards."""
    return blocks_of(model.name, [layer.name for layer in backbone_layers(model)])


def unfreeze(model: keras.Model, extent: str | int, batch_norm: str) -> list[str]:
    """Make the head and the upper part of the backbone trainable, all else frozen; returns the names of trainable layers.

    extent: `head`, `all`, the name of the lowest block to train, or how many blocks from the top.
    batch_norm: `frozen` (inference mode everywhere) or `train` (in unfrozen blocks).

    Raises:
        ValueError: no such block, or more blocks than there are.
    """
    blocks = backbone_blocks(model)
    names = list(blocks)
    if extent == "head":
        lowest = len(names)
    elif extent == "all":
        lowest = 0
    elif isinstance(extent, int) and 1 <= extent <= len(names):
        lowest = len(names) - extent
    elif extent in names:
        lowest = names.index(str(extent))
    else:
        raise ValueError(f"unfreeze must be head, all, 1 to {len(names)} or one of {', '.join(names)}, got {extent!r}")
    chosen = {layer for name in names[lowest:] for layer in blocks[name]} | {"logits"}
    for layer in model.layers:
        is_norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = layer.name in chosen and not (is_norm and batch_norm == "frozen")
        if is_norm and batch_norm == "train":
            layer.momentum = MOMENTUM
    return [layer.name for layer in model.layers if layer.trainable and layer.weights]


def legal_cuts(model: keras.Model) -> list[str]:
    """Names of the layers whose output every path from the input to the output crosses, in graph order."""
    operations = model.operations  # layers, and bare operations such as x / 255
    position = {operation.name: i for i, operation in enumerate(operations)}
    reach = list(range(len(operations)))  # the highest operation that reads operation i
    for i, operation in enumerate(operations):
        inputs = [] if isinstance(operation, keras.layers.InputLayer) else keras.tree.flatten(operation.input)
        for tensor in inputs:
            below = position[tensor._keras_history.operation.name]
            reach[below] = max(reach[below], i)
    cuts, highest = [], 0
    for i, operation in enumerate(operations):
        if highest <= i and isinstance(operation, keras.layers.Layer):
            cuts.append(operation.name)
        highest = max(highest, reach[i])
    return cuts


def frozen_cut(model: keras.Model) -> str | None:
    """The highest legal cut with nothing trainable below it; None if no frozen weights are below it either."""
    position = {layer.name: i for i, layer in enumerate(model.layers)}
    lowest = min(position[layer.name] for layer in model.layers if layer.trainable and layer.weights)
    # Dropout acts in training only, so what lies above it cannot be cached.
    lowest = min(lowest, position["dropout"])
    highest = [name for name in legal_cuts(model) if position[name] < lowest][-1]
    # Without weights below it there is no work to save: ResNet pads before its first convolution.
    return highest if any(layer.weights for layer in model.layers[: position[highest] + 1]) else None


def cut(model: keras.Model, name: str) -> tuple[keras.Model, keras.Model]:
    """Cut a flat graph at a layer's output into a prefix and a tail that share its layers: tail(prefix(x)) equals model(x).

    Raises:
        ValueError: paths go around that layer; the message lists the legal ones.
    """
    if name not in legal_cuts(model):
        raise ValueError(f"a cut must be crossed by every path, got {name!r}; use one of {', '.join(legal_cuts(model))}")
    tensor = model.get_layer(name).output
    return keras.Model(model.input, tensor, name="prefix"), keras.Model(tensor, model.output, name="tail")


def last_convolution(model: keras.Model) -> str:
    """The layer whose maps the pooling averages: the highest output of rank 4 that is a legal cut.

    Layers above a global pooling are ignored, because a pooling may keep its axes and be followed by convolutions.
    """
    return _spatial_layers(model)[-1].name


def finer_convolution(model: keras.Model) -> str:
    """The highest layer with more cells than the last convolution, where every path crosses it; the last one if there is none."""
    *below, last = _spatial_layers(model)
    finer = [
        layer.name
        for layer in below
        if layer.output.shape[1] > last.output.shape[1] and not isinstance(layer, keras.layers.ZeroPadding2D)
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


def model_sha256(model: keras.Model) -> str:
    """Hash of graph and weights: the same after saving, loading and in another process."""
    digest = hashlib.sha256(json.dumps(_timeless(model.get_config()), sort_keys=True).encode())
    for i, weight in enumerate(model.get_weights()):
        digest.update(f"{i} {weight.dtype} {weight.shape} ".encode() + np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def save_classifier(model: keras.Model, path: Path) -> None:
    """Write a `.keras` file without optimizer; equal weights and graph give equal bytes (Keras' own has dates and ids)."""
    raw = path.with_suffix(".raw.keras")
    keras.Model(model.input, model.output, name=model.name).save(raw)
    with zipfile.ZipFile(raw) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as new:
        for name in sorted(old.namelist()):
            content = old.read(name)
            if name.endswith(".json"):
                content = json.dumps(_timeless(json.loads(content)), sort_keys=True).encode()
            new.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
    raw.unlink()


def _timeless(node: Any) -> Any:
    """A configuration without dates, memory addresses and the `trainable` flags."""
    if isinstance(node, list):
        return [_timeless(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _timeless(value) for key, value in node.items() if key != "shared_object_id"}
    return kept | {key: fixed for key, fixed in (("date_saved", ""), ("trainable", True)) if key in kept}


def load_classifier(path: Path) -> keras.Model:
    """Read a `.keras` file, its ending in any case; Keras' safe mode stays on, so that no code of the file is run.

    Raises:
        ValueError: it does not exist, or Keras cannot read it.
    """
    if not path.is_file():
        raise ValueError(f"a model must be a .keras file, got {path}, which does not exist; run `dvc repro` to train one")
    with tempfile.TemporaryDirectory() as temporary:
        named = path
        if path.suffix != ".keras":  # by which Keras recognises the format
            named = Path(temporary) / "model.keras"
            named.symlink_to(path.resolve())
        try:
            return keras.saving.load_model(named, compile=False, safe_mode=True)
        except Exception as fault:  # whatever Keras raises on a file: there is no list
            raise ValueError(refuse_description(path, fault)) from fault


def save_backbone(model: keras.Model, path: Path) -> None:
    """Write the backbone's weights alone, to be named as `weights` of an arm of the same backbone."""
    whole = application(model.name)(
        input_shape=(*model.input_shape[1:3], 3), include_top=False, weights=None, **find_backbone(model.name).options
    )
    whole.set_weights([weight for layer in backbone_layers(model) for weight in layer.get_weights()])
    whole.save_weights(path)
