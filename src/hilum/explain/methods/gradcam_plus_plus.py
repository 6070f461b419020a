"""Grad-CAM++: Grad-CAM with weights that count several places of one finding equally."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hilum.explain.explained_model import ExplainedModel, OnFilm
from hilum.explain.methods.cams import at_input, explain_on_tail
from hilum.records import Attribution, Images, Labels

if TYPE_CHECKING:
    import keras


def explain(
    explained: ExplainedModel, images: Images, targets: Labels, settings: Mapping[str, Any], seed: int, on_film: OnFilm
) -> Attribution:
    """Grad-CAM++ on the logits, at the size of the film.

    images: (N, H, W, 1) float32 grey levels 0-255; targets: (N,) class indices; settings: layer (`last` or a layer's name).
    Values >= 0: rectified sum of the layer's channels, weighted by rectified gradients of the target's logit that are averaged
    with the method's alphas. Nothing is random, so the seed is not used. numbers: maximum of the map; zero = 1 where the map is
    all zeros.

    The method differentiates exp(logit), which overflows for certain predictions and scales each film's map by exp(logit). The
    logit minus itself as a constant has the same derivatives up to that factor: maps stay in logits and can be compared.
    Raises: ValueError for wrong shapes or settings, or a layer that does not cut the graph.
    Source: Chattopadhyay et al. 2018, arXiv 1710.11063.
    """
    return explain_on_tail("gradcam_plus_plus", _cells, explained, images, targets, settings, on_film)


def _cells(tail: "keras.Model", activations: Any, targets: Labels) -> NDArray[np.float32]:
    import tensorflow as tf
    from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus

    def score(logits: Any) -> Any:
        own = tf.gather(logits, tf.constant(targets, tf.int32), batch_dims=1)
        return own - tf.stop_gradient(own)

    return np.asarray(GradcamPlusPlus(tail)(score, activations, **at_input()), np.float32)
