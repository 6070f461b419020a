"""DINOv2 as a flat graph of Keras' own layers, with cells of its patch tokens: a saved model needs no further package.

Source: Oquab et al. 2023, arXiv 2304.07193; the layers of keras_hub.models.DINOV2Backbone.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

EPSILON = 1e-6  # of layer norm
SPREAD = 0.02  # of first weights


def build_dinov2(config: Mapping[str, Any], shape: tuple[int, int, int], source: Any = None) -> keras.Model:
    """Build the network (H, W, 3) -> (h, w, C): a cell per patch; the class token and registers take part and are left out.

    config: of a DINOV2Backbone. source: such a backbone for films of this shape, whose weights are taken; None for random ones.

    Raises:
        ValueError: its blocks have gated layers (SwiGLU), which only the giant network has.
    """
    if config.get("use_swiglu_ffn"):
        raise ValueError(
            "a DINOv2 must have plain dense layers in its blocks, got use_swiglu_ffn; choose a small, base or large one"
        )
    patch, width, ahead = int(config["patch_size"]), int(config["hidden_dim"]), 1 + int(config.get("num_register_tokens", 0))
    side = shape[0] // patch
    image = keras.Input(shape, name="images")
    x = keras.layers.Conv2D(width, patch, patch, kernel_initializer=_first(), name="patch_embedding")(image)
    x = keras.layers.Reshape((side * side, width), name="tokens")(x)
    x = keras.layers.ZeroPadding1D((ahead, 0), name="room")(x)  # class token and registers come with the positions
    ones = keras.layers.Rescaling(0.0, 1.0, name="ones")(x)
    count = ahead + side * side
    learned = keras.layers.EinsumDense("abc,bc->abc", (count, width), kernel_initializer=_first(), name="positions")
    x = keras.layers.Add(name="embeddings")([x, learned(ones)])
    for number in range(1, int(config["num_layers"]) + 1):
        x = _block(x, f"block_{number}", config, count)
    x = keras.layers.LayerNormalization(epsilon=EPSILON, name="norm")(x)
    x = keras.layers.Cropping1D((ahead, 0), name="patches")(x)
    body = keras.Model(image, keras.layers.Reshape((side, side, width), name="cells")(x), name="dinov2")
    if source is not None:
        _place(body, source)
    return body


def _block(x: Any, name: str, config: Mapping[str, Any], count: int) -> Any:
    """Attention and a perceptron, each normalised before, scaled per channel behind, and added to its input."""
    width, heads = int(config["hidden_dim"]), int(config["num_heads"])
    inside = keras.layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_norm1")(x)
    inside = keras.layers.MultiHeadAttention(heads, width // heads, name=f"{name}_attention")(inside, inside)
    x = keras.layers.Add(name=f"{name}_add1")([_scaled(inside, f"{name}_scale1", config, count), x])
    inside = keras.layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_norm2")(x)
    inside = keras.layers.Dense(
        int(config["intermediate_dim"]), activation="gelu", kernel_initializer=_first(), name=f"{name}_dense1"
    )(inside)
    inside = keras.layers.Dense(width, kernel_initializer=_first(), name=f"{name}_dense2")(inside)
    return keras.layers.Add(name=f"{name}_add2")([_scaled(inside, f"{name}_scale2", config, count), x])


def _scaled(x: Any, name: str, config: Mapping[str, Any], count: int) -> Any:
    first = keras.initializers.Constant(float(config.get("layer_scale_init_value", 1.0)))
    return keras.layers.EinsumDense("abc,c->abc", (count, int(config["hidden_dim"])), kernel_initializer=first, name=name)(x)


def _first() -> keras.initializers.Initializer:
    return keras.initializers.TruncatedNormal(stddev=SPREAD)


def _place(body: keras.Model, source: Any) -> None:
    """Give each layer the weights of a DINOV2Backbone."""
    below = source.embeddings
    body.get_layer("patch_embedding").set_weights(below.patch_embeddings.projection.get_weights())
    at = np.asarray(below.interpolated_position_embeddings)[0]  # (1 + patches, C)
    rows: list[NDArray[Any]] = [np.asarray(below.cls_token)[0] + at[:1]]
    if source.num_register_tokens:
        rows.append(np.asarray(below.register_tokens)[0])  # they have no position
    body.get_layer("positions").set_weights([np.concatenate([*rows, at[1:]])])
    for number, block in enumerate(source.encoder.layers, start=1):
        parts = {
            "norm1": block.norm1,
            "attention": block.attention.attention,
            "scale1": block.layer_scale1,
            "norm2": block.norm2,
            "dense1": block.mlp.fc1,
            "dense2": block.mlp.fc2,
            "scale2": block.layer_scale2,
        }
        for name, part in parts.items():
            body.get_layer(f"block_{number}_{name}").set_weights(part.get_weights())
    body.get_layer("norm").set_weights(source.layernorm.get_weights())
