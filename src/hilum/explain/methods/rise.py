"""RISE: which pixels were shown when the target's probability was high, over many random soft masks."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilum.explain.explained_model import BATCH, ExplainedModel, OnFilm, check_films, check_settings, check_targets, numbers_of
from hilum.explain.methods.baselines import baseline_of
from hilum.records import Attribution, Cells, Images, Labels


def explain(
    explained: ExplainedModel, images: Images, targets: Labels, settings: Mapping[str, Any], seed: int, on_film: OnFilm
) -> Attribution:
    """The mean probability while a pixel is shown, minus the mean over all masks.

    images: (N, H, W, 1) float32 grey levels 0-255; targets: (N,) class indices; settings: samples (masks), cells (per side of a
    mask), shown (share of cells that are shown), baseline (what is hidden becomes: black, mean or blurred).
    Signed values in probability: RISE's own map weights each mask by how much it shows a pixel; the mean over all masks is
    subtracted here, so that 0 means that showing the pixel changes nothing. The order of the pixels is the same.
    numbers: mean (of the probability over the masks); spread (largest minus smallest probability seen); zero = 1 where the map is
    all 0. The seed sets the masks, the same for every film.
    Raises: ValueError for wrong shapes or settings.
    Source: Petsiuk et al. 2018, arXiv 1806.07421.
    """
    check_films(images, targets)
    check_settings("rise", settings, ["samples", "cells", "shown", "baseline"])
    samples, cells, share = int(settings["samples"]), int(settings["cells"]), float(settings["shown"])
    whole = np.asarray(explained.predict(images), np.float64)
    check_targets(targets, whole.shape[1])
    values = np.zeros(images.shape[:3], np.float32)  # (N, H, W)
    rows = []
    for i, film in enumerate(images[..., 0]):
        hidden, target = baseline_of(str(settings["baseline"]), film), int(targets[i])
        weighted, seen = np.zeros((2, *film.shape), np.float64)  # each (H, W)
        met = []
        for masks in draw_masks(samples, cells, share, film.shape, seed):
            copies = explained.copies(len(masks), film.shape)
            np.multiply(masks, film - hidden, out=copies[..., 0])
            copies += hidden[..., np.newaxis]
            predictions = np.asarray(explained.predict(copies), np.float64)[:, target]
            weighted += np.tensordot(predictions, masks, axes=1)
            seen += masks.sum(axis=0, dtype=np.float64)
            met.append(predictions)
        every = np.concatenate(met)
        spread = float(every.max() - every.min())
        if spread > 0:  # a constant probability gives no map; the subtraction leaves rounding errors
            values[i] = np.where(seen > 0, weighted / np.where(seen > 0, seen, 1) - every.mean(), 0)
        rows.append({"mean": float(every.mean()), "spread": spread, "zero": float(not values[i].any())})
        on_film(i + 1, len(images))
    return Attribution(
        values=values,
        method="rise",
        targets=np.asarray(targets, np.int64),
        signed=True,
        parameters={**settings, "seed": seed},
        numbers=numbers_of(rows),
        cells=Cells(cells, cells),
    )


def draw_masks(samples: int, cells: int, share: float, size: tuple[int, ...], seed: int) -> Iterator[NDArray[np.float32]]:
    """Soft masks in batches: coarse cells shown or hidden at random, enlarged bilinearly and shifted at random.

    Gives (B, H, W) from 0 (hidden) to 1 (shown), `samples` in all.
    """
    rng = np.random.default_rng(seed)
    steps = [-(-extent // cells) for extent in size]  # pixels per cell, rounded up
    rows, columns = (_enlarge(cells + 1, step) for step in steps)
    for start in range(0, samples, BATCH):
        count = min(BATCH, samples - start)
        coarse = (rng.random((count, cells + 1, cells + 1)) < share).astype(np.float32)
        down, across = (rng.integers(0, step, count) for step in steps)
        fine = rows @ coarse @ columns.T  # (B, (cells + 1) * step, ...)
        yield np.stack([one[y : y + size[0], x : x + size[1]] for one, y, x in zip(fine, down, across, strict=True)])


def _enlarge(cells: int, step: int) -> NDArray[np.float32]:
    """(cells * step, cells) weights of a linear interpolation between the middles of cells."""
    places = (np.arange(cells * step) + 0.5) / step - 0.5
    return np.stack([np.interp(places, np.arange(cells), row) for row in np.eye(cells)], axis=1).astype(np.float32)
