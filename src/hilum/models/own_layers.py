"""The layers of a user's own `.keras` file: loaded without its code, unrolled, cut, and named by block."""

from pathlib import Path
from typing import Any

import keras

from hilum.models.cuts import legal_cuts
from hilum.models.declared_size import refuse_description
from hilum.models.flatten import Rebuilt

BETWEEN = "--"  # in a layer's name in a classifier: <block>--<name in the file>
SIDE = 224  # px, of a network whose input has no fixed size, to look at its layers
CHANGE_NOTHING = (  # in inference mode; activations of frozen parts are computed in that mode once
    *(keras.layers.Dropout, keras.layers.SpatialDropout2D, keras.layers.AlphaDropout),
    *(keras.layers.GaussianDropout, keras.layers.GaussianNoise, keras.layers.ActivityRegularization),
)
BELONG_BELOW = (  # layers with weights that do not begin a block
    *(keras.layers.BatchNormalization, keras.layers.LayerNormalization, keras.layers.GroupNormalization),
    *(keras.layers.Normalization, keras.layers.PReLU),
)


def open_own(path: Path) -> keras.Model:
    """The whole model of a file. Safe mode stays on, so that no code of the file is run; `check` has its limits.

    Raises:
        ValueError: Keras cannot read it, or it is no graph that takes one film.
    """
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as fault:  # whatever Keras raises on a file: there is no list
        raise ValueError(refuse_description(path, fault)) from fault
    told = f"a backbone must be a functional or Sequential model of one film (height, width, 1 or 3) and one output, got {path}"
    if not isinstance(model, keras.Sequential) and not hasattr(model, "operations"):
        raise ValueError(f"{told}, a {type(model).__name__}; rebuild it as keras.Model(inputs, outputs), and save that")
    if not model.built or len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(f"{told} with another number of them; save keras.Model(model.inputs[0], one of its outputs)")
    shape = tuple(model.input_shape[1:])
    if len(shape) != 3 or shape[2] not in (1, 3) or shape[0] != shape[1]:
        raise ValueError(f"{told}, whose input is {shape}; films are square: rebuild it with such an input, and save that")
    if half := sorted({str(weight.dtype) for weight in model.weights} & {"float16", "bfloat16"}):
        raise ValueError(f"weights must be stored in float32, got {', '.join(half)} in {path}; save it under mixed_{half[0]}")
    return model


def renew_weights(model: keras.Model) -> keras.Model:
    """The same layers with random weights."""
    return type(model).from_config(model.get_config())


def build_body(model: keras.Model, path: Path, side: int | None, layer: str | None) -> keras.Model:
    """The flat network (side, side, C) -> (h, w, D) up to a layer, its weights shared.

    side: px; None for the file's own. layer: its name in the file; None for the highest one with cells that every path crosses.

    Raises:
        ValueError: there is no such layer, or the layers below it do not take films of this side.
    """
    own = model.input_shape[1] or side or SIDE
    film = keras.Input((own, own, model.input_shape[3]))
    flat = keras.Model(film, _Unrolled().replay(model, film))
    body = keras.Model(film, flat.get_layer(_find_end(flat, path, layer)).output)
    begins = _begin_blocks(body)
    shown = keras.Input((side or own, side or own, model.input_shape[3]))
    try:
        return keras.Model(shown, _Named(begins).replay(body, shown))
    except Exception as fault:  # whatever a layer raises on another shape: there is no list
        reason = str(fault).splitlines()[0]
        raise ValueError(
            f"the layers of a backbone must take films of prepare.size, got {side} px for {path}, whose own are of {own} px "
            f"({reason}); set prepare.size to {own}"
        ) from fault


def _find_end(flat: keras.Model, path: Path, layer: str | None) -> str:
    """The layer where the backbone ends."""
    cells = [name for name in legal_cuts(flat) if _has_cells(flat.get_layer(name))]
    learnt = [name for name in cells if any(one.weights for one in flat.layers[: _place(flat, name) + 1])]
    if not learnt:
        raise ValueError(
            f"a backbone must hold a layer with cells, above a convolution, that every path crosses, got none in {path}; "
            "save a network of one trunk"
        )
    if layer is not None:
        if layer not in learnt:
            raise ValueError(
                f"options.layer must be a layer of {path} with cells, above a convolution, that every path crosses, got "
                f"{layer!r}; choose one of {', '.join(learnt)}"
            )
        return layer
    above = [one for one in flat.layers[_place(flat, learnt[-1]) + 1 :] if one.weights and _goes_on(one)]
    if above:
        raise ValueError(
            f"a backbone must end in cells that every path crosses, got {path}, which goes on above {learnt[-1]} with "
            f"{above[0].name} (paths that divide, or tokens); if the end is meant, name it by `options: {{layer: {learnt[-1]}}}`"
        )
    return learnt[-1]


def _place(flat: keras.Model, name: str) -> int:
    return [layer.name for layer in flat.layers].index(name)


def _shape_of(layer: keras.layers.Layer) -> tuple[Any, ...]:
    return tuple(layer.output.shape) if isinstance(layer.output, keras.KerasTensor) else ()


def _has_cells(layer: keras.layers.Layer) -> bool:
    shape = _shape_of(layer)
    return len(shape) == 4 and shape[1] > 1 and shape[2] > 1


def _goes_on(layer: keras.layers.Layer) -> bool:
    """Whether a layer above the end still computes cells, or tokens, and not a vector of the whole film."""
    return _has_cells(layer) or len(_shape_of(layer)) == 3


def _begin_blocks(body: keras.Model) -> dict[int, str]:
    """id of each operation -> the name of its block: that of the layer with weights at or below it, in graph order."""
    found: dict[int, str] = {}
    waiting: list[Any] = []
    block = ""
    for operation in body.operations:
        begins = isinstance(operation, keras.layers.Layer) and operation.weights and not isinstance(operation, BELONG_BELOW)
        if begins:
            block = operation.name.replace(BETWEEN, "-")
        if not block:  # padding, scaling: they belong to the first block
            waiting.append(operation)
            continue
        found |= {id(one): block for one in (*waiting, operation)}
        waiting = []
    return found


class _Unrolled(Rebuilt):
    """A flat copy without the layers that act in training alone."""

    def __init__(self) -> None:
        super().__init__(float32=True)

    def call(self, operation: Any, *tensors: Any, **options: Any) -> Any:
        if isinstance(operation, CHANGE_NOTHING) or type(operation).__name__.startswith("Random"):
            return tensors[0]
        return super().call(operation, *tensors, **options)


class _Named(Rebuilt):
    """A copy whose layers have the names of their blocks in front, which also keeps them apart from those of a head."""

    def __init__(self, blocks: dict[int, str]) -> None:
        super().__init__(float32=False)
        self._blocks = blocks

    def twin(self, operation: Any, **changes: Any) -> Any:
        name = f"{self._blocks[id(operation)]}{BETWEEN}{operation.name}"
        return super().twin(operation, **{**changes, "name": self.own_name(name)})
