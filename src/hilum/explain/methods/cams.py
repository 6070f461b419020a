"""What class activation maps share: one forward pass up to a layer, the small tail above it, a map at the film's size."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hilum.explain.explained_model import ExplainedModel, OnFilm, check_films, check_model, check_settings, unsigned_map
from hilum.records import Attribution, Cells, Images, Labels

if TYPE_CHECKING:
    import keras

BATCH = 32  # films per pass; larger ones gain nothing on a CPU

# (tail that ends at the logits, activations (N, h, w, C), targets (N,)) -> (N, h, w)
MakeCells = Callable[["keras.Model", Any, Labels], NDArray[np.float32]]


@dataclass(frozen=True)
class Cut:
    """A model in two parts at a layer. cells: those of the layer.

    below: films (N, H, W, 1) -> activations (N, h, w, C); tail: from there to the logits.
    """

    cells: Cells
    below: Callable[[Images], NDArray[np.float32]]
    tail: "keras.Model"


def explain_on_tail(
    method: str,
    make_cells: MakeCells,
    explained: ExplainedModel,
    images: Images,
    targets: Labels,
    settings: Mapping[str, Any],
    on_film: OnFilm,
) -> Attribution:
    """A map by tf-keras-vis on the part of the model above a layer, at the size of the film.

    make_cells: the method at the size of the layer. The forward pass up to the layer runs once per batch, compiled at the
    explained model's first films, with the weights as constants unless they are fleeting.
    settings: layer (`last`, `finer` or a layer's name). Values are not normalised, so two films or two arms can be compared.
    numbers: maximum of the map; zero = 1 where no cell argues for the target, whose map is all zeros.
    Raises: ValueError for wrong shapes or settings, or a layer that does not cut the graph.
    """
    check_films(images, targets)
    check_settings(method, settings, ["layer"])
    model = check_model(method, explained, targets)
    cut = compile_cut(explained, model, str(settings["layer"]))
    parts = []
    for start in range(0, len(images), BATCH):
        batch = slice(start, start + BATCH)
        found = make_cells(cut.tail, cut.below(images[batch]), targets[batch])
        parts.append(resize_cells(found, images.shape[1:3]))
        on_film(min(start + BATCH, len(images)), len(images))
    return unsigned_map(method, np.concatenate(parts), targets, {"layer": cut.cells.layer}, cut.cells)


def compile_cut(explained: ExplainedModel, model: "keras.Model", layer: str, few: bool = False) -> Cut:
    """The cut of `cut_at`, its lower part compiled; made once for an explained model.

    few: leave the lower part to Keras, because compiling it would cost more than a handful of films take.
    """
    from hilum.models.forward import compile_forward

    def compile_here() -> Cut:
        name, prefix, tail = cut_at(model, layer)

        def plain(films: Images) -> NDArray[np.float32]:
            return np.asarray(prefix(films, training=False))

        below = plain if few else compile_forward(prefix, constants=not explained.fleeting)
        return Cut(cells_of(prefix, name), below, tail)

    return explained.once(f"cut at {layer}", compile_here, live=explained.fleeting)


def cells_of(prefix: "keras.Model", layer: str) -> Cells:
    """How many cells (N, h, w, C) the part of a model below a layer's output ends in."""
    down, across = prefix.output.shape[1:3]
    return Cells(int(down), int(across), layer)


def cut_at(model: "keras.Model", layer: str) -> tuple[str, "keras.Model", "keras.Model"]:
    """The layer's own name, the part below it, and the part from there to the logits.

    layer: a name, `last` (the last convolution) or `finer` (the highest layer with more cells than that).
    """
    import keras

    from hilum.explain.map_layers import finer_convolution, last_convolution
    from hilum.models.classifier import cut
    from hilum.models.flatten import renew

    named = {"last": last_convolution, "finer": finer_convolution}
    layer = named[layer](model) if layer in named else layer
    prefix, tail = cut(model, layer)
    if len(prefix.output.shape) != 4:
        raise ValueError(f"explain's layer must have cells (N, h, w, C), got {layer} with {tuple(prefix.output.shape)}")
    # Renewed, because `get_layer(...).output` of layers shared with the full model is the full model's tensor.
    own = renew(tail)
    return layer, prefix, keras.Model(own.input, own.get_layer("logits").output)


def resize_cells(cells: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Bilinear, (N, h, w) -> (N, H, W)."""
    import tensorflow as tf

    return np.asarray(tf.image.resize(cells[..., np.newaxis], size, method="bilinear")[..., 0], np.float32)


def at_input() -> dict[str, Any]:
    """Arguments by which tf-keras-vis takes the tail's input as the layer, and leaves size and scale alone."""
    return {"penultimate_layer": 0, "seek_penultimate_conv_layer": False, "expand_cam": False, "normalize_cam": False}
