"""LIME's three views of one film: what argues for the class, the same with all else masked, and what argues for and against."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hilum.explain.explained_model import check_settings
from hilum.records import Attribution

if TYPE_CHECKING:
    from lime.lime_image import ImageExplanation


@dataclass(frozen=True)
class Views:
    """Masks (H, W) of one film. pros: the strongest superpixels that argue for the class; signs: 1 for, -1 against, 0 neither,
    of the strongest of both kinds; regions: the number of each pixel's superpixel."""

    pros: NDArray[np.bool_]
    signs: NDArray[np.int8]
    regions: NDArray[np.int32]


def view_superpixels(film: NDArray[np.generic], attribution: Attribution, index: int, settings: Mapping[str, Any]) -> Views:
    """What lime's `get_image_and_mask` shows of a map that `lime` made, read from the map itself.

    film: (H, W) grey levels 0-255; index: of the film in the attribution; settings: features (superpixels shown, the strongest),
    min_weight (of a shown superpixel, probability).
    Pros are drawn from those that argue for the class alone, so up to `features` of them; signs from both kinds together.
    Raises: ValueError for other settings, or an attribution without superpixels.
    """
    check_settings("lime_views", settings, ["features", "min_weight"])
    if attribution.regions is None:
        raise ValueError(f"views of superpixels must have LIME's map, got one of {attribution.method} without regions")
    regions = attribution.regions[index]
    explanation = _explanation_of(film, attribution.values[index], regions)
    shown: dict[str, Any] = {"num_features": int(settings["features"]), "min_weight": float(settings["min_weight"])}
    _, pros = explanation.get_image_and_mask(0, positive_only=True, hide_rest=True, **shown)
    _, signs = explanation.get_image_and_mask(0, positive_only=False, hide_rest=False, **shown)
    return Views(pros == 1, signs.astype(np.int8), regions)


def _explanation_of(film: NDArray[np.generic], values: NDArray[np.float32], regions: NDArray[np.int32]) -> "ImageExplanation":
    """lime's own record of an explanation, its superpixels by falling |weight|, under the label 0."""
    from lime.lime_image import ImageExplanation

    numbers, first = np.unique(regions, return_index=True)
    weights = values.reshape(-1)[first]
    explanation = ImageExplanation(np.repeat(film[..., np.newaxis], 3, axis=-1), regions)
    order = np.argsort(-np.abs(weights), kind="stable")
    explanation.local_exp[0] = [(int(numbers[i]), float(weights[i])) for i in order if weights[i] != 0]
    return explanation
