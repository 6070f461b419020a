"""Sampled Shapley values of superpixels: what each adds to the prediction, on average over random orders of showing them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilum.explain.explained_model import BATCH, ExplainedModel, OnFilm, check_films, check_settings, check_targets, numbers_of
from hilum.explain.methods.baselines import baseline_of
from hilum.explain.methods.lime_superpixels import SEGMENTATION, segment, show_superpixels
from hilum.explain.methods.shap_gradients import own_random_state
from hilum.records import Attribution, Images, Labels


def explain(
    explained: ExplainedModel, images: Images, targets: Labels, settings: Mapping[str, Any], seed: int, on_film: OnFilm
) -> Attribution:
    """shap's PermutationExplainer over superpixels for the target's probability, painted on the superpixels' pixels.

    images: (N, H, W, 1) float32 grey levels 0-255; targets: (N,) class indices; settings: orders (random orders, each walked
    forwards and backwards), superpixels, compactness and sigma as for `lime`, baseline (what is hidden becomes: black, mean or
    blurred).
    Signed values in probability per superpixel; regions: (N, H, W) superpixels, the same as LIME's. Over the superpixels they
    add up to the film's probability minus the baseline's (numbers: difference; additivity_error is rounding).
    numbers: superpixels (found); spread_of_orders (largest standard error of a superpixel's value over the walks);
    zero = 1 where the map is all 0. The seed sets the orders, the same for every film.
    Raises: ValueError for wrong shapes or settings.
    Source: Castro et al. 2009, doi 10.1016/j.cor.2008.04.004; Mitchell et al. 2022, arXiv 2104.12199 (both directions).
    """
    check_films(images, targets)
    check_settings("shapley", settings, [*SEGMENTATION, "orders", "baseline"])
    whole = np.asarray(explained.predict(images), np.float64)
    check_targets(targets, whole.shape[1])
    values = np.zeros(images.shape[:3], np.float32)  # (N, H, W)
    regions = np.zeros(images.shape[:3], np.int32)  # (N, H, W)
    rows = []
    for i, film in enumerate(images[..., 0]):
        regions[i] = segment(film, **{key: settings[key] for key in SEGMENTATION})
        hidden, target = baseline_of(str(settings["baseline"]), film), int(targets[i])
        weights, error = _permute(explained, film, hidden, regions[i], target, int(settings["orders"]), seed)
        empty = np.asarray(explained.predict(hidden[np.newaxis, ..., np.newaxis]), np.float64)[0, target]
        values[i] = weights[regions[i]]
        difference = whole[i, target] - empty
        rows.append(
            {
                "superpixels": float(len(weights)),
                "difference": difference,
                "additivity_error": float(weights.sum()) - difference,
                "spread_of_orders": error,
                "zero": float(not values[i].any()),
            }
        )
        on_film(i + 1, len(images))
    return Attribution(
        values=values,
        method="shapley",
        targets=np.asarray(targets, np.int64),
        signed=True,
        parameters={**settings, "seed": seed, "segmentation": "slic"},
        numbers=numbers_of(rows),
        regions=regions,
    )


def _permute(
    explained: ExplainedModel,
    film: NDArray[np.float32],
    hidden: NDArray[np.float32],
    regions: NDArray[np.int32],
    target: int,
    orders: int,
    seed: int,
) -> tuple[NDArray[np.float64], float]:
    """One film's (M,) values and the largest of their standard errors."""
    import shap

    count = int(regions.max()) + 1

    def prediction(shown: NDArray[Any]) -> NDArray[np.float64]:  # (B, M) of 0 and 1 -> (B,)
        parts = []
        for start in range(0, len(shown), BATCH):
            copies = show_superpixels(explained, shown[start : start + BATCH].astype(bool), regions, film, hidden)
            parts.append(np.asarray(explained.predict(copies), np.float64)[:, target])
        return np.concatenate(parts)

    with own_random_state():
        explainer = shap.PermutationExplainer(prediction, np.zeros((1, count)), seed=seed)
        walk = 2 * count + 1  # films from the hidden to the whole film and back
        found = explainer(np.ones((1, count)), max_evals=orders * walk, batch_size=walk, error_bounds=True, silent=True)
    values = np.asarray(found.values, np.float64)[0]
    errors = np.zeros(count) if found.error_std is None else np.asarray(found.error_std, np.float64)[0]
    return values, float(errors.max()) / np.sqrt(2 * orders)
