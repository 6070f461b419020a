"""Small classifiers that several tests look at: built once, 64 px, random weights."""

import functools

import keras
import numpy as np
from numpy.typing import NDArray

from hilum.models.classifier import build_classifier

SIZE = 64
PRIOR = np.array([0.7, 0.2, 0.1])  # unequal and not in alphabetical or rising order, so that a swapped class order shows


def build(backbone: str, size: int = SIZE, seed: int = 1, **settings: object) -> keras.Model:
    given = {"weights": None, "dropout": 0.2, "weight_decay": 1e-4, "log_prior": np.log(PRIOR), **settings}
    return build_classifier(backbone, size, 3, seed=seed, **given)  # type: ignore[arg-type]


@functools.cache
def graph(backbone: str) -> keras.Model:
    """Shared: a test may freeze and unfreeze its layers, but not change its weights."""
    return build(backbone)


def draw_films(count: int, size: int = SIZE, seed: int = 0) -> NDArray[np.float32]:
    """Films of noise, (count, size, size, 1) grey levels 0-255."""
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 1)).astype(np.float32)
