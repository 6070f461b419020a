"""The input of explainers: the explained model and the films, checked once on entry."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hilum.records import Attribution, Cells, Images, Labels, Maps, Probabilities

if TYPE_CHECKING:
    import keras

ROUNDING = 1e-6  # a map in probability that spans less than this is float32's rounding, not a map
BATCH = 128  # perturbed copies of a film per call of predict
Predict = Callable[[Images], Probabilities]
T = TypeVar("T")
OnFilm = Callable[[int, int], None]  # films done, films in all


@dataclass(frozen=True)
class ExplainedModel:
    """A trained model as explainers see it, with its weights at creation: create another when they change.

    predict: (N, H, W, 1) grey levels 0-255 -> (N, K) probabilities; all that a black box method reads.
    model: the Keras classifier, of any kind that `models/flatten.py` knows; white box methods need it.
    background: (B, H, W, 1) training films that SHAP measures against.
    fleeting: the model's weights change soon, so compiling code that holds them does not pay for a few films.
    compiled: what explainers compiled for this model, and the memory of `copies`: reused for its next films.
    live: what they compiled that reads the model's weights at each call, so that `reweighted` shares it.
    """

    predict: Predict
    model: "keras.Model | None" = None
    background: Images | None = None
    fleeting: bool = False
    compiled: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    live: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def reweighted(self, predict: Predict) -> "ExplainedModel":
        """The same model with its present weights, which `predict` uses."""
        other = ExplainedModel(predict, self.model, self.background, self.fleeting)
        other.live.update(self.live)
        return other

    def copies(self, count: int, size: tuple[int, ...]) -> Images:
        """A buffer for `count` perturbed copies of a film of this size, at most BATCH: (count, H, W, 1) float32 to write into.

        Every call returns the same memory, so `predict` must have returned before the next call.
        """
        room = self.once(f"copies of {size}", lambda: np.empty((BATCH, *size, 1), np.float32))
        return room[:count]

    def once(self, name: str, make: Callable[[], T], live: bool = False) -> T:
        """The result of `make` at the first call with this name, which must name all that it depends on besides this model.

        live: it holds neither the model's weights nor anything computed with them.
        """
        kept = self.live if live else self.compiled
        if name not in kept:
            kept[name] = make()
        made: T = kept[name]
        return made


def numbers_of(rows: Sequence[Mapping[str, float]]) -> dict[str, NDArray[np.float64]]:
    """The numbers of an Attribution, name -> (N,), from one mapping per film."""
    return {name: np.array([row[name] for row in rows], np.float64) for name in rows[0]}


def unsigned_map(
    method: str, values: Maps, targets: Labels, parameters: Mapping[str, Any], cells: Cells | None = None
) -> Attribution:
    """The attribution of maps (N, H, W) >= 0; numbers: maximum of the map, and zero = 1 where it is all zeros."""
    maximum = values.max(axis=(1, 2)).astype(np.float64)
    return Attribution(
        values=values,
        method=method,
        targets=np.asarray(targets, np.int64),
        signed=False,
        parameters=parameters,
        numbers={"maximum": maximum, "zero": (maximum == 0).astype(np.float64)},
        cells=cells,
    )


def check_films(images: Images, targets: Labels) -> None:
    """Refuse films or targets of a wrong shape, type or range.

    images: (N, H, W, 1) float32 grey levels 0-255; targets: (N,) class indices.
    Raises: ValueError with expected and actual values.
    """
    if images.ndim != 4 or images.shape[-1] != 1 or images.dtype != np.float32:
        raise ValueError(f"images must be (N, H, W, 1) float32, got {images.shape} {images.dtype}")
    if targets.shape != images.shape[:1] or not np.issubdtype(targets.dtype, np.integer):
        raise ValueError(f"targets must be {images.shape[:1]} class indices, got {targets.shape} {targets.dtype}")
    if len(images) == 0:
        raise ValueError("images must hold at least one film, got 0")
    low, high = float(images.min()), float(images.max())
    if not (low >= 0 and high <= 255):
        raise ValueError(f"images must be grey levels 0-255, got values from {low:g} to {high:g}; do not scale them")
    if int(targets.min()) < 0:
        raise ValueError(f"targets must be class indices from 0, got {int(targets.min())}")


def check_settings(method: str, settings: Mapping[str, Any], names: Iterable[str]) -> None:
    """Refuse settings that lack a name or hold one that the method does not read.

    Raises: ValueError naming the legal ones.
    """
    legal = sorted(names)
    if sorted(settings) != legal:
        raise ValueError(f"explain.{method} must hold {', '.join(legal)}, got {', '.join(sorted(settings)) or 'nothing'}")


def check_model(method: str, explained: ExplainedModel, targets: Labels) -> "keras.Model":
    """The model of a white box method: flat, computing in float32, with a logit for every target.

    Methods may change its layers without changing `explained.model`: only the variables are shared (a model that is already flat
    is returned as it is and must not be changed).
    Raises: ValueError if there is no model, it cannot be flattened, or a target is outside its classes.
    """
    from hilum.models.flatten import flatten

    if explained.model is None:
        raise ValueError(f"{method} must have the model, got its predict function only; use a black box method such as lime")
    model = flatten(explained.model, float32=True)
    check_targets(targets, int(model.get_layer("logits").output.shape[-1]))
    return model


def check_targets(targets: Labels, classes: int) -> None:
    """Refuse a target outside the model's classes."""
    if int(targets.max()) >= classes:
        raise ValueError(f"targets must be class indices below {classes}, got {int(targets.max())}")
