"""SHAP by expected gradients: what each pixel adds to the target's logit, measured against background films."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hilum.explain.explained_model import ExplainedModel, OnFilm, check_films, check_model, check_settings
from hilum.records import Attribution, Images, Labels

if TYPE_CHECKING:
    import keras

BATCH = 50  # sampled films per gradient


def explain(
    explained: ExplainedModel, images: Images, targets: Labels, settings: Mapping[str, Any], seed: int, on_film: OnFilm
) -> Attribution:
    """shap's GradientExplainer at the film, for the target's logit only.

    images: (N, H, W, 1) float32 grey levels 0-255; targets: (N,) class indices; explained.background: (B, H, W, 1) training
    films. settings: samples (gradients per film); background (films of the explained model's background to measure against, a
    seeded choice, all if it has no more); smoothing (noise added to each sample, standard deviation as a share of that of the
    background's values). Signed values in logits. They should add up to the film's logit minus the background's mean logit
    (numbers: difference); additivity_error is their sum minus that difference, in logits, the noise of the sampling; zero = 1
    where the map is all 0.

    The seed sets which background films are chosen, and which of them and which point on the path are drawn, the same for every
    film.
    Raises: ValueError for wrong shapes or settings, no background, or a background that holds an explained film.
    Source: Erion et al. 2021, arXiv 1906.10670; Lundberg & Lee 2017, arXiv 1705.07874.
    """
    check_films(images, targets)
    check_settings("shap", settings, ["samples", "background", "smoothing"])
    model = check_model("shap", explained, targets)
    background = choose_background(check_background(explained.background, images), int(settings["background"]), seed)
    chosen = hash_films(background)

    import keras

    def compile_here() -> Gradients:
        logits = keras.Model(model.input, model.get_layer("logits").output)
        return compile_gradients(logits, background, float(settings["smoothing"]))

    once = f"expected gradients at the film, smoothing {settings['smoothing']}, background {chosen}"
    gradients = explained.once(once, compile_here, live=True)
    found, numbers = expected_gradients(gradients, images, targets, int(settings["samples"]), seed, on_film)
    values = found[..., 0]
    return Attribution(
        values=values,
        method="shap",
        targets=np.asarray(targets, np.int64),
        signed=True,
        parameters={
            "samples": int(settings["samples"]),
            "smoothing": float(settings["smoothing"]),
            "background": len(background),
            "background_sha256": chosen,
            "seed": seed,
            "at": "film",
        },
        numbers={**numbers, "zero": np.asarray(~values.any(axis=(1, 2)), np.float64)},
    )


@dataclass(frozen=True)
class Gradients:
    """shap's explainer of one of a model's logits, compiled once for all of them.

    kernel: (K, 1), picks the logit. logits: (N, ...) -> (N, K). background: (B, ...), what the explainer measures against.
    """

    explainer: Any
    kernel: Any
    logits: Callable[[NDArray[np.float32]], Any]
    background: NDArray[np.float32]

    def pick(self, target: int) -> None:
        self.kernel.assign(np.eye(self.kernel.shape[0], dtype=np.float32)[:, [target]])


def compile_gradients(logits: "keras.Model", background: NDArray[np.float32], smoothing: float) -> Gradients:
    """shap's GradientExplainer of a model of one input (N, ...) that gives logits (N, K).

    shap compiles a gradient per output, and runs the model itself, film by film and layer by layer, for outputs that are not
    needed here. A last layer that picks the output by its weights, and a compiled model, avoid both; the values stay the same.
    background: (B, ...) of the model's input; smoothing: noise as a share of the background's standard deviation.
    """
    import keras
    import shap
    import tensorflow as tf

    prediction = tf.function(
        lambda inputs: logits(inputs, training=False),
        input_signature=[tf.TensorSpec([None, *logits.input_shape[1:]], tf.float32)],
    )
    last = keras.layers.Dense(1, use_bias=False, dtype="float32", name="picked")
    one = keras.Model([logits.input], last(logits.output))  # a list, because shap calls it with one
    explainer = shap.GradientExplainer(one, background, batch_size=BATCH, local_smoothing=smoothing * float(background.std()))
    explainer.explainer.model = lambda inputs, training=False: last(prediction(inputs[0]))
    return Gradients(explainer, last.kernel, prediction, background)


def expected_gradients(
    gradients: Gradients, inputs: NDArray[np.float32], targets: Labels, samples: int, seed: int, on_film: OnFilm
) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float64]]]:
    """Values (N, ...) of inputs (N, ...) in logits, and the numbers difference and additivity_error, (N,) in logits."""
    values = np.zeros(inputs.shape, np.float32)
    total = np.zeros(len(inputs), np.float64)
    with own_random_state(), _without_tracing_warnings():
        for i in range(len(inputs)):
            gradients.pick(int(targets[i]))
            one = gradients.explainer.shap_values(inputs[i : i + 1], nsamples=samples, rseed=seed)
            values[i] = one[0, ..., 0]
            total[i] = one.sum()
            on_film(i + 1, len(inputs))
    expected = _predict_logits(gradients, gradients.background).mean(axis=0)  # (K,)
    difference = _predict_logits(gradients, inputs)[np.arange(len(inputs)), targets] - expected[targets]
    return values, {"difference": difference, "additivity_error": total - difference}


@contextmanager
def own_random_state() -> Iterator[None]:
    """shap seeds numpy's global generator; restore its state."""
    state = np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


@contextmanager
def _without_tracing_warnings() -> Iterator[None]:
    """shap traces a new function for every model, about which TensorFlow logs long warnings."""
    import tensorflow as tf

    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        yield
    finally:
        logger.setLevel(level)


def hash_films(films: Images) -> str:
    """SHA-256 of the films' values, so that a map names its background."""
    return hashlib.sha256(np.ascontiguousarray(films).tobytes()).hexdigest()


def check_background(background: Images | None, images: Images) -> Images:
    """The background, if there is one that fits and holds no explained film. Raises ValueError otherwise."""
    if background is None or len(background) == 0:
        raise ValueError("shap must have background films, got none; give ExplainedModel a background of training films")
    if background.shape[1:] != images.shape[1:] or background.dtype != np.float32:
        raise ValueError(f"background must be (B, {images.shape[1:]}) float32, got {background.shape} {background.dtype}")
    known = {film.tobytes() for film in background}
    shared = [i for i, film in enumerate(images) if film.tobytes() in known]
    if shared:
        raise ValueError(f"background must not hold an explained film, got films {shared} in both; use training films")
    return background


def choose_background(background: Images, count: int, seed: int) -> Images:
    """A seeded choice of `count` of the background films (B, H, W, 1), in their order; all of them if there are no more."""
    rows = np.random.default_rng(seed).permutation(len(background))[:count]
    return background[np.sort(rows)]


def _predict_logits(gradients: Gradients, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N, K) logits in batches."""
    parts = [np.asarray(gradients.logits(inputs[i : i + BATCH])) for i in range(0, len(inputs), BATCH)]
    return np.concatenate(parts).astype(np.float64)
