"""The same method at several layers of one model: which layers, and their maps."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hilum.explain.explained_model import ExplainedModel, OnFilm, check_model, check_settings
from hilum.explain.methods import gradcam, shap_layer
from hilum.explain.methods.cams import BATCH, compile_cut
from hilum.records import Attribution, Images, Labels

if TYPE_CHECKING:
    import keras

LAST, FIRST = "last", "first"


def gradcam_at_layers(
    explained: ExplainedModel, images: Images, targets: Labels, settings: Mapping[str, Any], seed: int, on_film: OnFilm
) -> list[Attribution]:
    """Grad-CAM at each chosen layer, the highest layer first where they are counted.

    settings: layers, how many of the last convolutions (a number) or which layers (`last`, `first` or names).
    Each map has the units of its layer: a logit is spread over more cells where there are more.
    Raises: ValueError for wrong shapes or settings, or a layer that does not cut the graph (the message lists those that do).
    """
    check_settings("gradcam_layers", settings, ["layers"])
    model = check_model("gradcam_layers", explained, targets)
    layers = choose_layers("gradcam_layers", model, settings["layers"])
    own = ExplainedModel(explained.predict, model, explained.background, explained.fleeting)  # whatever others have compiled
    for layer in layers:
        compile_cut(own, model, layer, few=len(images) < BATCH)
    return [gradcam.explain(own, images, targets, {"layer": layer}, seed, on_film) for layer in layers]


def shap_at_layers(
    explained: ExplainedModel, images: Images, targets: Labels, settings: Mapping[str, Any], seed: int, on_film: OnFilm
) -> list[Attribution]:
    """shap's GradientExplainer at the input of each chosen layer, the highest layer first where they are counted.

    settings: layers, a number n (the layers that read the last n convolutions) or which (`last` or names); the others as for
    `shap_layer`. Every map has logits for its unit, and its own additivity error.
    Raises: ValueError for wrong shapes or settings, no background, or a layer whose input does not cut the graph (the message
    lists those that do).
    """
    own = {key: value for key, value in settings.items() if key != "layers"}
    check_settings("shap_layers", settings, [*own, "layers"])
    model = check_model("shap_layers", explained, targets)
    layers = choose_readers("shap_layers", model, settings["layers"])
    return [shap_layer.explain(explained, images, targets, {**own, "layer": layer}, seed, on_film) for layer in layers]


def choose_layers(place: str, model: "keras.Model", asked: int | Sequence[str]) -> list[str]:
    """The layers that `explain.<place>.layers` asks for, by name: the last n convolutions, the highest first, or named.

    Raises: ValueError naming the legal layers.
    """
    from hilum.explain.map_layers import convolution_steps, spatial_cuts

    steps, legal = convolution_steps(model), spatial_cuts(model)
    if not steps:
        raise ValueError(
            f"explain.{place} must have a model with a convolution that every path crosses, got {model.name} without"
        )
    if isinstance(asked, int):
        return steps[: -asked - 1 : -1]
    named = [{LAST: legal[-1], FIRST: steps[0]}.get(name, name) for name in asked]
    if strange := [name for name in named if name not in legal]:
        raise ValueError(
            f"explain.{place}.layers must be a number, {LAST}, {FIRST} or layers with cells that every path crosses, got "
            f"{', '.join(strange)}; use {', '.join(legal)}"
        )
    return list(dict.fromkeys(named))


def choose_readers(place: str, model: "keras.Model", asked: int | Sequence[str]) -> list[str]:
    """The layers that `explain.<place>.layers` asks for, by name: those that read the last n convolutions, or those named.

    Raises: ValueError naming the legal layers.
    """
    from hilum.explain.map_layers import convolution_steps, last_convolution

    legal = shap_layer.layers_with_cutting_input(model)
    reader: dict[str, str] = {}
    for layer, below in legal.items():
        reader.setdefault(below, layer)
    if isinstance(asked, int):
        return [reader[step] for step in convolution_steps(model) if step in reader][: -asked - 1 : -1]
    named = [reader[last_convolution(model)] if name == LAST else name for name in asked]
    if strange := [name for name in named if name not in legal]:
        raise ValueError(
            f"explain.{place}.layers must be a number, {LAST} or layers whose input every path crosses, got "
            f"{', '.join(strange)}; use {', '.join(legal)}"
        )
    return list(dict.fromkeys(named))
