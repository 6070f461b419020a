"""Dot patterns of the side letters that are drawn into films."""

import numpy as np
from numpy.typing import NDArray

GLYPHS = {
    "R": ("####.", "#...#", "#...#", "####.", "#.#..", "#..#.", "#...#"),
    "L": ("#....", "#....", "#....", "#....", "#....", "#....", "#####"),
    "P": ("####.", "#...#", "#...#", "####.", "#....", "#....", "#...."),
}


def letter_shape(letter: str, size: int) -> NDArray[np.bool_]:
    """A letter's pixels on a film of `size` pixels: seven rows of five dots, enlarged."""
    dots = np.array([[c == "#" for c in row] for row in GLYPHS[letter]])
    scale = max(1, round(size / 110))
    return np.kron(dots, np.ones((scale, scale), bool)).astype(bool)
