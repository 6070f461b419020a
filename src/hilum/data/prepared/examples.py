"""Examples, the films of a split with their classes, and the shape of a batch as a model takes it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilum.records import Films, Images, Labels


@dataclass(frozen=True)
class Examples:
    """Films that a model learns from or is evaluated on.

    films: (N, H, W) grey levels 0-255; labels: (N,) class indices; keys: N hashes of the films' pixels.
    """

    films: Films
    labels: Labels
    keys: tuple[str, ...]

    def take(self, indices: NDArray[np.intp]) -> "Examples":
        """The rows at these positions, repeated ones included."""
        return Examples(self.films[indices], self.labels[indices], tuple(self.keys[i] for i in indices))


def as_images(films: Films) -> Images:
    """(N, H, W) uint8 -> (N, H, W, 1) float32, what a model takes."""
    return films[..., None].astype(np.float32)  # (N, H, W, 1)
