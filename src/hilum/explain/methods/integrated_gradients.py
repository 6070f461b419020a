"""Integrated Gradients: what each pixel adds to the target's logit on the path from a baseline to the film."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hilum.explain.explained_model import ExplainedModel, OnFilm, check_films, check_model, check_settings, numbers_of
from hilum.explain.methods.baselines import baseline_of
from hilum.records import Attribution, Images, Labels

if TYPE_CHECKING:
    import keras

BATCH = 32  # points on the path per gradient

# (films (N, H, W, 1), target) -> gradients (N, H, W, 1) and logits (N,) of the target
Gradient = Callable[[Images, int], tuple[NDArray[np.float32], NDArray[np.float32]]]


def explain(
    explained: ExplainedModel, images: Images, targets: Labels, settings: Mapping[str, Any], seed: int, on_film: OnFilm
) -> Attribution:
    """Integrated Gradients of the target's logit, the mean over the baselines.

    images: (N, H, W, 1) float32 grey levels 0-255; targets: (N,) class indices; settings: baselines (of black, mean, blurred),
    steps (points on each straight path, at the middles of equal parts).
    Signed values in logits. From each baseline they should add up to the film's logit minus the baseline's. numbers, for each
    baseline B: difference_B (of the two logits) and completeness_error_B (sum minus difference); completeness_error (the
    largest of them in size); zero = 1 where the map is all 0. Nothing is random, so the seed is not used.
    Raises: ValueError for wrong shapes or settings.
    Source: Sundararajan et al. 2017, arXiv 1703.01365.
    """
    check_films(images, targets)
    check_settings("integrated_gradients", settings, ["baselines", "steps"])
    gradient = gradient_of(explained, check_model("integrated_gradients", explained, targets))
    values = np.zeros(images.shape[:3], np.float32)  # (N, H, W)
    rows = []
    for i, film in enumerate(images[..., 0]):
        values[i], row = integrate(gradient, film, int(targets[i]), list(settings["baselines"]), int(settings["steps"]))
        rows.append({**row, "zero": float(not values[i].any())})
        on_film(i + 1, len(images))
    return Attribution(
        values=values,
        method="integrated_gradients",
        targets=np.asarray(targets, np.int64),
        signed=True,
        parameters={"baselines": list(settings["baselines"]), "steps": int(settings["steps"])},
        numbers=numbers_of(rows),
    )


def integrate(
    gradient: Gradient, film: NDArray[np.float32], target: int, baselines: list[str], steps: int
) -> tuple[NDArray[np.float32], dict[str, float]]:
    """One film's map (H, W), the mean over the baselines, and its numbers."""
    shares = (np.arange(steps, dtype=np.float32) + 0.5) / steps
    parts, numbers, errors = [], {}, []
    for name in baselines:
        start = baseline_of(name, film)
        path = start + shares[:, np.newaxis, np.newaxis] * (film - start)  # (steps, H, W)
        total = np.zeros(film.shape, np.float64)  # (H, W)
        for i in range(0, steps, BATCH):
            total += gradient(path[i : i + BATCH, ..., np.newaxis], target)[0][..., 0].sum(axis=0, dtype=np.float64)
        part = (film - start) * total / steps
        _, (above, below) = gradient(np.stack([film, start])[..., np.newaxis], target)
        numbers[f"difference_{name}"] = float(above) - float(below)
        numbers[f"completeness_error_{name}"] = float(part.sum()) - numbers[f"difference_{name}"]
        errors.append(numbers[f"completeness_error_{name}"])
        parts.append(part)
    numbers["completeness_error"] = max(errors, key=abs)
    return np.mean(parts, axis=0).astype(np.float32), numbers


def gradient_of(explained: ExplainedModel, model: "keras.Model") -> Gradient:
    """A compiled function for the gradient of one logit at each film of a batch, made once for an explained model."""
    return explained.once("gradient of a logit", lambda: _compile_gradient(model), live=True)


def _compile_gradient(model: "keras.Model") -> Gradient:
    import keras
    import tensorflow as tf

    logits = keras.Model(model.input, model.get_layer("logits").output)

    @tf.function(
        input_signature=[tf.TensorSpec([None, *model.input_shape[1:]], tf.float32), tf.TensorSpec([], tf.int32)],
        jit_compile=False,
    )
    def compiled(films: Any, target: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(films)
            own = tf.gather(logits(films, training=False), target, axis=1)
        return tape.gradient(own, films), own

    def gradient(films: Images, target: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        found, own = compiled(tf.constant(films, tf.float32), tf.constant(target, tf.int32))
        return found.numpy(), own.numpy()

    return gradient
