"""Any Keras classifier as one flat graph in hilum's form, its weights shared: grey levels in, logits, probabilities."""

from typing import Any

import keras

from hilum.models.head import HALVES, ONE_LOGIT


def flatten(model: keras.Model, float32: bool = False) -> keras.Model:
    """The same classifier as a flat graph (H, W, 1) -> (K,) with layers `logits` and `probabilities`, weights shared.

    Nested models and Sequential ones are unrolled. A model with three channels gets the grey film three times. A softmax or one
    sigmoid at the end becomes a layer of its own above `logits`; for a sigmoid z the two logits are (-z, z), the log odds of
    the two classes. float32: let every layer compute in float32 with the weights as they are, because gradients vanish in
    half precision; otherwise each keeps its own precision. A model that needs no change is returned unchanged.
    The given model is not changed: every layer of the flat graph is a copy that holds the same variables.

    Raises:
        ValueError: not a functional or Sequential model, not one film in and one vector out, half-precision weights, or an end
            other than softmax or one sigmoid.
    """
    if is_flat(model) and not (float32 and _is_mixed(model)):
        return model
    check_graph(model)
    rebuilt = Rebuilt(float32)
    height, width, channels = model.input_shape[1:]
    grey = keras.Input((height, width, 1), name=rebuilt.own_name("grey"))
    shown = grey if channels == 1 else keras.layers.Concatenate(name=rebuilt.own_name("three_channels"))([grey] * 3)
    rebuilt.reserve(("logits", "probabilities", "log_odds", ONE_LOGIT, *HALVES))
    before, word = _without_activation(rebuilt.replay(model, shown), rebuilt)
    classes = int(before.shape[-1])
    if word == "sigmoid" and classes == 1:
        both = keras.layers.Dense(2, use_bias=False, dtype="float32", kernel_initializer=_signs, name="log_odds")
        before = both(before)
    logits = keras.layers.Activation("linear", dtype="float32", name="logits")(before)
    return keras.Model(grey, keras.layers.Activation(word, dtype="float32", name="probabilities")(logits), name=model.name)


def rescale(model: keras.Model, factor: float, offset: float) -> keras.Model:
    """The model with a first layer that turns grey levels 0-255 into its own input: grey * factor + offset."""
    film = keras.Input(model.input_shape[1:])
    return keras.Model(film, model(keras.layers.Rescaling(factor, offset)(film), training=False), name=model.name)


def renew(model: keras.Model) -> keras.Model:
    """A functional model rebuilt from copies: `get_layer(...).output` is its own tensor even if layers are of another model."""
    source = keras.Input(batch_shape=model.input.shape, dtype=model.input.dtype, name="source")
    rebuilt = Rebuilt(float32=False)
    return keras.Model(source, rebuilt.replay(model, source), name=model.name)


def is_flat(model: keras.Model) -> bool:
    """Whether the model has hilum's form: one grey film in, no model inside, `logits` below the bare softmax `probabilities`."""
    if isinstance(model, keras.Sequential) or not hasattr(model, "operations") or len(model.inputs) != 1:
        return False
    names = [layer.name for layer in model.layers]
    if len(model.outputs) != 1 or _word_of(model.layers[-1]) != ("sigmoid" if "log_odds" in names else "softmax"):
        return False
    if not isinstance(model.layers[-1], keras.layers.Softmax | keras.layers.Activation):  # a dense layer's logits are its own
        return False
    nested = any(isinstance(layer, keras.Model) for layer in model.layers)
    return not nested and names[-2:] == ["logits", "probabilities"] and model.input_shape[-1] == 1


class Rebuilt:
    """A graph under construction: operation -> its copy, and the names in use."""

    def __init__(self, float32: bool) -> None:
        self._float32 = float32
        self._twins: dict[int, Any] = {}
        self._names: set[str] = set()

    def reserve(self, names: tuple[str, ...]) -> None:
        self._names |= set(names)

    def own_name(self, name: str) -> str:
        """The name, numbered if nested models share it."""
        number, free = 1, name
        while free in self._names:
            number, free = number + 1, f"{name}_{number + 1}"
        self._names.add(free)
        return free

    def replay(self, model: keras.Model, tensor: Any) -> Any:
        """The model's output for a tensor, by copies of its layers."""
        if isinstance(model, keras.Sequential):
            for layer in model.layers:
                tensor = self.call(layer, tensor)
            return tensor
        return model._run_through_graph([tensor], operation_fn=lambda op: lambda *a, **k: self.call(op, *a, **k))

    def call(self, operation: Any, *tensors: Any, **options: Any) -> Any:
        """The output of an operation's copy for tensors of this graph."""
        if isinstance(operation, keras.Model):
            return self.replay(operation, tensors[0])
        options = {key: value for key, value in options.items() if key not in ("training", "mask")}
        return self.twin_of(operation)(*tensors, **options)

    def twin_of(self, operation: Any) -> Any:
        """A copy of the operation, outside of every graph, holding the same variables."""
        if id(operation) not in self._twins:
            self._twins[id(operation)] = self.twin(operation)
        return self._twins[id(operation)]

    def twin(self, operation: Any, **changes: Any) -> Any:
        made = object.__new__(type(operation))  # the constructor would make new variables
        made.__dict__.update(operation.__dict__)
        named = {"name": changes.pop("name", None) or self.own_name(operation.name)}
        made.__dict__.update(_inbound_nodes=[], _outbound_nodes=[], **named, **changes)
        if self._float32 and isinstance(operation, keras.layers.Layer):
            made.__dict__["_dtype_policy"] = keras.dtype_policies.DTypePolicy("float32")
        return made


def _without_activation(output: Any, rebuilt: Rebuilt) -> tuple[Any, str]:
    """The tensor below the last activation, and that activation's name; layers above it that change nothing are left out."""
    last = output._keras_history.operation
    while _changes_nothing(last):
        last = last.input._keras_history.operation
    classes, word = int(output.shape[-1]), _word_of(last)
    if (word == "softmax" and classes > 1) or (word == "sigmoid" and classes == 1):
        if not isinstance(last, keras.layers.Layer) or isinstance(last, keras.layers.Softmax | keras.layers.Activation):
            return last.input, word
        return rebuilt.twin(last, activation=keras.activations.linear, name=last.name)(last.input), word
    raise ValueError(_refuse_end(output, last, word, classes))


def _word_of(operation: Any) -> str:
    """softmax or sigmoid, as a layer, inside of one or as an operation of keras.ops; another activation's name; or `none`."""
    if isinstance(operation, keras.layers.Softmax) or not isinstance(operation, keras.layers.Layer):
        word = type(operation).__name__.lower()
        over_classes = getattr(operation, "axis", -1) in (-1, 1, (-1,), [-1])
        return word if word in ("softmax", "sigmoid") and over_classes else "none"
    return str(getattr(getattr(operation, "activation", None), "__name__", "none"))


def _changes_nothing(operation: Any) -> bool:
    """Whether a layer passes its input on at inference: a linear activation (of another precision), dropout."""
    if isinstance(operation, keras.layers.Activation):
        return _word_of(operation) == "linear"
    return isinstance(operation, keras.layers.Identity | keras.layers.Dropout)


def _refuse_end(output: Any, last: Any, word: str, classes: int) -> str:
    """Why a model is not a classifier of hilum's kind, with a remedy that keeps its predictions."""
    rule = "a classifier must end in softmax or in one sigmoid"
    if word == "sigmoid":
        return (
            f"{rule}, got {classes} sigmoids: each is for a finding of its own, while hilum explains one class among classes "
            "that exclude each other; serve a model of one finding, with one sigmoid"
        )
    if word == "softmax":
        return f"{rule}, got a softmax over one output, which is 1 for every film; train it with two outputs or with a sigmoid"
    got = f"got {type(last).__name__}" + (f" with activation {word}" if isinstance(last, keras.layers.Layer) else "")
    below = _activated_below(last)
    if below is not None:
        end = f"keras.Model(model.input, model.get_layer({below.name!r}).output)"
        return f"{rule}, {got} above the {_word_of(below)} {below.name}; end the model at that one: {end}"
    layer = "keras.layers.Softmax()" if classes > 1 else 'keras.layers.Activation("sigmoid")'
    return f"{rule}, {got}; if it gives logits, end it by keras.Model(model.input, {layer}(model.output)), else train it so"


def _activated_below(operation: Any) -> Any:
    """The nearest softmax or sigmoid over a vector below an operation; None if there is none."""
    while isinstance(tensor := operation.input, keras.KerasTensor) and len(tensor.shape) == 2:
        operation = tensor._keras_history.operation
        if _word_of(operation) in ("softmax", "sigmoid"):
            return operation
    return None


def _signs(shape: tuple[int, ...], dtype: Any = None) -> Any:
    return keras.ops.convert_to_tensor([[-1.0, 1.0]], dtype)


def _is_mixed(model: keras.Model) -> bool:
    return any(layer.compute_dtype != "float32" for layer in model.layers)


def check_graph(model: keras.Model) -> None:
    """Refuse what cannot be rebuilt: not a graph of layers, not one film in and one vector out, half-precision weights.

    Raises:
        ValueError: with what the model is.
    """
    if not isinstance(model, keras.Sequential) and not hasattr(model, "operations"):
        raise ValueError(f"a model must be a functional or a Sequential one, got {type(model).__name__}; rebuild it as such")
    if not model.built:
        raise ValueError("a model must know the size of its films, got one that was never built; give it an input shape")
    if len(model.inputs) != 1 or len(model.outputs) != 1 or len(model.output_shape) != 2:
        alone = "; serve the one with the classes alone, as 0 here: keras.Model(model.input, model.outputs[0])"
        several = alone if len(model.inputs) == 1 and len(model.outputs) > 1 else "; rebuild it as such"
        raise ValueError(
            f"a model must take one film and give one vector of classes, got inputs {[tuple(t.shape) for t in model.inputs]} and "
            f"outputs {[tuple(t.shape) for t in model.outputs]}" + several
        )
    shape = model.input_shape[1:]
    if len(shape) != 3 or None in shape or shape[-1] not in (1, 3):
        raise ValueError(f"a model must take films (height, width, 1 or 3) of a fixed size, got {shape}; set its input shape")
    if half := sorted({str(weight.dtype) for weight in model.weights} & {"float16", "bfloat16"}):
        raise ValueError(
            f"weights must be stored in float32, got {', '.join(half)}; save the model under the policy mixed_{half[0]}"
        )
