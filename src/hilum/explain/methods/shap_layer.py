"""SHAP at a layer: what each cell of a layer's input adds to the target's logit, measured against background films."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from hilum.explain.explained_model import ExplainedModel, OnFilm, check_films, check_model, check_settings
from hilum.explain.methods.cams import cells_of, cut_at, resize_cells
from hilum.explain.methods.shap_gradients import (
    Gradients,
    check_background,
    choose_background,
    compile_gradients,
    expected_gradients,
    hash_films,
)
from hilum.records import Attribution, Images, Labels

if TYPE_CHECKING:
    import keras


def explain(
    explained: ExplainedModel, images: Images, targets: Labels, settings: Mapping[str, Any], seed: int, on_film: OnFilm
) -> Attribution:
    """shap's GradientExplainer on the part of the model from a layer's input to the target's logit.

    images: (N, H, W, 1) float32 grey levels 0-255; targets: (N,) class indices; explained.background: (B, H, W, 1) training
    films. settings: layer (the name of one whose input every path crosses, or `last`: the one that reads the last convolution),
    samples, background (its own choice of films) and smoothing as for `shap`.
    Signed values: the sum over the channels of each cell, in logits, resized bilinearly to the film. It differs from
    `shap`: how the cells combine, not how pixels make the cells. numbers as for `shap`, of the cells before resizing.
    Raises: ValueError for wrong shapes or settings, no background, or a layer whose input does not cut the graph (the message
    lists those that do).
    Source: Erion et al. 2021, arXiv 1906.10670.
    """
    check_films(images, targets)
    check_settings("shap_layer", settings, ["layer", "samples", "background", "smoothing"])
    model = check_model("shap_layer", explained, targets)
    background = choose_background(check_background(explained.background, images), int(settings["background"]), seed)
    chosen = hash_films(background)
    layer, below = input_cut(model, str(settings["layer"]))
    _, prefix, tail = cut_at(model, below)

    def compile_here() -> Gradients:
        return compile_gradients(tail, np.asarray(prefix(background, training=False)), float(settings["smoothing"]))

    once = f"expected gradients at {below}, smoothing {settings['smoothing']}, background {chosen}"
    gradients = explained.once(once, compile_here)
    inputs = np.asarray(prefix(images, training=False))
    cells, numbers = expected_gradients(gradients, inputs, targets, int(settings["samples"]), seed, on_film)
    values = resize_cells(cells.sum(axis=-1), images.shape[1:3])
    return Attribution(
        values=values,
        method="shap_layer",
        targets=np.asarray(targets, np.int64),
        signed=True,
        parameters={
            **settings,
            "layer": layer,
            "background": len(background),
            "background_sha256": chosen,
            "seed": seed,
            "at": f"input of {layer}",
        },
        numbers={**numbers, "zero": np.asarray(~values.any(axis=(1, 2)), np.float64)},
        cells=cells_of(prefix, layer),
    )


def layers_with_cutting_input(model: "keras.Model") -> dict[str, str]:
    """Layer -> the layer whose output it reads, for every layer whose input has cells and is crossed by every path."""
    from hilum.models.cuts import legal_cuts

    cuts, found = set(legal_cuts(model)), {}
    for layer in model.layers[1:]:
        read = layer.input
        if isinstance(read, list | tuple | dict) or len(read.shape) != 4:
            continue
        below = read._keras_history.operation.name
        if below in cuts:
            found[layer.name] = below
    return found


def input_cut(model: "keras.Model", layer: str) -> tuple[str, str]:
    """The layer and the one whose output it reads. Raises ValueError that lists the legal layers."""
    from hilum.explain.map_layers import last_convolution

    legal = layers_with_cutting_input(model)
    if layer == "last":
        last = last_convolution(model)
        layer = next(name for name, below in legal.items() if below == last)
    if layer not in legal:
        raise ValueError(
            f"explain.shap_layer.layer must be one whose input every path crosses, got {layer!r}; use last or one of "
            f"{', '.join(legal)}"
        )
    return layer, legal[layer]
