"""Captions below maps: how a map was made and how far it can be trusted, from its own numbers; a function per kind of method."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from hilum.records import Attribution

Caption = Callable[[Attribution, Mapping[str, float]], list[str]]  # maps, the numbers of one of them -> up to three lines

HIDDEN = {"film": "mean of the film", "mean": "own mean"}  # LIME's names for the grey of a hidden superpixel


def tell_layer(maps: Attribution, numbers: Mapping[str, float]) -> list[str]:
    return [f"layer {_cells(maps)}"]


def tell_channels(maps: Attribution, numbers: Mapping[str, float]) -> list[str]:
    return [*tell_layer(maps, numbers), f"{numbers['channels']:.0f} channels (max_N {maps.parameters['max_N']})"]


def tell_touchy(maps: Attribution, numbers: Mapping[str, float]) -> list[str]:
    return ["sensitive places, for or against"]


def tell_noise(maps: Attribution, numbers: Mapping[str, float]) -> list[str]:
    samples, noise = maps.parameters["samples"], maps.parameters["noise"]
    return [*tell_touchy(maps, numbers), f"{samples} copies with noise of {noise:.0%} of the range"]


def tell_background(maps: Attribution, numbers: Mapping[str, float]) -> list[str]:
    lines = [f"additivity error {numbers['additivity_error']:+.2f} of {numbers['difference']:+.2f} logits"]
    return [*lines, f"against {maps.parameters['background']} background films"]


def tell_background_of_layer(maps: Attribution, numbers: Mapping[str, float]) -> list[str]:
    return [*tell_background(maps, numbers), f"input of {_cells(maps)}"]


def tell_way(maps: Attribution, numbers: Mapping[str, float]) -> list[str]:
    baselines = maps.parameters["baselines"]
    worst = max(baselines, key=lambda name: abs(numbers[f"completeness_error_{name}"]))
    error, difference = numbers[f"completeness_error_{worst}"], numbers[f"difference_{worst}"]
    return [f"completeness error {error:+.2f} of {difference:+.2f} logits ({worst})", f"from {', '.join(baselines)}"]


def tell_regions(maps: Attribution, numbers: Mapping[str, float]) -> list[str]:
    error, start = tell_way(maps, numbers)
    return [error, f"{start}; {numbers['regions']:.0f} regions"]


def tell_fit(maps: Attribution, numbers: Mapping[str, float]) -> list[str]:
    fit = "undefined" if np.isnan(numbers["local_fit"]) else f"{numbers['local_fit']:.2f}"
    hide = maps.parameters["hide"]
    return [
        f"local fit R² {fit}; the probability moved by {numbers['spread']:.2f}",
        f"strongest {maps.parameters['features']} of {numbers['superpixels']:.0f} superpixels",
        f"hidden: {HIDDEN.get(hide, hide)}",
    ]


def tell_orders(maps: Attribution, numbers: Mapping[str, float]) -> list[str]:
    orders, error = maps.parameters["orders"], numbers["spread_of_orders"]
    return [_sum(maps, numbers), f"{orders} orders of {numbers['superpixels']:.0f} superpixels, standard error {error:.3f}"]


def tell_evaluations(maps: Attribution, numbers: Mapping[str, float]) -> list[str]:
    return [_sum(maps, numbers), f"{maps.parameters['evaluations']} evaluations"]


def tell_patch(maps: Attribution, numbers: Mapping[str, float]) -> list[str]:
    return _hidden(maps, numbers, f"{maps.parameters['patch_pixels']} px patch")


def tell_masks(maps: Attribution, numbers: Mapping[str, float]) -> list[str]:
    return _hidden(maps, numbers, f"{maps.parameters['samples']} masks")


def tell_members(lines: Sequence[str], maps: Attribution) -> list[str]:
    """The lines of a caption, those of an ensemble's mean map with what it is, in three lines at most."""
    if "members" not in maps.parameters:
        return list(lines)
    return [f"{tell_mean(maps)}, each map of mass 1", *lines[-2:]]


def tell_mean(maps: Attribution) -> str:
    """`mean of 2 members`: the map of an ensemble, of a method that explains its members."""
    return f"mean of {len(maps.parameters['members'])} members"


def _cells(maps: Attribution) -> str:
    if maps.cells is None:
        raise ValueError(f"maps of {maps.method} must name the cells that they were painted from, got none; give them cells")
    return f"{maps.cells.layer}, {maps.cells.down}x{maps.cells.across} cells"


def _sum(maps: Attribution, numbers: Mapping[str, float]) -> str:
    return f"adds up to a probability of {numbers['difference']:+.2f}; hidden: {maps.parameters['baseline']}"


def _hidden(maps: Attribution, numbers: Mapping[str, float], how: str) -> list[str]:
    return [f"the probability moved by {numbers['spread']:.2f}", f"hidden: {maps.parameters['baseline']}, {how}"]
