"""One method for the most probable classes of each film, as shap's `ranked_outputs` does: what argues for each of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hilum.explain.explained_model import ExplainedModel, OnFilm
from hilum.explain.methods.registry import METHODS
from hilum.records import Attribution, Images, Probabilities


def maps_of_ranked_classes(
    method: str,
    explained: ExplainedModel,
    images: Images,
    probabilities: Probabilities,
    count: int,
    settings: Mapping[str, Any],
    seed: int,
    on_film: OnFilm,
) -> list[Attribution]:
    """The maps of each film's most probable class, then those of its second, and so on; targets say which class that is.

    images: (N, H, W, 1) float32 grey levels 0-255; probabilities: (N, K) of these films; count: classes, at most K are taken;
    settings: of the method. All ranks take the same draws, so that they can be compared.
    Raises: ValueError for an unknown method, fewer than one class, or input that the method refuses.
    """
    if method not in METHODS:
        raise ValueError(f"explain.ranked.method must be one of {', '.join(METHODS)}, got {method!r}; use one of these")
    if count < 1:
        raise ValueError(f"explain.ranked.classes must be at least 1, got {count}; use a number from 1")
    ranked = rank_classes(probabilities)
    ways = range(min(count, ranked.shape[1]))
    return [METHODS[method].explain(explained, images, ranked[:, rank], settings, seed, on_film) for rank in ways]


def rank_classes(probabilities: Probabilities) -> np.ndarray:
    """Class indices (N, K) of each film, the most probable first; equal ones in class order."""
    return np.argsort(-probabilities, axis=1, kind="stable").astype(np.int64)
