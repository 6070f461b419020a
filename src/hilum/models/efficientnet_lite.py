"""EfficientNet-Lite: inverted residual blocks with ReLU6 and without squeeze-and-excite, made for processors.

Source: github.com/tensorflow/tpu, models/official/efficientnet/lite (Apache-2.0); Tan and Le 2019, arXiv 1905.11946.
"""

import math
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from hilum.models.packaged_weights import PackagedWeights, read_packaged

STAGES = (  # expansion, side of the kernel, stride, filters, repeats
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
STEM, TOP = 32, 1280  # filters, not scaled by the width
EPSILON = 1e-3  # of batch norm
STEPS = {  # layer name here -> the convolution and the batch norm of that step in PyTorch's file
    "stem_conv": ("_conv_stem", "_bn0"),
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
    "top_conv": ("_conv_head", "_bn1"),
}


def build_efficientnet_lite(
    width: float,
    depth: float,
    input_tensor: Any = None,
    input_shape: tuple[int, int, int] | None = None,
    include_top: bool = False,
    weights: str | PackagedWeights | None = None,
    blocks: int | None = None,
) -> keras.Model:
    """Build the network without its classifier, with the signature of keras.applications: (H, W, 3) -> (h, w, 1280).

    width: factor on the filters of the stages; depth: factor on their repeats.
    weights: None for random ones, a file that `save_backbone` wrote, or the file of a package.
    blocks: the network ends with this block, from 1 to one less than there are: finer cells; None: it has all blocks and `top`.

    Raises:
        ValueError: a classifier is requested, there are no such blocks, or the weights are those of another network.
    """
    if include_top:
        raise ValueError("EfficientNet-Lite must be built without its classifier, got include_top=True; leave it out")
    image = keras.Input(input_shape) if input_tensor is None else input_tensor
    x = _step(image, _convolution(STEM, 3, 2, "stem_conv"))
    plan = _plan(width, depth)
    if blocks is not None and not 1 <= blocks < len(plan):
        raise ValueError(
            f"blocks of this EfficientNet-Lite must be from 1 to {len(plan) - 1}, got {blocks}; leave it out for all"
        )
    for number, shape in enumerate(plan[:blocks], 1):
        x = _block(x, f"block_{number}", *shape)
    if blocks is None:
        x = _step(x, _convolution(TOP, 1, 1, "top_conv"))
    body = keras.Model(keras.utils.get_source_inputs(image), x, name="efficientnet_lite")
    if isinstance(weights, PackagedWeights):
        _place(body, read_packaged(weights), blocks)
    elif weights is not None:
        body.load_weights(weights)
    return body


def _plan(width: float, depth: float) -> list[tuple[int, int, int, int]]:
    """Expansion, side of the kernel, stride and filters of each block."""
    plan = []
    for i, (expansion, kernel, stride, filters, repeats) in enumerate(STAGES):
        deep = repeats if i in (0, len(STAGES) - 1) else math.ceil(depth * repeats)
        plan += [(expansion, kernel, 1 if repeat else stride, _scaled(filters, width)) for repeat in range(deep)]
    return plan


def _scaled(filters: int, width: float) -> int:
    """The nearest multiple of 8 that is not below 90 % of it."""
    wanted = filters * width
    nearest = max(8, int(wanted + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * wanted else nearest + 8


def _convolution(filters: int, side: int, stride: int, name: str) -> keras.layers.Layer:
    return keras.layers.Conv2D(
        filters, side, stride, padding="same", use_bias=False, kernel_initializer=_initializer(), name=name
    )


def _initializer() -> keras.initializers.Initializer:
    return keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal")


def _step(x: Any, layer: keras.layers.Layer, active: bool = True) -> Any:
    """A convolution, its batch norm and, unless it projects, its ReLU6."""
    x = keras.layers.BatchNormalization(epsilon=EPSILON, name=f"{layer.name}_bn")(layer(x))
    return keras.layers.ReLU(6.0, name=f"{layer.name}_relu")(x) if active else x


def _block(x: Any, name: str, expansion: int, kernel: int, stride: int, filters: int) -> Any:
    """An inverted residual block; its input is added where stride and filters keep the shape."""
    channels = int(x.shape[-1])
    inside = _step(x, _convolution(expansion * channels, 1, 1, f"{name}_expand")) if expansion > 1 else x
    depthwise = keras.layers.DepthwiseConv2D(
        kernel, stride, padding="same", use_bias=False, depthwise_initializer=_initializer(), name=f"{name}_depthwise"
    )
    inside = _step(_step(inside, depthwise), _convolution(filters, 1, 1, f"{name}_project"), active=False)
    return keras.layers.Add(name=f"{name}_add")([inside, x]) if stride == 1 and filters == channels else inside


def _place(body: keras.Model, tensors: dict[str, NDArray[Any]], blocks: int | None) -> None:
    """Give each layer its tensors of PyTorch's file. Classifier, batch counters and what lies above `blocks` are not used."""
    given = {name for name in tensors if not name.startswith("_fc.") and not name.endswith(".num_batches_tracked")}
    if blocks is not None:
        given = {name for name in given if _block_in_file(name) < blocks}
    wanted = {layer: _names_in_file(layer) for layer in body.layers if layer.weights}
    if strange := sorted(given.symmetric_difference(name for names in wanted.values() for name in names)):
        raise ValueError(f"weights must be those of this network, got another {strange[0]}; name those of its own package")
    for layer, names in wanted.items():
        layer.set_weights([_turned(layer, tensors[name]) for name in names])


def _block_in_file(name: str) -> float:
    """The number of a tensor's block in PyTorch's file, counted from 0; below 0 in the stem, above all in the top."""
    if name.startswith("_blocks."):
        return int(name.split(".")[1])
    return -1 if name.startswith(("_conv_stem.", "_bn0.")) else math.inf


def _names_in_file(layer: keras.layers.Layer) -> list[str]:
    """The tensors of a layer in the order in which Keras holds its weights."""
    is_norm = isinstance(layer, keras.layers.BatchNormalization)
    step = layer.name.removesuffix("_bn")
    prefix = ""
    if step.startswith("block_"):
        _, number, step = step.split("_")
        prefix = f"_blocks.{int(number) - 1}."
    parts = ("weight", "bias", "running_mean", "running_var") if is_norm else ("weight",)
    return [f"{prefix}{STEPS[step][is_norm]}.{part}" for part in parts]


def _turned(layer: keras.layers.Layer, tensor: NDArray[Any]) -> NDArray[np.float32]:
    """A kernel of PyTorch, (out, in, h, w), in Keras' order, (h, w, in, out); a depthwise one, (n, 1, h, w), as (h, w, n, 1)."""
    if tensor.ndim != 4:
        return tensor
    return tensor.transpose((2, 3, 0, 1) if isinstance(layer, keras.layers.DepthwiseConv2D) else (2, 3, 1, 0))
