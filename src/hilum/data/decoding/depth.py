"""The bits of 16 that a film uses: detectors of 10 to 14 bits store in 16, and the file does not say so."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hilum.data.decoding.windowing import STRIP, look_up

GREY_BITS = (8, 10, 12, 14, 16)  # bit depths that detectors use
HELD = 0.99  # share of a film's pixels within its depth; letters and dead pixels at the top of the 16 bits are far fewer
FILMS = 0.95  # share of a source's films within its depth; the few others are reported instead of darkening the rest
FAR_BELOW = 4  # bits: a film that uses that many fewer than its source's depth is nearly black
LUMINANCE = np.array((0.299, 0.587, 0.114), np.float32)  # of red, green and blue, Rec. 601


def find_bits(values: NDArray[np.uint16], depths: Sequence[int] = GREY_BITS) -> int:
    """The smallest of these depths that holds the share HELD of a film's pixels (H, W); the largest if none does."""
    for bits in sorted(depths):
        if np.count_nonzero(values < 2**bits) >= HELD * values.size:
            return bits
    return max(depths)


def settle_bits(found: Sequence[int]) -> int:
    """The bit depth of a source: the smallest that holds the share FILMS of its films.

    Raises:
        ValueError: no film.
    """
    if not found:
        raise ValueError("a bit depth is settled from films of 16 bits, got none")
    return min(bits for bits in set(found) if sum(one <= bits for one in found) >= FILMS * len(found))


def tell_outside(found: int, depths: Sequence[int]) -> str:
    """Why a film lies outside the settled depths, empty where it does not; found: its own depth."""
    settled = max(depths)
    if found > settled:
        return f"more than {1 - HELD:.0%} of its pixels lie above the {settled} bits of the other films, and are white"
    if found <= min(depths) - FAR_BELOW:
        return f"it uses {found} bits where the other films use {min(depths)}, so it is nearly black"
    return ""


def scale_levels(values: NDArray[np.uint16], bits: int) -> NDArray[np.uint8]:
    """Grey levels 0-255 of values (H, W); values above the depth are white."""
    top = 2**bits - 1
    table = np.full(2**16, 255, np.uint8)  # (65536,)
    table[: top + 1] = np.rint(np.arange(top + 1) * (255 / top))
    return look_up(table, values)


def weigh_colours(values: NDArray[np.uint16], alpha: NDArray[np.uint16] | None = None) -> NDArray[np.uint16]:
    """The luminance (H, W) of red, green and blue (H, W, 3); with alpha (H, W), whose full value is 65535, on black."""
    grey = np.empty(values.shape[:2], np.uint16)  # (H, W)
    for start in range(0, len(values), STRIP):
        part = values[start : start + STRIP].astype(np.float32) @ LUMINANCE
        if alpha is not None:
            part *= alpha[start : start + STRIP] / np.float32(65535)
        grey[start : start + STRIP] = np.rint(part)
    return grey
