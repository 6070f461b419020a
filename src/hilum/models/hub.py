"""Backbones of KerasHub's presets, named `hub:<preset>` or `hub:<folder>`; the one file that imports keras_hub."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any

from hilum.workspace import home

HUB = "hub:"
CONFIG, CONVERTER = "config.json", "image_converter.json"  # files of a preset: its network, and how films are scaled for it
MADE_OF = (CONFIG, CONVERTER, "model.weights.h5")


@dataclass(frozen=True)
class Family:
    """A kind of network. graph: its name in a classifier; block, maps: as in `Backbone`; blocks, multiple: from its config.

    multiple: of what number the side of a film must be, px. flat: from the config, the shape of films and a KerasHub backbone
    (None for random weights) to the flat network; None: KerasHub's own is flat.
    """

    graph: str
    block: str
    maps: str
    blocks: Callable[[Mapping[str, Any]], tuple[str, ...]]
    multiple: Callable[[Mapping[str, Any]], int] = lambda config: 1
    flat: Callable[..., Any] | None = None


def _stacks(config: Mapping[str, Any]) -> tuple[str, ...]:
    counts = config["stackwise_num_blocks"]
    inside = (f"stack{i}_block{j}" for i, count in enumerate(counts) for j in range(count))
    return ("stem", *inside, *(("top",) if config.get("use_pre_activation") else ()))


def _numbered(config: Mapping[str, Any]) -> tuple[str, ...]:
    return ("stem", *(f"block_{i}" for i in range(1, int(config["num_layers"]) + 1)), "top")


def _dinov2(*arguments: Any) -> Any:  # imported late: it imports Keras
    from hilum.models.dinov2 import build_dinov2

    return build_dinov2(*arguments)


FAMILIES = {  # class of a preset's network -> what is known of it
    "ResNetBackbone": Family("hub_resnet", r"(stack\d+_block\d+)_", r"post_relu|stack\d+_block\d+_out", _stacks),
    "DINOV2Backbone": Family(
        "hub_dinov2", r"block_(\d+)_", "cells", _numbered, lambda config: int(config["patch_size"]), _dinov2
    ),
}


def is_hub(backbone: str) -> bool:
    """Whether the name of an arm's backbone, or of a classifier's graph, is of a preset."""
    return backbone.startswith(HUB) or backbone in {family.graph for family in FAMILIES.values()}


def describe_hub(backbone: str) -> dict[str, Any]:
    """The fields of a `Backbone` for `hub:<preset>`, or those that the name of a graph of ours tells. `scaling` may be missing.

    Raises:
        ModuleNotFoundError: KerasHub is not installed, and the preset is no folder.
        ValueError: there is no such preset, or its network is of no family here.
    """
    known = {family.graph: family for family in FAMILIES.values()}
    if backbone in known:
        family = known[backbone]
        return {"application": _refuse, "graph": family.graph, "block": family.block, "blocks": (), "maps": family.maps}
    preset = backbone.removeprefix(HUB)
    family, config = _read(preset)
    return {
        "application": partial(_build, preset),
        "graph": family.graph,
        "block": family.block,
        "blocks": family.blocks(config),
        "maps": family.maps,
        "multiple": family.multiple(config),
        "preset": preset,
        **_scaling(preset),
    }


def hash_preset(backbone: str) -> str:
    """The SHA-256 of what a preset's network is made of: its files, and the version of KerasHub."""
    digest = hashlib.sha256(f"keras-hub {metadata.version('keras-hub')}\n".encode())
    for name in MADE_OF:
        if (file := _fetch(backbone.removeprefix(HUB), name)) is not None:
            digest.update(f"{name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _refuse(**arguments: Any) -> Any:
    raise ValueError(f"a network of KerasHub must be built from its preset, got its graph's name; write {HUB}<preset>")


def _build(
    preset: str,
    input_shape: tuple[int, int, int],
    include_top: bool = False,
    weights: str | None = None,
) -> Any:
    """The network (H, W, 3) -> (h, w, C) with the signature of keras.applications; weights: `preset`, or None for random ones."""
    family, config = _read(preset)
    if family.flat is not None and weights is None:
        return family.flat(config, input_shape)
    import keras_hub

    folder = _folder(preset)
    try:
        whole = keras_hub.models.Backbone.from_preset(
            str(folder or preset), load_weights=weights is not None, image_shape=input_shape
        )
    except Exception as error:  # whatever KerasHub, Keras and the network raise: there is no list
        raise ValueError(_refuse_preset(preset, error)) from error
    return whole if family.flat is None else family.flat(config, input_shape, whole)


def _read(preset: str) -> tuple[Family, dict[str, Any]]:
    """The family of a preset's network and its configuration."""
    if (file := _fetch(preset, CONFIG)) is None:
        raise ValueError(f"a preset must hold {CONFIG}, got none in {preset}; write it by `save_to_preset` of KerasHub")
    try:
        described = json.loads(file.read_text())
        kind, config = described["class_name"], dict(described["config"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{file} must be what `save_to_preset` of KerasHub writes, got another file ({error}); load {preset} there by "
            "`keras_hub.models.Backbone.from_preset`, save it to a folder, and name that"
        ) from error
    if kind not in FAMILIES:
        raise ValueError(f"a preset must hold one of {', '.join(FAMILIES)}, got {kind} in {preset}; choose another preset")
    return FAMILIES[kind], config


def _scaling(preset: str) -> dict[str, Any]:
    """Factor and offset of grey levels 0-255 by the preset's own converter; empty where it has none."""
    if (file := _fetch(preset, CONVERTER)) is None:
        return {}
    config = json.loads(file.read_text())["config"]
    factor, offset = ((1.0 if key == "scale" else 0.0) if config.get(key) is None else config[key] for key in ("scale", "offset"))
    return {"scaling": tuple(tuple(map(float, one)) if isinstance(one, list) else float(one) for one in (factor, offset))}


def _folder(preset: str) -> Path | None:
    """The folder that a preset names, from the working folder or the project that DVC's copy belongs to; None for a name."""
    written = Path(preset).expanduser()
    for place in (written, home(Path.cwd()) / written):
        if place.is_dir():
            return place.resolve()
    if written.is_absolute() or preset.startswith((".", "~")):
        raise ValueError(f"a preset must be a name of KerasHub's or a folder, got {preset}, which does not exist")
    return None


def _fetch(preset: str, name: str) -> Path | None:
    """A file of a preset, downloaded where the preset is no folder; None if it has no such file."""
    if (folder := _folder(preset)) is not None:
        return folder / name if (folder / name).is_file() else None
    return _download(preset, name)


@lru_cache  # KerasHub asks its server each time
def _download(preset: str, name: str) -> Path | None:
    """Raises ValueError if it cannot be fetched."""
    from keras_hub.src.utils.preset_utils import get_file

    try:
        return Path(get_file(preset, name))
    except FileNotFoundError:
        return None
    except Exception as error:  # whatever the ways to download raise
        raise ValueError(_refuse_preset(preset, error)) from error


def _refuse_preset(preset: str, error: Exception) -> str:
    reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]
    return (
        f"the preset {preset} is loaded by KerasHub, which failed: {reason}; without a network save it elsewhere by "
        f"`keras_hub.models.Backbone.from_preset({preset!r}).save_to_preset('folder')`, and write `backbone: {HUB}<folder>`"
    )
