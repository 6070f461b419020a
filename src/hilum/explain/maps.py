"""Maps of films by every wanted method, once or once more, and what SHAP measures them against."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hilum.data.prepared.examples import as_images
from hilum.data.prepared.loading import SplitFilms
from hilum.explain.explained_model import ExplainedModel
from hilum.explain.measures.evaluation_case import Remake
from hilum.explain.methods.registry import METHODS
from hilum.progress import bar
from hilum.records import Attribution, Films, Labels
from hilum.settings.explain import Explain


def background_films(settings: Explain) -> int:
    """How many training films to draw as background: as many as the method that asks for most; each then takes its own choice."""
    return max(getattr(settings, name).background for name, method in METHODS.items() if method.background)


def draw_background(train: SplitFilms, count: int, seed: int) -> np.ndarray:
    """A seeded sample of training films: what SHAP measures against."""
    rows = np.random.default_rng(seed).permutation(len(train.table))[:count]
    return as_images(train.take(np.sort(rows)).films)


def explain_films(
    explained: ExplainedModel,
    films: Films,
    targets: Labels,
    settings: Explain,
    seed: int,
    on_method: Callable[[str, float], None] = lambda name, seconds: None,
) -> dict[str, Attribution]:
    """Every wanted method on every film; on_method hears each one's name and seconds."""
    images = as_images(films)
    found = {}
    for name in settings.methods:
        own: Mapping[str, Any] = getattr(settings, name).model_dump()
        start = time.perf_counter()
        found[name] = METHODS[name].explain(explained, images, targets, own, seed, bar(METHODS[name].title))
        on_method(name, time.perf_counter() - start)
    return found


def remake(settings: Explain, name: str, targets: Labels) -> Remake:
    """A method once more, for these classes of as many films: on another model, noisy films, another seed."""
    own: Mapping[str, Any] = getattr(settings, name).model_dump()
    return lambda explained, images, seed: (
        METHODS[name].explain(explained, images, targets, own, seed, lambda done, total: None).values
    )
