"""Maps of one film by one model: by any method, at another layer, at the last layers, and LIME's superpixels."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hilum.app.film_predictions import Predicted
from hilum.app.served_models import ServedModel
from hilum.data.prepared.examples import as_images
from hilum.data.prepared.geometry import Geometry
from hilum.explain.explained_model import check_model
from hilum.explain.methods.registry import METHODS
from hilum.explain.sheets.lime_views import Views, view_superpixels
from hilum.records import Attribution
from hilum.serving.opening import MEANS
from hilum.settings.explain import Explain

AT_LAYERS = "gradcam"  # the method of the sheet of layers


@dataclass(frozen=True)
class MapOrder:
    """A map that is wanted. model: its address. target: index of the class. layer: empty for the method's own."""

    model: str
    method: str
    target: int
    layer: str = ""

    @property
    def title(self) -> str:
        """Method, and layer where one was chosen."""
        name = METHODS[self.method].title
        return f"{name} at {self.layer}" if self.layer else name


@dataclass(frozen=True)
class FilmMap:
    """One map of the current film.

    model: address of the model. title: method, and layer where it is of one. attribution: of this one film, values (1, S, S) at
    the prepared size. geometry: where the film lies in that square. seconds: what it took.
    """

    order: MapOrder
    attribution: Attribution
    geometry: Geometry
    seconds: float

    @property
    def model(self) -> str:
        return self.order.model

    @property
    def title(self) -> str:
        return self.order.title


def make_map(served: ServedModel, predicted: Predicted, order: MapOrder, settings: Explain) -> FilmMap:
    """A map as `explain --image` makes it; with the sanity gate's verdict where the method has the settings that were tested.

    Raises:
        ValueError: the method cannot explain this model, or not at this layer.
    """
    own: dict[str, Any] = getattr(settings, order.method).model_dump()
    tested = served.verdicts.get(order.method, "")
    if order.layer and order.layer != own.get("layer"):
        own, tested = {**own, "layer": order.layer}, ""
    images = as_images(predicted.film.film[np.newaxis])  # (1, S, S, 1)
    begun = time.perf_counter()
    found = METHODS[order.method].explain(
        served.explained, images, np.array([order.target]), own, settings.seed, lambda done, total: None
    )
    seconds = time.perf_counter() - begun
    return FilmMap(order, replace(found, sanity=tested), predicted.film.geometry, seconds)


def usable_methods(served: ServedModel) -> dict[str, str]:
    """Every method -> why this model cannot be explained by it; empty where it can."""
    lacks = served.explained.background is None
    return {name: f"needs {MEANS} beside the model" if lacks and method.background else "" for name, method in METHODS.items()}


def takes_layer(method: str) -> bool:
    """Whether the layer of a method's maps can be chosen."""
    return "layer" in METHODS[method].settings.model_fields


def layers_of(served: ServedModel) -> list[str]:
    """The layers of a model whose cells a map can show, the highest first: an output of each step of convolutions."""
    return served.explained.once("layers of the app", lambda: _find_layers(served))


def _find_layers(served: ServedModel) -> list[str]:
    from hilum.explain.map_layers import convolution_steps  # Keras

    return convolution_steps(check_model(AT_LAYERS, served.explained, np.zeros(1, np.int64)))[::-1]


def order_layers(served: ServedModel, target: int, count: int) -> list[MapOrder]:
    """Grad-CAM at the last `count` layers with cells, the highest first."""
    return [MapOrder(served.address, AT_LAYERS, target, layer) for layer in layers_of(served)[:count]]


def list_missing(wanted: Sequence[MapOrder], there: Sequence[FilmMap]) -> list[MapOrder]:
    """The wanted maps that are not there, the quick ones first."""
    made = {one.order for one in there}
    return sorted((one for one in dict.fromkeys(wanted) if one not in made), key=lambda one: not METHODS[one.method].quick)


def view_lime(found: FilmMap, predicted: Predicted, settings: Explain) -> Views:
    """LIME's views of its map: what argues for the class, and what argues for and against."""
    return view_superpixels(predicted.film.film, found.attribution, 0, settings.lime_views.model_dump())
