"""Small networks of our own: blocks of one convolution, or of two whose input is concatenated to their output."""

from typing import Any, Literal

import keras


def build_small_cnn(
    concatenate: bool,
    blocks: int,
    filters: int,
    growth: float,
    kernel: int,
    pooling: Literal["max", "average", "stride"],
    batch_norm: bool,
    input_tensor: Any = None,
    input_shape: tuple[int, int, int] | None = None,
    include_top: bool = False,
    weights: str | None = None,
) -> keras.Model:
    """Build the network without its classifier, with the signature of keras.applications: (H, W, 3) -> (h, w, C).

    concatenate: a block has two convolutions, and its input is concatenated to their output; otherwise it has one convolution.
    filters: of the first block; growth: factor from block to block. kernel: side, px.
    pooling: how a block halves its cells: the maximum or the average of 2 x 2 cells, or a stride of its last convolution.
    batch_norm: after each convolution, before its ReLU.

    Raises:
        ValueError: a classifier is requested, or the weights are those of another network.
    """
    if include_top:
        raise ValueError("a small network must be built without its classifier, got include_top=True; leave it out")
    image = keras.Input(input_shape) if input_tensor is None else input_tensor
    x = image
    for i in range(1, blocks + 1):
        width = max(1, round(filters * growth ** (i - 1)))
        stride = 2 if pooling == "stride" else 1
        if concatenate:
            inside = _step(x, width, kernel, 1, batch_norm, f"block_{i}_first")
            inside = _step(inside, width, kernel, stride, batch_norm, f"block_{i}_second")
            if stride > 1:  # so that both sides have the same cells
                x = keras.layers.AveragePooling2D(2, padding="same", name=f"block_{i}_shortcut")(x)
            x = keras.layers.Concatenate(name=f"block_{i}_concatenate")([x, inside])
        else:
            x = _step(x, width, kernel, stride, batch_norm, f"block_{i}")
        if pooling == "max":
            x = keras.layers.MaxPooling2D(2, name=f"block_{i}_pool")(x)
        elif pooling == "average":
            x = keras.layers.AveragePooling2D(2, name=f"block_{i}_pool")(x)
    body = keras.Model(keras.utils.get_source_inputs(image), x, name="small_cnn")
    if weights is not None:
        body.load_weights(weights)
    return body


def _step(x: Any, filters: int, kernel: int, stride: int, batch_norm: bool, name: str) -> Any:
    """A convolution, its batch norm if there is one, and its ReLU."""
    x = keras.layers.Conv2D(
        filters, kernel, stride, padding="same", use_bias=not batch_norm, kernel_initializer="he_normal", name=f"{name}_conv"
    )(x)
    if batch_norm:
        x = keras.layers.BatchNormalization(name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)
