"""Several classifiers of one task as one flat graph with the mean of their logits, and that graph as its members again."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from hilum.models.flatten import Rebuilt, flatten
from hilum.models.forward import compile_forward

MEAN = "mean_of_members"  # the layer that makes a graph an ensemble: its inputs are the members' logits
NAME = "ensemble"
FEWEST = 2


def join_members(
    members: Mapping[str, keras.Model], temperature: float = 1.0, biases: Sequence[float] | None = None
) -> keras.Model:
    """A flat graph (S, S, 1) -> (K,) whose logits are mean / temperature + biases of the members' logits, their weights shared.

    So its probabilities are the geometric mean of theirs, divided by its sum over the classes. The scaling of each member stays
    inside, and its layers are named `<member>.<graph>.<layer>`. The gate finds no weights above them.
    members: name (letters, digits, _ and -) -> classifier in any form that `flatten` takes, with the same classes in one order.

    Raises:
        ValueError: fewer than two members, or films or classes that differ in number or size.
    """
    if len(members) < FEWEST:
        raise ValueError(f"an ensemble must have {FEWEST} members or more, got {', '.join(members) or 'none'}; name another")
    flat = {name: flatten(model) for name, model in members.items()}
    shapes = {name: (model.input_shape[1:], model.output_shape[1]) for name, model in flat.items()}
    if len(set(shapes.values())) > 1:
        told = "; ".join(f"{name}: films {film}, {classes} classes" for name, (film, classes) in shapes.items())
        raise ValueError(f"the members of an ensemble must take films of one size and have the same classes, got {told}")
    ((film, classes),) = set(shapes.values())
    grey = keras.Input(film, name="grey")
    mean = keras.layers.Average(dtype="float32", name=MEAN)([_copy_logits(name, model, grey) for name, model in flat.items()])
    shift = [0.0] * classes if biases is None else [float(bias) for bias in biases]
    logits = keras.layers.Rescaling(float(1 / temperature), shift, dtype="float32", name="logits")(mean)
    return keras.Model(grey, _softmax(logits), name=NAME)


def split_members(model: keras.Model) -> dict[str, keras.Model]:
    """Member -> its own classifier with the names that its graph and layers had, weights shared; empty for other models."""
    if not is_ensemble(model):
        return {}
    found = {}
    for tensor in model.get_layer(MEAN).input:
        name, graph, _ = tensor._keras_history.operation.name.split(".", 2)
        grey = keras.Input(model.input_shape[1:], name="grey")
        logits = _Renamed(removed=f"{name}.{graph}.").replay(keras.Model(model.input, tensor), grey)
        found[name] = keras.Model(grey, _softmax(logits), name=graph)
    return found


def is_ensemble(model: Any) -> bool:
    """Whether a model is a graph of `join_members`, or a copy of one."""
    return any(layer.name == MEAN for layer in getattr(model, "layers", ()))


def read_logits(model: keras.Model, images: NDArray[np.float32]) -> NDArray[np.float64]:
    """Logits (N, K) of images (N, S, S, 1) of grey levels 0-255."""
    head = keras.Model(model.input, model.get_layer("logits").output)
    return compile_forward(head, constants=True)(images).astype(np.float64)


def _copy_logits(name: str, model: keras.Model, grey: Any) -> Any:
    """(N, K) logits of a film by copies of a flat model's layers."""
    if any(layer.name == "log_odds" for layer in model.layers):
        raise ValueError(
            f"a member must end in softmax as hilum saves it, got {name}, which ends in a sigmoid; make it an arm by "
            "`model:`, as a given model"
        )
    start = f"{name}.{model.name.replace('.', '_')}."
    below = keras.Model(model.input, model.get_layer("logits").output)
    return _Renamed(added=start).replay(below, grey)


def _softmax(logits: Any) -> Any:
    return keras.layers.Activation("softmax", dtype="float32", name="probabilities")(logits)


class _Renamed(Rebuilt):
    """A graph of copies whose names get a beginning, or lose it."""

    def __init__(self, added: str = "", removed: str = "") -> None:
        super().__init__(float32=False)
        self._added, self._removed = added, removed

    def own_name(self, name: str) -> str:
        return super().own_name(self._added + name.removeprefix(self._removed))
