"""A classifier as one flat graph: grey levels 0-255 in, probabilities out, the backbone's scaling inside."""

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from hilum.models.backbones import Options, blocks_of, find_backbone
from hilum.models.body import ENTRY, attach
from hilum.models.cuts import legal_cuts
from hilum.models.declared_size import refuse_description
from hilum.models.head import MOMENTUM, Output, Pooling, add_head, in_head
from hilum.models.initial_weights import initial_weights
from hilum.models.own_backbone import GRAPH, is_own
from hilum.settings.training import Dense


def build_classifier(
    backbone: str,
    size: int,
    classes: int,
    weights: str | Path | None,
    dropout: float,
    weight_decay: float,
    log_prior: NDArray[np.float64],
    seed: int,
    *,
    options: Options | None = None,
    pooling: Pooling = "average",
    dense: Sequence[Dense] = (),
    output: Output = "softmax",
) -> keras.Model:
    """Build a flat graph (size, size, 1) -> (classes,) whose untrained head predicts the prior.

    weights: None for random ones, "imagenet" (Keras downloads them, or a package has them: see the backbone's row), "preset"
        (those of a preset of KerasHub, or of a user's file) or the path of a file without top.
    log_prior: (classes,) natural logarithm of the class frequencies, in class order.
    options: of the backbone, in place of those of its row; pooling, dense, output: of the head, see `head.add_head`.

    Raises:
        ValueError: the backbone is unknown or takes larger films, log_prior has another length than classes, or the weights are
            missing or do not fit.
    """
    if log_prior.shape != (classes,):
        raise ValueError(f"log_prior must hold one value per class, got shape {log_prior.shape} for {classes} classes")
    keras.utils.set_random_seed(seed)
    grey = keras.Input((size, size, 1), name="grey")  # (N, H, W, 1) grey levels 0-255
    held = None if weights is None else initial_weights(backbone, options, size, str(weights))
    if held is not None:
        keras.utils.set_random_seed(seed)
    features = attach(grey, backbone, options, held)
    probabilities = add_head(features, log_prior, dropout, weight_decay, seed, pooling, dense, output)
    return keras.Model(grey, probabilities, name=graph_name(backbone))


def graph_name(backbone: str) -> str:
    """The name of a classifier's graph: that of its backbone, or of the family of a preset, which Keras takes as a name."""
    return GRAPH if is_own(backbone) else find_backbone(backbone).graph or backbone


def backbone_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers between the scaling and the pooling, in graph order."""
    return [layer for layer in model.layers if layer.name not in ENTRY and not in_head(layer.name)]


def backbone_blocks(model: keras.Model) -> dict[str, list[str]]:
    """Block name -> layer names, from the input upwards."""
    return blocks_of(model.name, [layer.name for layer in backbone_layers(model)])


def unfreeze(model: keras.Model, extent: str | int, batch_norm: str) -> list[str]:
    """Make the head and the upper part of the backbone trainable, all else frozen; returns the names of trainable layers.

    extent: `head`, `all`, the name of the lowest block to train, or how many blocks from the top.
    batch_norm: of the backbone, `frozen` (inference mode everywhere) or `train` (in unfrozen blocks). That of the head trains.

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
    chosen = {layer for name in names[lowest:] for layer in blocks[name]}
    for layer in model.layers:
        if in_head(layer.name):
            layer.trainable = True
            continue
        is_norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = layer.name in chosen and not (is_norm and batch_norm == "frozen")
        if is_norm and batch_norm == "train":
            layer.momentum = MOMENTUM
    return [layer.name for layer in model.layers if layer.trainable and layer.weights]


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
