"""From stored values to grey levels: tables over every value that a pixel can have.

A film of 8 to 16 bits has at most 65,536 different values, so that modality, window and inversion are computed once per value
in floating point, and pixels are looked up.

Source: DICOM PS3.3, C.11.1 (modality) and C.11.2 (values of interest).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
PERCENTILES = (0.5, 99.5)  # of the film's own values, where its header has no window
STRIP = 128  # rows looked up at once: numpy widens the indices to 8 bytes a pixel


@dataclass(frozen=True)
class Lookup:
    """A look-up table of a DICOM header.

    first: the value of the first entry. entries: (N,) output. top: the largest possible entry.
    """

    first: int
    entries: NDArray[np.float64]
    top: float


@dataclass(frozen=True)
class Window:
    """centre, width: in units of the modality (after rescaling). function: one of FUNCTIONS."""

    centre: float
    width: float
    function: str


def list_values(bits: int, signed: bool) -> NDArray[np.float64]:
    """The value of every pattern of `bits` bits, (2**bits,); signed patterns are two's complement."""
    values = np.arange(2**bits, dtype=np.float64)
    if signed:
        values[2 ** (bits - 1) :] -= 2**bits
    return values


def count_patterns(patterns: NDArray[Any], bits: int) -> NDArray[np.int64]:
    """Counts of each bit pattern in a film (H, W) of uint8 or uint16: (2**bits,)."""
    counts = np.zeros(2**bits, np.int64)  # (2 ** bits,)
    for start in range(0, len(patterns), STRIP):
        counts += np.bincount(patterns[start : start + STRIP].ravel(), minlength=2**bits)
    return counts


def apply_lookup(values: NDArray[np.float64], lookup: Lookup) -> NDArray[np.float64]:
    """Values (N,) through a table; values before its first or after its last entry take that entry."""
    place = np.clip(np.floor(values) - lookup.first, 0, len(lookup.entries) - 1).astype(np.intp)
    return lookup.entries[place]


def apply_window(values: NDArray[np.float64], window: Window) -> NDArray[np.float64]:
    """Values (N,) of the modality to brightness 0-1.

    Raises:
        ValueError: another function, or a width that is invalid for it.
    Source: DICOM PS3.3, C.11.2.1.2 and C.11.2.1.3.
    """
    if fault := find_window_fault(window):
        raise ValueError(fault)
    if window.function == "SIGMOID":
        return 1 / (1 + np.exp(np.clip(-4 * (values - window.centre) / window.width, -700, 700)))
    shift, width = (0.5, window.width - 1) if window.function == "LINEAR" else (0.0, window.width)
    middle = window.centre - shift
    if width == 0:
        return (values > middle).astype(np.float64)
    return np.clip((values - middle) / width + 0.5, 0, 1)


def find_window_fault(window: Window) -> str:
    """Why a window is invalid: another function, or an illegal width or centre; empty if it is valid."""
    least = 1.0 if window.function == "LINEAR" else np.finfo(float).tiny
    if window.function not in FUNCTIONS:
        return f"the function of a window must be one of {', '.join(FUNCTIONS)}, got another word"
    if not np.isfinite(window.centre):
        return f"the centre of a window must be a finite number, got {window.centre:g}"
    if not (np.isfinite(window.width) and window.width >= least):
        rule = "at least 1" if window.function == "LINEAR" else "above 0"
        return f"the width of a {window.function} window must be {rule}, got {window.width:g}"
    return ""


def window_percentiles(values: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Brightness 0-1 of every value (N,), from the PERCENTILES of a film's pixels, each value counted `counts` times.

    A film of one grey level becomes black.
    """
    order = np.argsort(values, kind="stable")
    share = np.cumsum(counts[order]) / max(counts.sum(), 1)
    low, high = (values[order][np.searchsorted(share, p / 100).clip(max=len(order) - 1)] for p in PERCENTILES)
    if low == high:
        there = values[counts > 0]
        low, high = (there.min(), there.max()) if len(there) else (0.0, 0.0)
    return np.clip((values - low) / (high - low), 0, 1) if high > low else np.zeros(len(values))


def look_up(table: NDArray[Any], patterns: NDArray[Any]) -> NDArray[Any]:
    """table[patterns] for a table (N,) and patterns (H, W) of uint8 or uint16, strip by strip."""
    out = np.empty(patterns.shape, table.dtype)
    for start in range(0, len(patterns), STRIP):
        out[start : start + STRIP] = table[patterns[start : start + STRIP]]
    return out
