"""Small classifiers that several tests look at: built once, 64 px, random weights."""

import functools

import keras
import numpy as np
from numpy.typing import NDArray

from hilum.models.classifier import build_classifier

SIZE = 64
PRIOR = np.array([0.7, 0.2, 0.1])  # unequal and neither alphabetical nor rising, so that a swapped class order shows


def build(backbone: str, size: int = SIZE, seed: int = 1, **settings: object) -> keras.Model:
    given = {"weights": None, "dropout": 0.2, "weight_decay": 1e-4, "log_prior": np.log(PRIOR), **settings}
    return build_classifier(backbone, size, 3, seed=seed, **given)  # type: ignore[arg-type]


def draw_films(count: int, size: int = SIZE, seed: int = 0) -> NDArray[np.float32]:
    """Films of noise around an own grey level each, (count, size, size, 1) grey levels 0-255."""
    rng = np.random.default_rng(seed)
    films = rng.integers(20, 200, (count, 1, 1, 1)) + rng.integers(-20, 56, (count, size, size, 1))
    return films.astype(np.float32)


def wake(model: keras.Model) -> keras.Model:
    """Give batch norm the statistics of noise films: with those of a fresh graph the signal dies on its way up."""
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    model(draw_films(16, model.input_shape[1], seed=7), training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return model


@functools.cache
def graph(backbone: str) -> keras.Model:
    """Shared, its backbone awake: a test may freeze and unfreeze its layers, but not change its weights."""
    return wake(build(backbone))
