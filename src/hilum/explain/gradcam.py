"""Grad-CAM: where the last convolution raises the target's logit."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hilum.explain.subject import OnFilm, Subject, check_films, check_model, check_settings
from hilum.records import Attribution, Images, Labels

if TYPE_CHECKING:
    import keras

BATCH = 32  # films per pass; larger ones gain nothing on a CPU


def explain(
    subject: Subject, images: Images, targets: Labels, settings: Mapping[str, Any], seed: int, on_film: OnFilm
) -> Attribution:
    """Grad-CAM on the logits, at the size of the film.

    images: (N, H, W, 1) float32 grey levels 0-255; targets: (N,) class indices; settings: layer (`last` or a layer's name).
    Values >= 0: rectified sum of the layer's channels, each weighed by the mean gradient of the target's logit. They are not
    normalised, so two films or two arms can be compared. Nothing is random, so the seed is not used. numbers: maximum of the
    map; zero = 1 where no cell argues for the target, whose map is all zeros.

    The forward pass up to the layer runs once per batch and tf-keras-vis works on what stands above it. On the softmax a
    certain verdict would have no gradient, hence the logits.
    Raises: ValueError for wrong shapes or settings, or a layer that does not cut the graph.
    Source: Selvaraju et al. 2017, arXiv 1610.02391.
    """
    from hilum.models.classifier import cut, last_convolution

    check_films(images, targets)
    check_settings("gradcam", settings, ["layer"])
    model = check_model("gradcam", subject, targets)
    layer = last_convolution(model) if settings["layer"] == "last" else str(settings["layer"])
    prefix, tail = cut(model, layer)
    logits = logits_of_tail(tail)

    parts = []
    for start in range(0, len(images), BATCH):
        batch = slice(start, start + BATCH)
        cells = _cells(logits, prefix(images[batch], training=False), targets[batch])
        parts.append(_resize(cells, images.shape[1:3]))
        on_film(min(start + BATCH, len(images)), len(images))
    values = np.concatenate(parts)
    maximum = values.max(axis=(1, 2)).astype(np.float64)
    return Attribution(
        values=values,
        method="gradcam",
        targets=np.asarray(targets, np.int64),
        signed=False,
        parameters={"layer": layer, "output": "logits", "resize": "bilinear", "cells": list(prefix.output.shape[1:3])},
        numbers={"maximum": maximum, "zero": (maximum == 0).astype(np.float64)},
    )


def logits_of_tail(tail: "keras.Model") -> "keras.Model":
    """A copy of the part above the cut that ends at the logits.

    The copy matters: layers shared with the full model answer `get_layer(...).output` with the full model's tensor.
    """
    import keras

    copy = keras.models.clone_model(tail)
    copy.set_weights(tail.get_weights())
    return keras.Model(copy.input, copy.get_layer("logits").output)


def _cells(logits: "keras.Model", activations: Any, targets: Labels) -> NDArray[np.float32]:
    """Grad-CAM at the size of the layer: (N, h, w), not normalised."""
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.utils.scores import CategoricalScore

    cells = Gradcam(logits)(
        CategoricalScore([int(target) for target in targets]),
        activations,
        penultimate_layer=0,  # the input of the tail, which is the output of the chosen layer
        seek_penultimate_conv_layer=False,
        expand_cam=False,
        normalize_cam=False,
    )
    return np.asarray(cells, np.float32)


def _resize(cells: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Bilinear, (N, h, w) -> (N, H, W)."""
    import tensorflow as tf

    return np.asarray(tf.image.resize(cells[..., np.newaxis], size, method="bilinear")[..., 0], np.float32)
