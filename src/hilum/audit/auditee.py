"""A trained model as the audit uses it: probabilities, predictions, and each pixel's effect on the odds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hilum.data.prepared.examples import as_images
from hilum.evaluation.scoring.decisions import decide, factors_of
from hilum.explain.explained_model import ExplainedModel
from hilum.explain.methods import gradcam, members
from hilum.records import Films, Images, Labels, Maps, Probabilities

if TYPE_CHECKING:
    import keras

SURE = 1e-6  # probabilities are kept this far from 0 and 1 before their odds are taken


@dataclass(frozen=True)
class Auditee:
    """predict: (N, H, W, 1) grey levels 0-255 -> (N, K) probabilities. decide: (N, K) -> (N,) predicted classes, by its own rule.

    gradient: (N, H, W, 1) and a class -> (N, H, W), gradient of that class's log odds with respect to each pixel.
    heat: (N, H, W, 1) and (N,) classes -> (N, H, W) maps >= 0, such as Grad-CAM's.
    """

    predict: Callable[[Images], Probabilities]
    decide: Callable[[Probabilities], Labels]
    gradient: Callable[[Images, int], NDArray[np.float32]]
    heat: Callable[[Images, Labels], Maps]


def audit_model(explained: ExplainedModel, described: Mapping[str, Any]) -> Auditee:
    """A model with its own decision rule, which model.json describes, and Grad-CAM heat maps."""

    def heat(images: Images, targets: Labels) -> Maps:
        found = members.of_members(gradcam.explain)(explained, images, targets, {"layer": "last"}, 0, lambda done, total: None)
        return found.values

    rule = described["threshold"], factors_of(described)
    return Auditee(explained.predict, lambda p: decide(p, *rule), odds_gradient(explained.model), heat)


def log_odds(probabilities: Probabilities) -> NDArray[np.float64]:
    """ln p / (1 - p), kept finite."""
    p = np.clip(probabilities, SURE, 1 - SURE)
    return np.log(p) - np.log1p(-p)


def class_probabilities(auditee: Auditee, films: Films) -> Probabilities:
    """(N, K) probabilities of films (N, H, W) uint8."""
    return auditee.predict(as_images(films))


def odds_gradient(model: "keras.Model") -> Callable[[Images, int], NDArray[np.float32]]:
    """The gradient of one class's log odds for a batch of films; model: any kind that `models/flatten.py` supports."""
    import keras
    import tensorflow as tf

    from hilum.models.flatten import flatten

    flat = flatten(model, float32=True)
    logits = keras.Model(flat.input, flat.get_layer("logits").output)
    classes = int(logits.output.shape[-1])

    @tf.function(
        input_signature=[tf.TensorSpec([None, *flat.input_shape[1:]], tf.float32), tf.TensorSpec([], tf.int32)],
        jit_compile=False,
    )
    def compiled(films: Any, target: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(films)
            found = logits(films, training=False)
            others = tf.where(tf.range(classes) == target, tf.constant(-np.inf, tf.float32), found)
            odds = tf.gather(found, target, axis=1) - tf.reduce_logsumexp(others, axis=1)
        return tape.gradient(odds, films)

    def gradient(films: Images, target: int) -> NDArray[np.float32]:
        found: NDArray[np.float32] = compiled(tf.constant(films, tf.float32), tf.constant(target, tf.int32)).numpy()[..., 0]
        return found

    return gradient
