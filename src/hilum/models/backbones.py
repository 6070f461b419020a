"""The backbones one can name in params.yaml: how to build each, how it wants its grey levels, and where its blocks begin."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Backbone:
    """One row of the registry.

    application: name in keras.applications; options: its further arguments.
    scaling: (factor, offset) that turns grey levels 0-255 into what the weights were trained on.
    block: pattern whose first group is the number of the block a layer belongs to; layers before the first match are block
        `stem`, those after the last one `top`.
    blocks: their names from the input upwards, so that params.yaml can be checked without building a graph.
    """

    application: str
    options: dict[str, Any]
    scaling: tuple[float, float]
    block: str
    blocks: tuple[str, ...]


SYMMETRIC = (1 / 127.5, -1.0)  # 0-255 -> -1..1

_MOBILENET = r"conv_(?:pad|dw|pw)_(\d+)(?:_|$)"
_THIRTEEN = ("stem", *(f"block_{i}" for i in range(1, 14)))
_RESNET50 = tuple(f"conv{stage}_block{i}" for stage, count in ((2, 3), (3, 4), (4, 6), (5, 3)) for i in range(1, count + 1))

BACKBONES: dict[str, Backbone] = {
    "mobilenet_025": Backbone("MobileNet", {"alpha": 0.25}, SYMMETRIC, _MOBILENET, _THIRTEEN),
    "mobilenet": Backbone("MobileNet", {"alpha": 1.0}, SYMMETRIC, _MOBILENET, _THIRTEEN),
    "mobilenetv2": Backbone(
        "MobileNetV2", {"alpha": 1.0}, SYMMETRIC, r"block_(\d+)_", ("stem", *(f"block_{i}" for i in range(1, 17)), "top")
    ),
    "resnet50v2": Backbone("ResNet50V2", {}, SYMMETRIC, r"(conv\d+_block\d+)_", ("stem", *_RESNET50, "top")),
}


def find_backbone(name: str) -> Backbone:
    """The registry's row of that name. Raises ValueError naming the legal ones."""
    if name not in BACKBONES:
        raise ValueError(f"a backbone must be one of {', '.join(BACKBONES)}, got {name!r}; correct it in params.yaml under arms")
    return BACKBONES[name]


def application(name: str) -> Callable[..., Any]:
    """The function of keras.applications that builds the backbone."""
    import keras

    return getattr(keras.applications, find_backbone(name).application)


def blocks_of(name: str, layers: list[str]) -> dict[str, list[str]]:
    """Group the backbone's layer names, given in graph order, into blocks from the input upwards.

    Returns block name -> layer names; names are `stem`, `block_<n>` or what the architecture calls them, and `top`.
    """
    pattern = re.compile(find_backbone(name).block)
    found = [pattern.match(layer) for layer in layers]
    numbered = [i for i, match in enumerate(found) if match]
    blocks: dict[str, list[str]] = {}
    for i, (layer, match) in enumerate(zip(layers, found, strict=True)):
        if match:
            block = f"block_{match[1]}" if match[1].isdigit() else match[1]
        else:
            block = "top" if numbered and i > numbered[0] and i > numbered[-1] else "stem"
        blocks.setdefault(block, []).append(layer)
    return blocks
