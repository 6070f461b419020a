"""Score-CAM: each channel of a layer is laid over the film as a mask, and weighted by the prediction for the masked film."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hilum.explain.explained_model import ExplainedModel, OnFilm, check_films, check_model, check_settings, unsigned_map
from hilum.explain.methods.cams import cells_of, cut_at, resize_cells
from hilum.records import Attribution, Images, Labels

if TYPE_CHECKING:
    import keras

BATCH = 32  # masked films per pass


def explain(
    explained: ExplainedModel, images: Images, targets: Labels, settings: Mapping[str, Any], seed: int, on_film: OnFilm
) -> Attribution:
    """Score-CAM on the probabilities, at the size of the film.

    images: (N, H, W, 1) float32 grey levels 0-255; targets: (N,) class indices; settings: layer (`last` or a layer's name),
    max_N (the channels of the largest spread over the film that are tried, at most).
    Values >= 0: rectified sum of those channels, each weighted by how far the target's probability on the film masked by that
    channel exceeds that on a black film. Nothing is random, so the seed is not used; films go one by one, because
    tf-keras-vis chooses the channels of a batch together. numbers: maximum of the map; zero = 1 where the map is all zeros;
    channels (tried).
    Raises: ValueError for wrong shapes or settings, or a layer that does not cut the graph.
    Source: Wang et al. 2020, arXiv 1910.01279.
    """
    check_films(images, targets)
    check_settings("scorecam", settings, ["layer", "max_N"])
    model = check_model("scorecam", explained, targets)

    from tf_keras_vis.scorecam import Scorecam

    from hilum.models.flatten import renew

    layer, prefix, _ = cut_at(model, str(settings["layer"]))
    channels = min(int(settings["max_N"]), int(prefix.output.shape[-1]))
    scored = _with_log_probabilities(renew(model))
    explainer = Scorecam(scored)
    black = np.exp(scored.predict([np.zeros_like(images[:1])], 1)[0])  # (K,) probabilities
    values = np.zeros(images.shape[:3], np.float32)  # (N, H, W)
    for i in range(len(images)):
        k = int(targets[i])
        found = explainer(
            lambda predictions, k=k: predictions[:, k] - float(black[k]),
            images[i : i + 1],
            penultimate_layer=layer,
            seek_penultimate_conv_layer=False,
            batch_size=BATCH,
            max_N=channels,
            expand_cam=False,
            normalize_cam=False,
        )
        values[i] = resize_cells(np.asarray(found, np.float32), images.shape[1:3])[0]
        on_film(i + 1, len(images))
    parameters = {"layer": layer, "max_N": int(settings["max_N"])}
    made = unsigned_map("scorecam", values, targets, parameters, cells_of(prefix, layer))
    return replace(made, numbers={**made.numbers, "channels": np.full(len(images), float(channels))})


def _with_log_probabilities(model: "keras.Model") -> "keras.Model":
    """The model with a fast and silent `predict` that gives log probabilities: tf-keras-vis puts a softmax above it."""
    import keras

    from hilum.models.forward import compile_forward

    class LogProbabilities(keras.Model):
        def predict(self, films: Any, batch_size: int) -> NDArray[np.float32]:
            predictions = forward(np.asarray(films[0], np.float32))
            return np.log(np.maximum(predictions, np.finfo(np.float32).tiny))

    forward = compile_forward(model, constants=True)
    return LogProbabilities(model.input, model.output)
