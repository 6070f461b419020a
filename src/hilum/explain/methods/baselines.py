"""Baselines: what a film is compared with, or what its hidden parts become."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Film = NDArray[np.float32]  # (H, W) grey levels 0-255

BLUR = 0.08  # standard deviation as a share of the side: lungs stay visible, findings vanish

BASELINES: dict[str, Callable[[Film], Film]] = {
    "black": lambda film: np.zeros_like(film),
    "mean": lambda film: np.full_like(film, film.mean()),
    "blurred": lambda film: gaussian_filter(film, (BLUR * film.shape[0], BLUR * film.shape[1]), mode="nearest"),
}


def baseline_of(name: str, film: Film) -> Film:
    """The baseline of one film: black, its own mean grey level everywhere, or the film without detail; (H, W) to the same.

    Raises: ValueError naming the legal ones.
    """
    if name not in BASELINES:
        raise ValueError(f"a baseline must be one of {', '.join(BASELINES)}, got {name!r}")
    return np.asarray(BASELINES[name](film), np.float32)
