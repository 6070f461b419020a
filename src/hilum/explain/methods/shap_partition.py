"""SHAP Partition: shares of the prediction for halves of the film, halves of those, and so on where it matters most."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilum.explain.explained_model import BATCH, ExplainedModel, OnFilm, check_films, check_settings, check_targets
from hilum.explain.methods.baselines import baseline_of
from hilum.explain.methods.shap_gradients import own_random_state
from hilum.records import Attribution, Images, Labels


def explain(
    explained: ExplainedModel, images: Images, targets: Labels, settings: Mapping[str, Any], seed: int, on_film: OnFilm
) -> Attribution:
    """shap's PartitionExplainer (Owen values over a tree of rectangles) for the target's probability.

    images: (N, H, W, 1) float32 grey levels 0-255; targets: (N,) class indices; settings: evaluations (of the model per film, at
    most, about), baseline (what is hidden becomes: black, mean or blurred).
    Signed values in probability, spread evenly over each rectangle that was not divided further. They add up to the film's
    probability minus the baseline's (numbers: difference; additivity_error is rounding); zero = 1 where the map is all 0.
    Nothing is random, so the seed is not used. shap keeps a mask of one byte per pixel for each waiting rectangle.
    Raises: ValueError for wrong shapes or settings.
    Source: Lundberg & Lee 2017, arXiv 1705.07874; Owen 1977, doi 10.1007/978-3-642-45494-3_7.
    """
    check_films(images, targets)
    check_settings("shap_partition", settings, ["evaluations", "baseline"])

    import shap

    def predict(films: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(explained.predict(np.asarray(films, np.float32)), np.float64)

    whole = predict(images)
    check_targets(targets, whole.shape[1])
    values = np.zeros(images.shape[:3], np.float32)  # (N, H, W)
    difference, total = np.zeros((2, len(images)), np.float64)  # each (N,)
    masker = shap.maskers.Image(np.zeros(images.shape[1:], np.float32))
    for i, film in enumerate(images):
        hidden = baseline_of(str(settings["baseline"]), film[..., 0])
        masker.mask_value = hidden.ravel()  # the tree of rectangles stays
        target = int(targets[i])
        explainer = shap.PartitionExplainer(predict, masker)
        with own_random_state():
            found = explainer(
                film[np.newaxis], max_evals=int(settings["evaluations"]), batch_size=BATCH, outputs=[target], silent=True
            )
        prediction = np.asarray(found.values, np.float64).reshape(images.shape[1:3])
        difference[i] = whole[i, target] - predict(hidden[np.newaxis, ..., np.newaxis])[0, target]
        total[i] = prediction.sum()
        values[i] = prediction
        on_film(i + 1, len(images))
    return Attribution(
        values=values,
        method="shap_partition",
        targets=np.asarray(targets, np.int64),
        signed=True,
        parameters=dict(settings),
        numbers={
            "difference": difference,
            "additivity_error": total - difference,
            "zero": np.asarray(~values.any(axis=(1, 2)), np.float64),
        },
    )
