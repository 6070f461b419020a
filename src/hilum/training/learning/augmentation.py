"""What the network sees in training: augmented views of films, which depend on seed and epoch alone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hilum.data.prepared.examples import Examples
from hilum.records import Films


@dataclass(frozen=True)
class Changes:
    """How far a training film may be changed; 0 turns a change off.

    rotate: degrees; shift, zoom: share of the side; gamma: exponent 1 +- this; contrast: slope 1 +- this around mid grey;
    brightness, noise: share of the grey range. erase: largest share of the film's area that a rectangle covers. unchanged: so
    many views of a film, the first, are the film as it is: resampling and grain change the finest detail of all others, and
    films to be predicted have neither.
    """

    rotate: float
    shift: float
    zoom: float
    gamma: float
    contrast: float
    brightness: float
    noise: float
    erase: float
    flip: bool
    unchanged: int = 0


def draw_view(film: NDArray[np.uint8], rng: np.random.Generator, changes: Changes) -> NDArray[np.uint8]:
    """One film, changed at random but with its anatomy kept: (H, W) uint8 -> (H, W) uint8."""
    height, width = film.shape
    angle = np.deg2rad(rng.uniform(-1, 1) * changes.rotate)
    scale = 1 + rng.uniform(-1, 1) * changes.zoom
    shift = rng.uniform(-1, 1, 2) * changes.shift * (width, height)
    mirror = -1.0 if changes.flip and rng.random() < 0.5 else 1.0
    # PIL maps output to input coordinates: rotate and scale about the centre, then shift.
    turn = np.array([[mirror * np.cos(angle), np.sin(angle)], [-mirror * np.sin(angle), np.cos(angle)]]) / scale
    centre = np.array([width / 2, height / 2])
    offset = centre - turn @ (centre + shift)
    coefficients = (turn[0, 0], turn[0, 1], offset[0], turn[1, 0], turn[1, 1], offset[1])
    # A table of 256 entries changes the grey levels before the film is moved, so that the new corners stay black.
    levels = (np.arange(256) / 255) ** (1 + rng.uniform(-1, 1) * changes.gamma)
    levels = (levels - 0.5) * (1 + rng.uniform(-1, 1) * changes.contrast) + 0.5 + rng.uniform(-1, 1) * changes.brightness
    table = np.round(np.clip(levels, 0, 1) * 255).astype(np.uint8)
    picture = Image.fromarray(table[film])
    moved = np.asarray(picture.transform((width, height), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR))
    if changes.noise:
        grain = rng.standard_normal(film.shape, np.float32) * (255 * changes.noise)
        moved = np.clip(moved + grain + 0.5, 0, 255).astype(np.uint8)
    return erase_rectangle(moved, rng, changes.erase) if changes.erase else moved


def erase_rectangle(film: NDArray[np.uint8], rng: np.random.Generator, most: float) -> NDArray[np.uint8]:
    """The film (H, W) uint8 with the film's mean grey in a rectangle anywhere in it.

    most: the largest share of the area; shares are uniform in 0..most, proportions from 3:10 to 10:3, uniform in their logarithm.

    Source: Zhong et al. 2020, arXiv 1708.04896; here every view has a rectangle; small ones take the place of films without one.
    """
    height, width = film.shape
    area, proportion = rng.uniform(0, most) * height * width, np.exp(rng.uniform(-1, 1) * np.log(10 / 3))
    tall = min(height, round(np.sqrt(area * proportion)))
    wide = min(width, round(np.sqrt(area / proportion)))
    top, left = rng.integers(0, height - tall + 1), rng.integers(0, width - wide + 1)
    erased = film.copy()
    erased[top : top + tall, left : left + wide] = round(float(film.mean()))
    return erased


def draw_views(rows: Examples, views: NDArray[np.intp] | int, seed: int, changes: Changes) -> Films:
    """View number views[i] of film i: (N, H, W) uint8. A view depends only on the film's pixels, its number and the seed."""
    numbers = np.broadcast_to(views, len(rows.keys))
    streams = ([seed, int(view), int(key[:16], 16)] for view, key in zip(numbers, rows.keys, strict=True))
    drawn = [
        film if number < changes.unchanged else draw_view(film, np.random.default_rng(s), changes)
        for film, number, s in zip(rows.films, numbers, streams, strict=True)
    ]
    return np.stack(drawn) if drawn else rows.films  # (N, H, W)


def epoch_order(rows: int, seed: int, epoch: int) -> NDArray[np.intp]:
    """The order of the rows in one epoch, (N,); it depends on seed and epoch alone."""
    return np.random.default_rng([seed, epoch]).permutation(rows)


def epoch_views(keys: Sequence[str], views: int, epoch: int) -> NDArray[np.intp]:
    """Which view of each row an epoch uses, (N,).

    Each row cycles through 0..views-1. Copies of one film (oversampling) are one view apart; a film with more copies than views
    cycles through as many views as it has copies, so that its copies differ in every epoch.
    """
    copies = Counter(keys)
    seen: dict[str, int] = {}
    numbers = np.empty(len(keys), np.intp)  # (N,)
    for i, key in enumerate(keys):
        copy = seen.get(key, 0)
        seen[key] = copy + 1
        numbers[i] = (int(key[:8], 16) + copy + epoch) % max(views, copies[key])
    return numbers


def further_views(sample: NDArray[np.intp], keys: Sequence[str], views: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The views beyond 0..views-1 that `epoch_views` needs: (E,) positions of films, (E,) their view numbers.

    sample: (M,) positions of the films that an epoch samples, with copies. keys: M hashes of their pixels.
    """
    copies = Counter(keys)
    films = {int(film): copies[key] - views for film, key in zip(sample, keys, strict=True) if copies[key] > views}
    positions = [film for film, more in films.items() for _ in range(more)]
    numbers = [number for more in films.values() for number in range(views, views + more)]
    return np.array(positions, np.intp), np.array(numbers, np.intp)
