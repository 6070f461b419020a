"""Saliency and SmoothGrad: how strongly each pixel would move the target's logit, for or against."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from hilum.explain.explained_model import ExplainedModel, OnFilm, check_films, check_model, check_settings, unsigned_map
from hilum.records import Attribution, Images, Labels, Maps

if TYPE_CHECKING:
    import keras

BATCH = 32  # films per gradient


def explain(
    explained: ExplainedModel, images: Images, targets: Labels, settings: Mapping[str, Any], seed: int, on_film: OnFilm
) -> Attribution:
    """Saliency: |gradient| of the target's logit at the film.

    images: (N, H, W, 1) float32 grey levels 0-255; targets: (N,) class indices; settings: none.
    Values >= 0 in logits per grey level, not normalised; they do not separate for from against. Nothing is random, so the seed is
    not used. numbers: maximum of the map; zero = 1 where the map is all zeros.
    Raises: ValueError for wrong shapes or settings.
    Source: Simonyan et al. 2014, arXiv 1312.6034.
    """
    check_films(images, targets)
    check_settings("saliency", settings, [])
    logits = _logits(check_model("saliency", explained, targets))
    parts = []
    for start in range(0, len(images), BATCH):
        parts.append(_gradients(logits, images[start : start + BATCH], targets[start : start + BATCH]))
        on_film(min(start + BATCH, len(images)), len(images))
    return unsigned_map("saliency", np.concatenate(parts), targets, {})


def explain_smoothly(
    explained: ExplainedModel, images: Images, targets: Labels, settings: Mapping[str, Any], seed: int, on_film: OnFilm
) -> Attribution:
    """SmoothGrad: the mean of Saliency over noisy copies of the film.

    images: (N, H, W, 1) float32 grey levels 0-255; targets: (N,) class indices; settings: samples (noisy copies per film),
    noise (standard deviation, as a share of the film's own range of grey levels).
    Values >= 0 in logits per grey level, not normalised; they do not separate for from against.
    numbers: maximum of the map; zero = 1 where the map is all zeros.

    The seed sets the noise, drawn as tf-keras-vis draws it (equal maps), the same for every film. The copies of a film are one
    batch here: its own loop takes one gradient per copy, and one draw for the whole batch of films.
    Raises: ValueError for wrong shapes or settings.
    Source: Smilkov et al. 2017, arXiv 1706.03825.
    """
    check_films(images, targets)
    check_settings("smoothgrad", settings, ["samples", "noise"])
    logits = _logits(check_model("smoothgrad", explained, targets))
    samples, share = int(settings["samples"]), float(settings["noise"])
    noise = np.random.RandomState(seed).normal(0.0, 1.0, (samples, *images.shape[1:]))
    values = np.zeros(images.shape[:3], np.float32)  # (N, H, W)
    for i, film in enumerate(images):
        copies = (film + noise * (share * float(film.max() - film.min()))).astype(np.float32)
        total = np.zeros(images.shape[1:3], np.float64)  # (H, W)
        for start in range(0, samples, BATCH):
            some = copies[start : start + BATCH]
            total += _gradients(logits, some, np.repeat(targets[i], len(some))).sum(axis=0, dtype=np.float64)
        values[i] = total / samples
        on_film(i + 1, len(images))
    return unsigned_map("smoothgrad", values, targets, {**settings, "seed": seed})


def _logits(model: "keras.Model") -> "keras.Model":
    import keras

    return keras.Model([model.input], model.get_layer("logits").output)  # a list, because tf-keras-vis calls it with one


def _gradients(logits: "keras.Model", films: Images, targets: Labels) -> Maps:
    """(N, H, W) |gradient| of each film's target."""
    from tf_keras_vis.saliency import Saliency
    from tf_keras_vis.utils.scores import CategoricalScore

    found = Saliency(logits)(CategoricalScore([int(k) for k in targets]), films, normalize_map=False)
    return np.asarray(found, np.float32)
