"""Small `.keras` files with random weights, such as users bring as backbones."""

from pathlib import Path

import keras
import numpy as np

SIDE = 48  # px


def write_own(kind: str, path: Path) -> None:
    """kind: flat (with a head), nested (a trunk inside, with a head), or headless (one channel, of any size)."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    if kind == "headless":
        film = keras.Input((None, None, 1))
        made = keras.Model(film, _trunk(film))
    elif kind == "flat":
        film = keras.Input((SIDE, SIDE, 3))
        inside = layers.Dense(7, activation="relu", name="dense_1")(layers.Flatten()(layers.MaxPooling2D()(_trunk(film))))
        made = keras.Model(film, layers.Dense(5, activation="softmax", name="end")(inside))
    else:
        film = keras.Input((SIDE, SIDE, 3))
        trunk = keras.Model(film, _trunk(film), name="trunk")
        above = [layers.GlobalAveragePooling2D(), layers.Dropout(0.5), layers.Dense(1, activation="sigmoid")]
        made = keras.Sequential([keras.Input((SIDE, SIDE, 3)), layers.RandomFlip(), layers.Rescaling(1 / 255), trunk, *above])
    noise = np.random.default_rng(0)
    for weight in made.weights:
        if "moving" not in weight.path and "seed" not in weight.path:
            weight.assign(weight.numpy() + noise.normal(0, 0.05, weight.shape))
    made.save(path)


def _trunk(film: keras.KerasTensor) -> keras.KerasTensor:
    """Padding below the first convolution, a bare sum, dropout, and names that hilum's own head has too."""
    layers = keras.layers
    x = layers.ZeroPadding2D(1)(film)
    x = layers.Conv2D(6, 3, strides=2, use_bias=False, name="first")(x)
    x = layers.ReLU()(layers.BatchNormalization(name="logits")(x))
    x = x + layers.Conv2D(6, 3, padding="same", activation="relu", name="pool")(layers.SpatialDropout2D(0.3)(x))
    x = layers.DepthwiseConv2D(3, strides=2, padding="same", name="deep")(x)
    return layers.ReLU(name="last")(layers.Conv2D(8, 1, name="top--wide")(x))
