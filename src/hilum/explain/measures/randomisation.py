"""Does a map depend on what the model learned? Weights are permuted from the top down; a map that stays the same does not."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from hilum.explain.explained_model import ExplainedModel

if TYPE_CHECKING:
    import keras


def randomise_cascade(
    model: "keras.Model", stops: int, seed: int, copy: "keras.Model | None" = None
) -> Iterator[tuple[str, "keras.Model"]]:
    """A copy of the model with ever more layers permuted, from the top down: (lowest permuted layer, the copy), `stops` times.

    The weights of each tensor are permuted within it, so that their distribution stays: fresh weights under a folded batch norm
    gave maps that were all zero. Stops lie evenly among the layers that have weights; at the last one all are permuted. One copy
    changes between stops; the given model does not. copy: an earlier clone to use again.
    Raises: ValueError if stops is below 1.
    Source: Adebayo et al. 2018, arXiv 1810.03292.
    """
    import keras

    if stops < 1:
        raise ValueError(f"stops must be at least 1, got {stops}")
    copy = keras.models.clone_model(model) if copy is None else copy
    copy.set_weights(model.get_weights())
    rng = np.random.default_rng(seed)
    layers = [layer for layer in leaves(copy)[::-1] if layer.weights]
    ends = set(np.rint(np.linspace(0, len(layers), stops + 1)[1:]).astype(int).tolist())
    for done, layer in enumerate(layers, 1):
        layer.set_weights([rng.permutation(tensor.ravel()).reshape(tensor.shape) for tensor in layer.get_weights()])
        if done in ends:
            yield layer.name, copy


def permuted_models(
    explained: ExplainedModel, stops: int, seed: int, before: ExplainedModel | None = None
) -> Iterator[tuple[str, ExplainedModel]]:
    """`randomise_cascade` of an explained model: (lowest permuted layer, the explained model), with what methods compiled.

    before: of an earlier seed, whose copy and compiled code are used again.
    Raises: ValueError if there is no model to permute.
    """
    if explained.model is None:
        raise ValueError(
            "the explained model must have its Keras model, whose weights are permuted, got its predict function only; "
            "give ExplainedModel the model"
        )
    from hilum.models.forward import predictor

    other = before
    for layer, copy in randomise_cascade(explained.model, stops, seed, before and before.model):
        predict = predictor(copy)
        other = other.reweighted(predict) if other else ExplainedModel(predict, copy, explained.background, fleeting=True)
        yield layer, other


def leaves(model: Any) -> list[Any]:
    """The layers of a model from the input up, with those of nested models in their place."""
    found: list[Any] = []
    for layer in model.layers:
        found += leaves(layer) if getattr(layer, "layers", None) else [layer]
    return found
