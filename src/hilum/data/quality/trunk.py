"""A stylised trunk with lungs, heart, spine and shoulder blades, projected from the front or from the side.

Coarse on purpose: its thumbnails are examples of views for `lateral`; `anatomy` draws films to train on.

Lengths are in cm, densities in g/cm3. x increases to the patient's left, y to the back, z to the head. Organs are ellipsoids and
cylinders near those of the stylised adult of Cristy and Eckerman (ORNL/TM-8381, 1987), the arms apart, the diaphragm domed.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

THUMBNAIL = 24  # pixels a side of a projection
STEP = 1.0  # between the points of the trunk that are summed

Volume = NDArray[np.floating[Any]]  # (heights from the head down, depths, widths)


def draw_projections(seed: int, films: int, lateral: bool) -> NDArray[np.float32]:
    """(films, THUMBNAIL, THUMBNAIL) of different people, from the side if lateral, else from the front; 0 to 1, dense bright."""
    rng = np.random.default_rng([seed, lateral])
    return np.stack([_expose(_project(rng, lateral), rng) for _ in range(films)])  # (N, H, W)


def _project(rng: np.random.Generator, lateral: bool) -> NDArray[np.float64]:
    """(heights, widths) mass along the rays through one person of random position and build."""
    z, deep, x = _points()
    turned, leaning = math.radians(rng.normal(90 * lateral, 8)), math.tan(math.radians(rng.normal(0, 3)))
    deep = deep + leaning * (z - 45)
    x, y = math.cos(turned) * x + math.sin(turned) * deep, math.cos(turned) * deep - math.sin(turned) * x
    x, y = x / rng.uniform(0.9, 1.1), y / rng.uniform(0.9, 1.4)
    arms = not lateral and rng.random() < 0.5  # raised for a film from the side
    return np.asarray(_build(x, y, z, rng, arms).sum(1) * STEP)


@lru_cache(maxsize=1)
def _points() -> tuple[Volume, Volume, Volume]:
    """z, y and x of the points that are summed."""
    axes = np.arange(70, 28, -STEP), np.arange(-18, 19, STEP), np.arange(-24, 25, STEP)
    z, y, x = np.meshgrid(*(axis.astype(np.float32) for axis in axes), indexing="ij")
    return z, y, x


def _build(x: Volume, y: Volume, z: Volume, rng: np.random.Generator, arms: bool) -> Volume:
    """Density at the points."""
    vary = rng.uniform
    density = np.zeros_like(x)
    wide, thick = vary(13.8, 16), vary(9.3, 10.3)
    neck = np.clip((z - 57) / 6, 0, 1)  # the shoulders taper to it
    density[_within(x, y, (0, 0), (wide * (1 - 0.55 * neck), thick * (1 - 0.4 * neck)))] = 0.99
    dome = vary(1.5, 4.5)
    for side in (-1, 1):
        middle = (side * vary(6.3, 6.9), vary(-0.5, 0.5))
        lung = _within(x, y, middle, (vary(4.1, 5.1), vary(6.7, 8)), z - 39.2, vary(17.5, 21.6))
        low = ((x - middle[0]) / 6) ** 2 + ((y + 1.5) / 8) ** 2  # it reaches deepest at the back
        lung &= vary(36.5, 39.5) + dome * (1 - 2.2 * low) < z
        density[lung] = vary(0.24, 0.39)
        if rng.random() < 0.3:  # a consolidation
            place = (middle[0] + rng.normal(0, 2), rng.normal(0, 3))
            density[lung & _within(x, y, place, (vary(1, 6), vary(1, 6)), z - vary(40, 54), vary(1, 6))] = vary(0.5, 0.9)
    heart = vary(0.85, 1.25)
    density[_within(x, y, (1.5, -3), (5.2 * heart, 4.2 * heart), z - 44, 5.2 * heart)] = 1.03
    density[_within(x, y, (0, 0), (vary(1.8, 2.6), 4), z - 54, 12)] = 1.0  # the vessels above it
    density[_within(x, y, (0, 5.6), (1.73, 2.45))] = 1.49  # spine
    blades = (abs(x) > 5) & (abs(x) < 12) & (abs(y - 0.72 * thick) < 0.5) & (z > 46) & (density > 0)
    density[blades] += 0.4
    if arms:
        beside = _within(abs(x), y, (wide + vary(1.5, 4), 0), (vary(2.5, 4), 4))
        density[beside & (z < 58) & (density == 0)] = 1.0
    return density


def _within(
    x: Volume, y: Volume, middle: Sequence[float], radii: Sequence[float | Volume], z: Volume | float = 0.0, tall: float = 1.0
) -> NDArray[np.bool_]:
    """Points of an ellipsoid, or of an upright cylinder where no height is given."""
    across, along = (x - middle[0]) / radii[0], (y - middle[1]) / radii[1]
    return np.asarray(across**2 + along**2 + (z / tall) ** 2 <= 1)


def _expose(mass: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float32]:
    """The film: framed, scattered, windowed and facing either way, at random."""
    top, bottom = int(rng.uniform(0, 10) / STEP), int(rng.uniform(27, 41) / STEP)
    body = np.flatnonzero((mass[top:bottom] > 2).mean(0) > 0.4)
    spare = rng.uniform(-0.15, 0.15, 2) * len(body)
    film = mass[top:bottom, max(0, round(body[0] + spare[0])) : round(body[-1] + 1 - spare[1])]
    film = film + rng.uniform(0, 0.3) * cv2.GaussianBlur(film, (0, 0), 4 / STEP)
    dark, bright = np.percentile(film, [rng.uniform(0.5, 20), rng.uniform(90, 99.8)])
    film = np.clip((film - dark) / (bright - dark), 0, 1) ** rng.uniform(0.6, 1.6)
    thumbnail = cv2.resize(film[:, :: rng.choice([-1, 1])], (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return thumbnail.astype(np.float32)
