"""Occlusion: how far the target's probability falls when a patch of the film is hidden."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hilum.explain.explained_model import BATCH, ExplainedModel, OnFilm, check_films, check_settings, check_targets
from hilum.explain.methods.baselines import baseline_of
from hilum.records import Attribution, Images, Labels


def explain(
    explained: ExplainedModel, images: Images, targets: Labels, settings: Mapping[str, Any], seed: int, on_film: OnFilm
) -> Attribution:
    """A square patch slides over the film; a pixel's value is the mean drop of the probability over the patches that hid it.

    images: (N, H, W, 1) float32 grey levels 0-255; targets: (N,) class indices; settings: patch and stride (shares of the
    film's side), baseline (what a hidden patch becomes: black, mean or blurred).
    Signed values in probability. Nothing is random, so the seed is not used. numbers: spread (largest minus smallest
    probability seen); zero = 1 where the map is all 0.
    Raises: ValueError for wrong shapes or settings.
    Source: Zeiler & Fergus 2014, arXiv 1311.2901.
    """
    check_films(images, targets)
    check_settings("occlusion", settings, ["patch", "stride", "baseline"])
    side = images.shape[1]
    patch, stride = (max(1, round(float(settings[key]) * side)) for key in ("patch", "stride"))
    corners = [(y, x) for y in _starts(images.shape[1], patch, stride) for x in _starts(images.shape[2], patch, stride)]
    whole = np.asarray(explained.predict(images), np.float64)
    check_targets(targets, whole.shape[1])
    values = np.zeros(images.shape[:3], np.float32)  # (N, H, W)
    spread = np.zeros(len(images), np.float64)  # (N,)
    for i, film in enumerate(images[..., 0]):
        hidden, target = baseline_of(str(settings["baseline"]), film), int(targets[i])
        total, count = np.zeros((2, *film.shape), np.float64)  # each (H, W)
        met = [whole[i, target]]
        for start in range(0, len(corners), BATCH):
            some = corners[start : start + BATCH]
            copies = explained.copies(len(some), film.shape)
            for one, (y, x) in zip(copies[..., 0], some, strict=True):
                one[:] = film
                one[y : y + patch, x : x + patch] = hidden[y : y + patch, x : x + patch]
            predictions = np.asarray(explained.predict(copies), np.float64)[:, target]
            met += predictions.tolist()
            for prediction, (y, x) in zip(predictions, some, strict=True):
                total[y : y + patch, x : x + patch] += whole[i, target] - prediction
                count[y : y + patch, x : x + patch] += 1
        spread[i] = max(met) - min(met)
        values[i] = total / np.maximum(count, 1)
        on_film(i + 1, len(images))
    return Attribution(
        values=values,
        method="occlusion",
        targets=np.asarray(targets, np.int64),
        signed=True,
        parameters={**settings, "patch_pixels": patch, "stride_pixels": stride},
        numbers={"spread": spread, "zero": np.asarray(~values.any(axis=(1, 2)), np.float64)},
    )


def _starts(extent: int, patch: int, stride: int) -> list[int]:
    """Where patches begin, the last one at the far edge."""
    last = max(extent - patch, 0)
    return sorted({*range(0, last + 1, stride), last})
