"""What single channels of a layer hold: their activations over one film, and the weights that make them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hilum.records import Images

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Channels:
    """Some channels of one layer.

    layer: its name; numbers: (C,) which channels, from 0; values: (C, h, w), activations or weights, or for 1x1 kernels
    (C, 1, inputs); total: channels that the layer has; silent: those of them that are zero everywhere.
    told: what the values are, in words; inputs: (C,) the input channel whose kernel is shown, where there is a choice.
    """

    layer: str
    numbers: NDArray[np.int64]
    values: NDArray[np.float32]
    total: int
    silent: int
    told: str
    inputs: NDArray[np.int64] | None = None


def activations_at(model: "keras.Model", images: Images, layers: Sequence[str], count: int) -> list[list[Channels]]:
    """For each film and layer the channels that differ most over the film (standard deviation over its cells).

    model: flat; images: (N, H, W, 1) float32 grey levels 0-255; layers: names, each with cells; count: channels, at most.
    """
    import keras

    outputs = [model.get_layer(name).output for name in layers]
    predictions = keras.Model(model.input, outputs)(images, training=False)
    stacks = [np.asarray(one, np.float32) for one in (predictions if isinstance(predictions, list) else [predictions])]
    return [[_most_varied(name, stack[i], count) for name, stack in zip(layers, stacks, strict=True)] for i in range(len(images))]


def _most_varied(layer: str, cells: NDArray[np.float32], count: int) -> Channels:
    """cells: (h, w, C)."""
    order = np.argsort(-cells.std(axis=(0, 1)), kind="stable")[:count]
    silent = int((~cells.any(axis=(0, 1))).sum())
    return Channels(layer, order, cells[..., order].transpose(2, 0, 1), cells.shape[-1], silent, "activation")


def filters_of(model: "keras.Model", layers: Sequence[str], count: int) -> list[Channels]:
    """For each convolution the channels with the largest weights (Euclidean norm), and their kernels.

    model: flat; layers: names of convolutions, or `first` and `last`; count: channels, at most.
    A layer of up to three inputs reads the grey film in each, so its kernels are added up. Of a layer of more inputs the kernel
    of the largest norm is shown for each channel; a depthwise one has only one. 1x1 kernels have no shape: their weights form
    a row, one for each input.
    Raises: ValueError naming the legal layers.
    """
    from hilum.explain.map_layers import kernel_of

    kernels = {layer.name: kernel for layer in model.layers if (kernel := kernel_of(layer)) is not None}
    names = list(kernels)
    if not names:
        raise ValueError(f"explain.filters must have a model with a convolution, got {model.name} without")
    named = list(dict.fromkeys({"first": names[0], "last": names[-1]}.get(name, name) for name in layers))
    if strange := [name for name in named if name not in kernels]:
        raise ValueError(
            f"explain.filters.layers must be first, last or convolutions, got {', '.join(strange)}; use {', '.join(names)}"
        )
    depthwise = {layer.name for layer in model.layers if hasattr(layer, "depth_multiplier")}
    return [_largest(name, kernels[name], name in depthwise, count) for name in named]


def _largest(layer: str, kernel: NDArray[np.float32], depthwise: bool, count: int) -> Channels:
    """kernel: (h, w, channels in, channels out)."""
    height, width, inputs, outputs = kernel.shape
    if depthwise:  # a kernel per input and multiple of it: each makes a channel of its own
        kernel, inputs, outputs = kernel.reshape(height, width, 1, inputs * outputs), 1, inputs * outputs
    norms = np.sqrt((kernel.astype(np.float64) ** 2).sum(axis=(0, 1, 2)))
    order, silent = np.argsort(-norms, kind="stable")[:count], int((norms == 0).sum())
    chosen = kernel[..., order]  # (h, w, I, C)
    if inputs <= 3:
        told = "weight" if inputs == 1 else f"weight, added up over the film's {inputs} copies"
        return Channels(layer, order, chosen.sum(axis=2).transpose(2, 0, 1), outputs, silent, told)
    if (height, width) == (1, 1):
        return Channels(layer, order, chosen[0].transpose(2, 0, 1), outputs, silent, f"weight of each of {inputs} inputs")
    strongest = (chosen.astype(np.float64) ** 2).sum(axis=(0, 1)).argmax(axis=0)  # (C,)
    picked = np.take_along_axis(chosen, strongest[np.newaxis, np.newaxis, np.newaxis], axis=2)[:, :, 0]
    return Channels(layer, order, picked.transpose(2, 0, 1), outputs, silent, f"weight of one of {inputs} inputs", strongest)
