"""LayerCAM: like Grad-CAM, but each cell is weighted by its own gradient, so that it works on lower layers too."""

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
    """LayerCAM on the logits, at the size of the film.

    images: (N, H, W, 1) float32 grey levels 0-255; targets: (N,) class indices; settings: layer (`last`, `finer` or a name).
    Values >= 0: rectified sum over the channels of activation times rectified gradient of the target's logit; not normalised.
    At the last convolution below a global average pooling the gradient is the same in every cell, and LayerCAM is Grad-CAM++;
    it differs at a finer layer.
    Nothing is random, so the seed is not used. numbers: maximum of the map; zero = 1 where the map is all zeros.
    Raises: ValueError for wrong shapes or settings, or a layer that does not cut the graph.
    Source: Jiang et al. 2021, doi 10.1109/TIP.2021.3089943.
    """
    return explain_on_tail("layercam", _cells, explained, images, targets, settings, on_film)


def _cells(tail: "keras.Model", activations: Any, targets: Labels) -> NDArray[np.float32]:
    from tf_keras_vis.layercam import Layercam
    from tf_keras_vis.utils.scores import CategoricalScore

    return np.asarray(Layercam(tail)(CategoricalScore([int(k) for k in targets]), activations, **at_input()), np.float32)
