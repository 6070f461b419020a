"""How good an explanation is, in numbers: what its pixels do to the prediction, and where they lie."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from hilum.records import Images, Labels, Maps, Masks, Probabilities

BLUR = 0.08  # standard deviation as a share of the film's side: ribs and consolidations vanish, the body's outline stays
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """The target's probability while pixels are taken from a film or given to it, most relevant first.

    fractions: (S + 1,) share of the pixels changed, 0 to 1.
    deletion, insertion: (N, S + 1) probability; a good map makes deletion fall early and insertion rise early.
    deletion_auc, insertion_auc: (N,) area under each curve, 0 to 1 (trapezoids).
    """

    fractions: Numbers
    deletion: Numbers
    insertion: Numbers

    @property
    def deletion_auc(self) -> Numbers:
        return np.asarray(np.trapezoid(self.deletion, self.fractions, axis=1))

    @property
    def insertion_auc(self) -> Numbers:
        return np.asarray(np.trapezoid(self.insertion, self.fractions, axis=1))


def deletion_and_insertion(
    predict: Callable[[Images], Probabilities], images: Images, maps: Maps, targets: Labels, steps: int, seed: int
) -> Curves:
    """Follow the target's probability while pixels go from sharp to blurred (deletion) and from blurred to sharp (insertion).

    images: (N, H, W, 1) float32 grey levels 0-255; maps: (N, H, W); targets: (N,) class indices; steps: points after the first.
    Pixels are ordered by the map's value from the highest down, so in a signed map those that argue for the target come first
    and those against it last. Ties (most of a LIME map) are broken at random by the seed, in the same way for every film
    and every map, so that maps are compared on equal terms.
    Raises: ValueError if shapes disagree or steps is below 1.
    Source: Petsiuk et al. 2018 (RISE), arXiv 1806.07421, with a wider blur for deletion as well, which keeps films film-like.
    """
    _check_maps(images, maps, steps)
    count, height, width = maps.shape
    rank = relevance_ranks(maps, seed)  # (N, H, W)
    blurred = blur_films(images)
    changed = np.rint(np.linspace(0, height * width, steps + 1)).astype(np.int64)
    deletion, insertion = np.zeros((2, count, steps + 1), np.float64)
    row = np.arange(count)
    for step, pixels in enumerate(changed):
        chosen = (rank < pixels)[..., np.newaxis]
        deletion[:, step] = predict(np.where(chosen, blurred, images))[row, targets]
        insertion[:, step] = predict(np.where(chosen, images, blurred))[row, targets]
    return Curves(changed / (height * width), deletion, insertion)


def relevance_ranks(maps: Maps, seed: int) -> NDArray[np.int64]:
    """Rank of each pixel in its map, 0 for the highest value, ties in an order drawn once from the seed: (N, H, W)."""
    count, height, width = maps.shape
    noise = np.random.default_rng(seed).permutation(height * width)
    ranks = np.empty((count, height * width), np.int64)
    for i, values in enumerate(maps.reshape(count, -1)):
        ranks[i, np.lexsort((noise, -values))] = np.arange(height * width)
    return ranks.reshape(maps.shape)


def blur_films(images: Images) -> Images:
    """Films without detail: a Gaussian of 8 % of the side; (N, H, W, 1) to the same."""
    sigma = (0, BLUR * images.shape[1], BLUR * images.shape[2], 0)
    return gaussian_filter(images, sigma, mode="nearest").astype(np.float32)


def share_inside(maps: Maps, masks: Masks) -> Numbers:
    """Share of each map's positive relevance that lies inside its mask.

    maps: (N, H, W); masks: (N, H, W), all False where a film has none. Gives (N,) from 0 to 1, NaN where there is no mask or no
    positive relevance. Compare it with the mask's share of the film (`area_of`), which a map without knowledge gets.
    """
    if maps.shape != masks.shape:
        raise ValueError(f"masks must have the shape of the maps {maps.shape}, got {masks.shape}")
    positive = np.maximum(maps.astype(np.float64), 0)
    total = positive.sum(axis=(1, 2))
    known = masks.any(axis=(1, 2)) & (total > 0)
    inside = (positive * masks).sum(axis=(1, 2))
    return np.where(known, inside / np.where(known, total, 1), np.nan)


def area_of(masks: Masks) -> Numbers:
    """Share of each film that its mask covers: (N, H, W) -> (N,), NaN where there is no mask."""
    area = masks.mean(axis=(1, 2))
    return np.where(area > 0, area, np.nan)


def reference_maps(shape: tuple[int, int, int], seed: int) -> dict[str, Maps]:
    """Maps that know nothing of the model, to read the measures against: name -> (N, H, W) from 0 to 1.

    random: smooth blobs drawn anew for each film; centre: one bump in the middle of the film, where most lungs are.
    """
    count, height, width = shape
    noise = np.random.default_rng(seed).standard_normal(shape)
    blobs = gaussian_filter(noise, (0, BLUR * height, BLUR * width), mode="wrap")
    low, high = blobs.min(axis=(1, 2), keepdims=True), blobs.max(axis=(1, 2), keepdims=True)
    down, across = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    bump = np.exp(-2 * (down**2 + across**2))
    return {
        "random": ((blobs - low) / (high - low)).astype(np.float32),
        "centre": np.repeat(bump[np.newaxis], count, axis=0).astype(np.float32),
    }


def _check_maps(images: Images, maps: Maps, steps: int) -> None:
    if maps.shape != images.shape[:3]:
        raise ValueError(f"maps must have the size of the films {images.shape[:3]}, got {maps.shape}")
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
