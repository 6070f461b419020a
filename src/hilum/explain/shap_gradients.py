"""SHAP by expected gradients: what each pixel adds to the target's logit, measured against background films."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hilum.explain.subject import OnFilm, Subject, check_films, check_model, check_settings
from hilum.records import Attribution, Images, Labels

if TYPE_CHECKING:
    import keras

BATCH = 50  # sampled films per gradient


def explain(
    subject: Subject, images: Images, targets: Labels, settings: Mapping[str, Any], seed: int, on_film: OnFilm
) -> Attribution:
    """shap's GradientExplainer at the film, for the target's logit only.

    images: (N, H, W, 1) float32 grey levels 0-255; targets: (N,) class indices; subject.background: (B, H, W, 1) training films.
    settings: samples (gradients per film); background (films that the caller was to choose, kept in the parameters); smoothing
    (noise added to each sample, standard deviation as a share of that of the background's values).
    Signed values in logits. They should add up to the film's logit less the background's mean logit (numbers: difference);
    additivity_error is their sum less that difference, in logits, the noise of the sampling; zero = 1 where the map is all 0.

    The seed sets which background film and which point on the way are drawn, the same for every film.
    Raises: ValueError for wrong shapes or settings, no background, or a background that holds an explained film.
    Source: Erion et al. 2021, arXiv 1906.10670; Lundberg & Lee 2017, arXiv 1705.07874.
    """
    check_films(images, targets)
    check_settings("shap", settings, ["samples", "background", "smoothing"])
    model = check_model("shap", subject, targets)
    background = check_background(subject.background, images)

    import keras

    logits = keras.Model(model.input, model.get_layer("logits").output)
    found, numbers = expected_gradients(logits, background, images, targets, settings, seed, on_film)
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
            "background_sha256": hash_films(background),
            "seed": seed,
            "output": "logits",
            "at": "film",
        },
        numbers={**numbers, "zero": np.asarray(~values.any(axis=(1, 2)), np.float64)},
    )


def expected_gradients(
    logits: "keras.Model",
    background: NDArray[np.float32],
    inputs: NDArray[np.float32],
    targets: Labels,
    settings: Mapping[str, Any],
    seed: int,
    on_film: OnFilm,
) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float64]]]:
    """shap's GradientExplainer of a model of one input that gives logits.

    background, inputs: (B, ...) and (N, ...) of the model's own input shape. Gives (N, ...) in logits and the numbers
    difference and additivity_error, (N,) in logits.
    """
    import keras
    import shap

    listed = keras.Model([logits.input], logits.output)  # a list, because shap calls it with one
    noise = float(settings["smoothing"]) * float(background.std())
    explainer = shap.GradientExplainer(listed, background, batch_size=BATCH, local_smoothing=noise)
    values = np.zeros(inputs.shape, np.float32)
    total = np.zeros(len(inputs), np.float64)
    with own_random_state(), _without_advice():
        for i in range(len(inputs)):
            one, _ = explainer.shap_values(
                inputs[i : i + 1],
                nsamples=int(settings["samples"]),
                ranked_outputs=np.array([[int(targets[i])]]),  # the target's gradient alone
                output_rank_order="custom",
                rseed=seed,
            )
            values[i] = one[0, ..., 0]
            total[i] = one.sum()
            on_film(i + 1, len(inputs))
    expected = _answers(listed, background).mean(axis=0)  # (K,)
    difference = _answers(listed, inputs)[np.arange(len(inputs)), targets] - expected[targets]
    return values, {"difference": difference, "additivity_error": total - difference}


@contextmanager
def own_random_state() -> Iterator[None]:
    """shap seeds numpy's global generator; give it back as it was."""
    state = np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


@contextmanager
def _without_advice() -> Iterator[None]:
    """shap traces a function anew for every model and class, of which TensorFlow warns at length."""
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
        raise ValueError("shap must have background films, got none; give Subject(background=...) a sample of training films")
    if background.shape[1:] != images.shape[1:] or background.dtype != np.float32:
        raise ValueError(f"background must be (B, {images.shape[1:]}) float32, got {background.shape} {background.dtype}")
    known = {film.tobytes() for film in background}
    shared = [i for i, film in enumerate(images) if film.tobytes() in known]
    if shared:
        raise ValueError(f"background must not hold an explained film, got films {shared} in both; use training films")
    return background


def _answers(logits: "keras.Model", images: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N, K) logits in batches."""
    parts = [np.asarray(logits([images[i : i + BATCH]], training=False)) for i in range(0, len(images), BATCH)]
    return np.concatenate(parts).astype(np.float64)
