"""What stands below a map: how it was made and how far it can be trusted, from its own numbers."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hilum.records import Attribution


def caption(attribution: Attribution, index: int) -> str:
    """Up to three lines on how a map was made and how far it can be trusted, from its own numbers."""
    numbers = {name: float(values[index]) for name, values in attribution.numbers.items()}
    told = CAPTIONS.get(attribution.method)
    return "\n".join(told(attribution.parameters, numbers)) if told else ""


def _of_layer(parameters: Mapping[str, Any], numbers: Mapping[str, float]) -> list[str]:
    lines = [f"layer {parameters['layer']}, {parameters['cells'][0]}x{parameters['cells'][1]} cells"]
    if "channels" in numbers:
        lines.append(f"{numbers['channels']:.0f} channels (max_N {parameters['max_N']})")
    return lines


def _of_touchy(parameters: Mapping[str, Any], numbers: Mapping[str, float]) -> list[str]:
    lines = ["touchy places, for or against"]
    if "samples" in parameters:
        lines.append(f"{parameters['samples']} copies with noise of {parameters['noise']:.0%} of the range")
    return lines


def _of_shap(parameters: Mapping[str, Any], numbers: Mapping[str, float]) -> list[str]:
    lines = [f"additivity error {numbers['additivity_error']:+.2f} of {numbers['difference']:+.2f} logits"]
    lines.append(f"against {parameters['background']} background films")
    if "layer" in parameters:
        lines.append(f"input of {parameters['layer']}, {parameters['cells'][0]}x{parameters['cells'][1]} cells")
    return lines


def _of_gradients(parameters: Mapping[str, Any], numbers: Mapping[str, float]) -> list[str]:
    start = f"from {', '.join(parameters['baselines'])}"
    start += f"; {numbers['regions']:.0f} regions" if "regions" in numbers else ""
    worst = max(parameters["baselines"], key=lambda name: abs(numbers[f"completeness_error_{name}"]))
    error, difference = numbers[f"completeness_error_{worst}"], numbers[f"difference_{worst}"]
    return [f"completeness error {error:+.2f} of {difference:+.2f} logits ({worst})", start]


HIDDEN = {"film": "mean of the film", "mean": "own mean"}  # LIME's words for the grey of a hidden superpixel


def _of_lime(parameters: Mapping[str, Any], numbers: Mapping[str, float]) -> list[str]:
    fit = "undefined" if np.isnan(numbers["local_fit"]) else f"{numbers['local_fit']:.2f}"
    hide = parameters["hide"]
    return [
        f"local fit R² {fit}; the probability moved by {numbers['spread']:.2f}",
        f"strongest {parameters['features']} of {numbers['superpixels']:.0f} superpixels",
        f"hidden: {HIDDEN.get(hide, hide)}",
    ]


def _of_shapley(parameters: Mapping[str, Any], numbers: Mapping[str, float]) -> list[str]:
    first = f"adds up to a probability of {numbers['difference']:+.2f}; hidden: {parameters['baseline']}"
    if "orders" not in parameters:
        return [first, f"{parameters['evaluations']} evaluations"]
    error = numbers["spread_of_orders"]
    return [first, f"{parameters['orders']} orders of {numbers['superpixels']:.0f} superpixels, standard error {error:.3f}"]


def _of_hidden(parameters: Mapping[str, Any], numbers: Mapping[str, float]) -> list[str]:
    way = f"{parameters['samples']} masks" if "samples" in parameters else f"{parameters['patch_pixels']} px patch"
    return [f"the probability moved by {numbers['spread']:.2f}", f"hidden: {parameters['baseline']}, {way}"]


CAPTIONS: dict[str, Callable[[Mapping[str, Any], Mapping[str, float]], list[str]]] = {
    "gradcam": _of_layer,
    "gradcam_plus_plus": _of_layer,
    "layercam": _of_layer,
    "scorecam": _of_layer,
    "saliency": _of_touchy,
    "smoothgrad": _of_touchy,
    "integrated_gradients": _of_gradients,
    "xrai": _of_gradients,
    "shap": _of_shap,
    "shap_layer": _of_shap,
    "lime": _of_lime,
    "shapley": _of_shapley,
    "shap_partition": _of_shapley,
    "occlusion": _of_hidden,
    "rise": _of_hidden,
}
