"""Single channels of layers as one sheet: their activations over a film, or the weights that make them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hilum.data.annotations import FilmAnnotations
from hilum.explain.drawing.annotations import OUTLINES, draw_outline
from hilum.explain.drawing.heat import GREY, INK, draw_film, fit_inches
from hilum.explain.drawing.panels import FilmPrediction
from hilum.explain.drawing.tiles import Section, Tile, draw_sections
from hilum.explain.sheets.channels import Channels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_activations(
    film: NDArray[np.generic], layers: Sequence[Channels], prediction: FilmPrediction, annotations: FilmAnnotations
) -> "Figure":
    """The film, then the channels of each layer on one scale per layer, so that an inactive channel looks inactive."""
    across, down = fit_inches(1.0, annotations.geometry)

    def paint(axes: "Axes") -> None:
        draw_film(axes, film)
        draw_outline(axes, annotations)

    first = Section("", [Tile("film", paint)], across * 2.2, 1, down / across)
    sections = [_channel_section(layer, _describe(layer, "that vary most over this film"), across, down) for layer in layers]
    note = f"activations as the layer gives them, one scale per layer: dark means inactive; {OUTLINES}"
    return draw_sections("Activations", prediction, [first, *sections], note)


def draw_filters(layers: Sequence[Channels], model: str) -> "Figure":
    """The kernels of each layer on one symmetric scale per layer; those of 1x1 as one picture, a row for each channel."""
    sections = []
    for layer in layers:
        title = _describe(layer, "of the largest weights")
        if layer.values.shape[1] == 1:
            sections.append(_matrix_section(layer, title))
        else:
            sections.append(_channel_section(layer, title, 0.8, 0.8))
    note = "weights are of the model, not of a film; blue below 0, red above; no: the number of the output channel"
    return draw_sections(f"Filters of {model}", None, sections, note)


def _describe(layer: Channels, which: str) -> str:
    cells = "1x1" if layer.values.shape[1] == 1 else "x".join(map(str, layer.values.shape[1:]))
    silent = f"; {layer.silent} of its channels are zero everywhere" if layer.silent else ""
    return f"{layer.layer}: {len(layer.numbers)} of {layer.total} channels, those {which}\n{cells}, {layer.told}{silent}"


def _channel_section(layer: Channels, title: str, across: float, down: float) -> Section:
    scale = _Scale(layer)
    tiles = []
    for place, (number, values) in enumerate(zip(layer.numbers, layer.values, strict=True)):
        word = f"no {number}" if layer.inputs is None else f"no {number}, input {layer.inputs[place]}"
        tiles.append(Tile(word, lambda axes, values=values: scale.show(axes, values)))  # type: ignore[misc]
    return Section(title, tiles, across, 12 if across < 0.9 else 8, down / across, scale.bar)


def _matrix_section(layer: Channels, title: str) -> Section:
    """A 1x1 convolution: each row an output channel, each column an input."""
    scale = _Scale(layer)
    tile = Tile(
        f"rows: output channels {', '.join(map(str, layer.numbers[:4]))} ...; columns: inputs",
        lambda axes: scale.show(axes, layer.values[:, 0]),
    )
    return Section(title, [tile], 9.0, 1, 0.018 * len(layer.numbers), scale.bar)


class _Scale:
    """The colours that all channels of one layer share: from 0 if nothing is negative, else symmetric around it."""

    def __init__(self, layer: Channels) -> None:
        self._signed = bool((layer.values < 0).any())
        self._top = float(np.abs(layer.values).max()) or 1.0
        self._unit = layer.told.split(",")[0].split(" of ")[0]

    def show(self, axes: "Axes", values: NDArray[np.float32]) -> None:
        low, colours = (-self._top, "bwr") if self._signed else (0.0, "inferno")
        axes.imshow(values, cmap=colours, vmin=low, vmax=self._top, interpolation="nearest", aspect="auto")
        for side in axes.spines.values():
            side.set_linewidth(0.4)
            side.set_color(GREY)

    def bar(self, axes: "Axes") -> None:
        low = -self._top if self._signed else 0.0
        strip = np.linspace(low, self._top, 256, dtype=np.float32)[np.newaxis]
        axes.imshow(
            strip,
            cmap="bwr" if self._signed else "inferno",
            vmin=low,
            vmax=self._top,
            aspect="auto",
            extent=(low, self._top, 0, 1),
        )
        ticks = [low, 0, self._top] if self._signed else [0, self._top / 2, self._top]
        axes.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
        first, *_, last = axes.get_xticklabels()
        first.set_horizontalalignment("left")
        last.set_horizontalalignment("right")
        axes.set_yticks([])
        axes.tick_params(labelsize=7, length=2, pad=1.5, colors=INK)
        axes.set_xlabel(self._unit, fontsize=7, labelpad=1, color=INK)
