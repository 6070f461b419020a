"""Grad-CAM: where the last convolution raises the target's logit."""

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
    """Grad-CAM on the logits, at the size of the film.

    images: (N, H, W, 1) float32 grey levels 0-255; targets: (N,) class indices; settings: layer (`last` or a layer's name).
    Values >= 0: rectified sum of the layer's channels, each weighted by the mean gradient of the target's logit. They are not
    normalised, so two films or two arms can be compared. Nothing is random, so the seed is not used. numbers: maximum of the
    map; zero = 1 where no cell argues for the target, whose map is all zeros.

    The forward pass up to the layer runs once per batch and tf-keras-vis works on the part above it. The softmax
    has no gradient where a prediction is certain, hence the logits.
    Raises: ValueError for wrong shapes or settings, or a layer that does not cut the graph.
    Source: Selvaraju et al. 2017, arXiv 1610.02391.
    """
    return explain_on_tail("gradcam", _cells, explained, images, targets, settings, on_film)


def _cells(tail: "keras.Model", activations: Any, targets: Labels) -> NDArray[np.float32]:
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.utils.scores import CategoricalScore

    return np.asarray(Gradcam(tail)(CategoricalScore([int(k) for k in targets]), activations, **at_input()), np.float32)
