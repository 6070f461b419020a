"""Do the pixels that a map highlights change the prediction? Deletion and insertion curves, average drop and gain, MuFidelity."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from hilum.explain.explained_model import Predict
from hilum.records import Images, Labels, Maps, Masks

BLUR = 0.08  # standard deviation as a share of the film's side: ribs and consolidations vanish, the body's outline stays
BATCH = 128  # perturbed films per call of predict
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """The target's probability while pixels are removed from a film or added to it, most relevant first.

    fractions: (N, S + 1) share of the pixels changed, 0 to 1; it differs between films, because ties change together.
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
    predict: Predict, images: Images, maps: Maps, targets: Labels, steps: int, replacement: Images
) -> Curves:
    """Follow the target's probability while pixels become those of `replacement` (deletion), and in reverse (insertion).

    images, replacement: (N, H, W, 1) float32 grey levels 0-255; maps: (N, H, W); targets: (N,) class indices; steps: points
    after the first. Pixels are ordered by the map's signed value from the highest down, so those that argue for the target come
    first and those against it last. Pixels of equal value change together, as soon as a step has room for all of them: the
    curve is straight where a map does not order them, such as where LIME gives 0, and no seed is involved.
    Raises: ValueError if shapes disagree or steps is below 1.
    Source: Petsiuk et al. 2018 (RISE), arXiv 1806.07421.
    """
    _check_maps(images, maps)
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    count, height, width = maps.shape
    descending = -np.sort(-maps.reshape(count, -1), axis=1)  # (N, H * W)
    fractions, deletion, insertion = np.zeros((3, count, steps + 1), np.float64)  # each (N, steps + 1)
    row = np.arange(count)
    for step, pixels in enumerate(np.linspace(0, height * width, steps + 1).astype(np.int64)):
        kept = descending[:, pixels] if pixels < height * width else np.full(count, -np.inf)  # the highest value that stays
        changed = (maps > kept[:, np.newaxis, np.newaxis])[..., np.newaxis]  # (N, H, W, 1)
        fractions[:, step] = changed.mean(axis=(1, 2, 3))
        deletion[:, step] = predict(np.where(changed, replacement, images))[row, targets]
        insertion[:, step] = predict(np.where(changed, images, replacement))[row, targets]
    return Curves(fractions, deletion, insertion)


def blur_films(images: Images) -> Images:
    """Films without detail: a Gaussian of 8 % of the side; (N, H, W, 1) to the same."""
    sigma = (0, BLUR * images.shape[1], BLUR * images.shape[2], 0)
    return gaussian_filter(images, sigma, mode="nearest").astype(np.float32)


def mean_films(images: Images) -> Images:
    """Each film as its own mean grey level: (N, H, W, 1) to the same."""
    return np.broadcast_to(images.mean(axis=(1, 2, 3), keepdims=True), images.shape).astype(np.float32)


def average_drop_and_gain(predict: Predict, images: Images, maps: Maps, targets: Labels) -> tuple[Numbers, Numbers]:
    """What the target's probability loses and gains when the film is multiplied by its map.

    images: (N, H, W, 1) float32 grey levels 0-255; maps: (N, H, W), of which the positive part is stretched to 0-1, so that the
    rest of the film becomes black; targets: (N,). Gives drop max(0, p - q) / p and gain max(0, q - p) / (1 - p), (N,) each,
    0 to 1, p before and q after; gain is 0 where p is 1. A map without positive values leaves a black film.
    Both papers mask with a map without negative values. Of a signed map xplique takes the magnitude, which also shows what argues
    against the target; here that stays dark.
    Raises: ValueError if shapes disagree.
    Source: Chattopadhay et al. 2018 (Grad-CAM++), arXiv 1710.11063; Zhang et al. 2024 (Opti-CAM), arXiv 2301.07002.
    """
    _check_maps(images, maps)
    row = np.arange(len(images))
    shown = (images * stretch(maps)[..., np.newaxis]).astype(np.float32)  # (N, H, W, 1)
    before, after = predict(images)[row, targets], predict(shown)[row, targets]
    drop = np.maximum(before - after, 0) / np.maximum(before, np.finfo(float).tiny)
    gain = np.maximum(after - before, 0) / np.where(before < 1, 1 - before, 1)
    return drop, gain


def stretch(maps: Maps) -> Maps:
    """The positive part of each map, its lowest value at 0 and its highest at 1; all 0 where it is constant."""
    positive = np.maximum(maps, 0)
    low, high = positive.min(axis=(1, 2), keepdims=True), positive.max(axis=(1, 2), keepdims=True)
    return (positive - low) / np.where(high > low, high - low, 1)


def mu_fidelity(predict: Predict, images: Images, maps: Maps, targets: Labels, subsets: Masks, replacement: Images) -> Numbers:
    """Spearman correlation between a subset's sum in the map and the target's loss of probability when it is removed.

    images, replacement: (N, H, W, 1) float32 grey levels 0-255; maps: (N, H, W), summed with their signs; targets: (N,);
    subsets: (S, H, W), True where a pixel is removed, the same for all films. Gives (N,) from -1 to 1; 0 where the map or
    the probability does not vary, because nothing is shown then.
    Raises: ValueError if shapes disagree.
    Source: Bhatt et al. 2020, arXiv 2005.00631, definition 3.
    """
    from scipy.stats import spearmanr  # takes a third of a second to import, which `check` does not need

    _check_maps(images, maps)
    if subsets.shape[1:] != maps.shape[1:]:
        raise ValueError(f"subsets must have the size of the maps {maps.shape[1:]}, got {subsets.shape[1:]}")
    row = np.arange(len(images))
    whole = predict(images)[row, targets]
    found = np.zeros(len(images), np.float64)  # (N,)
    for i, target in enumerate(targets):
        predictions = []
        for start in range(0, len(subsets), BATCH):
            removed = subsets[start : start + BATCH, ..., np.newaxis]
            predictions.append(predict(np.where(removed, replacement[i], images[i]).astype(np.float32))[:, target])
        loss = whole[i] - np.concatenate(predictions)
        relevance = subsets.reshape(len(subsets), -1) @ maps[i].ravel().astype(np.float64)
        if np.ptp(loss) > 0 and np.ptp(relevance) > 0:
            found[i] = float(spearmanr(loss, relevance).statistic)
    return found


def draw_subsets(size: tuple[int, int], samples: int, grid: int, share: float, seed: int) -> Masks:
    """Subsets for `mu_fidelity`: each cell of a grid x grid is removed with probability `share`; (samples, H, W)."""
    cells = np.random.default_rng(seed).random((samples, grid, grid)) <= share
    down, across = (((np.arange(extent) + 0.5) * grid / extent).astype(int) for extent in size)
    return cells[:, down][:, :, across]


def _check_maps(images: Images, maps: Maps) -> None:
    if maps.shape != images.shape[:3]:
        raise ValueError(f"maps must have the size of the films {images.shape[:3]}, got {maps.shape}")
