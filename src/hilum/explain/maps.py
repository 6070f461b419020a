"""Maps of films by every selected method, how they are made again, and SHAP's background films."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from hilum.data.prepared.examples import as_images
from hilum.data.prepared.loading import SplitFilms
from hilum.explain.explained_model import ExplainedModel
from hilum.explain.measures.evaluation_case import Remake
from hilum.explain.methods.registry import METHODS
from hilum.progress import bar
from hilum.records import Attribution, Films, Images, Keep, Labels, make_now
from hilum.settings.explain import Explain


def background_films(settings: Explain) -> int:
    """Training films to draw as background: the largest number that a method needs; each method then chooses among them."""
    return max(getattr(settings, name).background for name, method in METHODS.items() if method.background)


def draw_background(train: SplitFilms, count: int, seed: int) -> np.ndarray:
    """A seeded sample of training films, SHAP's background."""
    rows = np.random.default_rng(seed).permutation(len(train.table))[:count]
    return as_images(train.take(np.sort(rows)).films)


def explain_films(
    explained: ExplainedModel,
    films: Films,
    targets: Labels,
    settings: Explain,
    seed: int,
    on_method: Callable[[str, float], None] = lambda name, seconds: None,
    keep: Keep = make_now,
    part: str = "maps",
) -> dict[str, Attribution]:
    """Every selected method on every film; on_method receives each one's name and seconds.

    part: what `keep` calls the maps, with the method's name after it.
    """
    images = as_images(films)
    found = {}
    for name in settings.methods:
        found[name], seconds = keep(f"{part}-{name}", partial(_explain_timed, name, explained, images, targets, settings, seed))
        on_method(name, seconds)
    return found


def _explain_timed(
    name: str, explained: ExplainedModel, images: Images, targets: Labels, settings: Explain, seed: int
) -> tuple[Attribution, float]:
    own: Mapping[str, Any] = getattr(settings, name).model_dump()
    start = time.perf_counter()
    found = METHODS[name].explain(explained, images, targets, own, seed, bar(METHODS[name].title))
    return found, time.perf_counter() - start


def remake(settings: Explain, name: str, targets: Labels) -> Remake:
    """A function that repeats a method for these targets: on another model, on noisy films or with another seed."""
    own: Mapping[str, Any] = getattr(settings, name).model_dump()
    return lambda explained, images, seed: (
        METHODS[name].explain(explained, images, targets, own, seed, lambda done, total: None).values
    )
