"""Every method on every kind of model: a finite map of the film's size that finds the square, and a model left as it was."""

import functools

import keras
import numpy as np
import pytest
from kinds import KINDS
from two_squares import AGAINST, COARSE, FOR, SETTINGS, SIZE, draw_films

from hilum.explain.explained_model import ExplainedModel
from hilum.explain.methods.registry import METHODS
from hilum.models.forward import predictor

FILMS, TARGETS = draw_films(2, seed=1), np.array([1, 0])


@functools.cache
def explained_of_kind(kind):
    model = KINDS[kind]()
    background = np.random.default_rng(9).uniform(20, 40, (3, SIZE, SIZE, 1)).astype(np.float32)
    return ExplainedModel(predictor(model), model, background)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", METHODS)
def test_every_method_finds_the_square_in_every_kind(name, kind):
    got = METHODS[name].explain(explained_of_kind(kind), FILMS, TARGETS, SETTINGS[name], 3, lambda i, n: None)
    assert got.values.shape == (2, SIZE, SIZE)
    assert got.values.dtype == np.float32
    assert np.isfinite(got.values).all()
    for values, target in zip(got.values, TARGETS, strict=True):
        own = {1: FOR, 0: AGAINST}[target] if METHODS[name].directed else FOR | AGAINST
        if target == 0 and not METHODS[name].signed and METHODS[name].directed:
            continue  # a map of what argues for class 0 comes from a negative channel, which a CAM leaves out by its rule
        positive = np.maximum(values, 0)
        assert own[np.unravel_index(values.argmax(), values.shape)]
        assert positive[own].sum() > COARSE.get(name, 0.8) * positive.sum()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_same_predictions(kind):
    expected = explained_of_kind("hilum's own").predict(FILMS)
    got = explained_of_kind(kind).predict(FILMS)
    np.testing.assert_allclose(got.sum(axis=1), 1, atol=1e-9)
    if got.shape[1] == 3:
        np.testing.assert_allclose(got, expected, atol=2e-2 if "float16" in kind else 1e-5)
    else:  # one sigmoid z has the log odds of which the softmax's logits, z and -z, have twice as much
        odds = np.log(got[:, 1] / got[:, 0])
        np.testing.assert_allclose(2 * odds, np.log(expected[:, 1] / expected[:, 0]), atol=2e-2)


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("kind", ["hilum's own", "nested"])
@pytest.mark.parametrize("name", METHODS)
def test_a_method_that_fails_leaves_the_model_as_it_was(name, kind):
    import tensorflow as tf
    from tensorflow.python.framework import ops

    explained = explained_of_kind(kind)
    tensor = tf.constant(FILMS if explained.model.input_shape[-1] == 1 else np.repeat(FILMS, 3, axis=-1))

    def state():
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            answers = explained.model(tensor, training=False)
            last = answers[:, -1]
        gradient = tape.gradient(last, tensor)
        registry = {key: entry["type"] for key, entry in ops.gradient_registry._registry.items()}
        layers = [(layer.name, layer.trainable, str(layer.dtype_policy)) for layer in explained.model.layers]
        words = [getattr(getattr(layer, "activation", None), "__name__", None) for layer in explained.model.layers]
        random = np.random.get_state()[1].tolist()  # noqa: NPY002
        return answers.numpy().tobytes(), gradient.numpy().tobytes(), registry, layers, words, random

    def stop(done, total):
        raise StoppedError

    METHODS[name].explain(explained, FILMS[:1], TARGETS[:1], SETTINGS[name], 3, lambda i, n: None)  # libraries are imported
    before = state()
    with pytest.raises(StoppedError):
        METHODS[name].explain(explained, FILMS, TARGETS, SETTINGS[name], 3, stop)
    assert state() == before
    assert keras.config.dtype_policy().name == "float32"


def test_a_user_s_saved_file_is_explained(tmp_path):
    KINDS["nested"]().save(tmp_path / "own.keras")
    model = keras.saving.load_model(tmp_path / "own.keras", compile=False)
    got = METHODS["gradcam"].explain(
        ExplainedModel(predictor(model), model), FILMS, TARGETS, {"layer": "last"}, 0, lambda i, n: None
    )
    assert FOR[np.unravel_index(got.values[0].argmax(), (SIZE, SIZE))]
