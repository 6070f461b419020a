"""The reader of two squares as every kind of Keras model that a user may bring: the same answers in different clothes."""

from collections.abc import Callable

import keras
import numpy as np
from two_squares import AGAINST, FOR, SIZE, build_reader

L = keras.layers


def body_layers(policy: str, channels: int) -> list[keras.layers.Layer]:
    """From grey levels to one map of block means, FOR positive and AGAINST negative."""
    window = (FOR.astype(np.float32) - AGAINST.astype(np.float32))[..., np.newaxis]
    even = keras.initializers.Constant(1 / 16 / channels)
    return [
        L.Rescaling(1 / 255, name="scale", dtype=policy),
        L.Rescaling(window, name="window", dtype=policy),
        L.Conv2D(1, 4, strides=4, kernel_initializer=even, name="means", dtype=policy),
    ]


def head_layers(policy: str, classes: int) -> list[keras.layers.Layer]:
    """One sigmoid for one class, else a softmax inside the last layer."""
    word = "sigmoid" if classes == 1 else "softmax"
    return [L.GlobalAveragePooling2D(name="pool", dtype=policy), L.Dense(classes, activation=word, name="verdict", dtype=policy)]


def set_head(model: keras.Model, classes: int) -> keras.Model:
    gain = 1 / FOR.mean()
    weights = [[gain]] if classes == 1 else [[-gain, gain, 0.0]]
    model.layers[-1].set_weights([np.float32(weights), np.zeros(classes, np.float32)])
    return model


def chain(tensor: object, layers: list[keras.layers.Layer]) -> object:
    for layer in layers:
        tensor = layer(tensor)
    return tensor


def functional(policy: str = "float32", channels: int = 1, classes: int = 3) -> keras.Model:
    film = keras.Input((SIZE, SIZE, channels))
    return set_head(keras.Model(film, chain(film, body_layers(policy, channels) + head_layers(policy, classes))), classes)


def nested(policy: str = "float32", channels: int = 3, classes: int = 3) -> keras.Model:
    """A backbone as a model inside the model, scaled outside of it by bare operations, with a name of the outer graph in it."""
    inner = keras.Input((SIZE, SIZE, channels), name="film")
    backbone = keras.Model(inner, chain(inner, body_layers(policy, channels)), name="backbone")
    film = keras.Input((SIZE, SIZE, channels), name="film")
    same = L.Rescaling(1.0, name="scale", dtype=policy)(film / 2.0 + film / 2.0)
    pooled = chain(backbone(same, training=False), head_layers(policy, classes))
    return set_head(keras.Model(film, pooled), classes)


def sequential(policy: str = "float32", channels: int = 1, classes: int = 3) -> keras.Model:
    layers = body_layers(policy, channels) + head_layers(policy, classes)
    return set_head(keras.Sequential([keras.Input((SIZE, SIZE, channels)), *layers]), classes)


def sequential_around_sequential(policy: str = "float32", channels: int = 3, classes: int = 1) -> keras.Model:
    backbone = keras.Sequential([keras.Input((SIZE, SIZE, channels)), *body_layers(policy, channels)], name="backbone")
    film = keras.Input((SIZE, SIZE, channels))
    return set_head(keras.Sequential([film, backbone, *head_layers(policy, classes)]), classes)


KINDS: dict[str, Callable[[], keras.Model]] = {
    "hilum's own": lambda: build_reader(1.0),
    "flat, softmax": functional,
    "flat, one sigmoid": lambda: functional(classes=1),
    "flat, three channels": lambda: functional(channels=3),
    "flat, float16": lambda: functional("mixed_float16"),
    "flat, bfloat16": lambda: functional("mixed_bfloat16"),
    "nested": nested,
    "nested, one channel, one sigmoid": lambda: nested(channels=1, classes=1),
    "nested, float16": lambda: nested("mixed_float16"),
    "sequential": sequential,
    "sequential, float16, one sigmoid": lambda: sequential("mixed_float16", classes=1),
    "sequential around a sequential, three channels, one sigmoid": sequential_around_sequential,
}
