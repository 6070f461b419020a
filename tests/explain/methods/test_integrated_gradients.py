import keras
import numpy as np
import pytest
from two_squares import AGAINST, FOR, SIZE, draw_films, explained_of

from hilum.explain.explained_model import ExplainedModel
from hilum.explain.methods import integrated_gradients
from hilum.explain.methods.baselines import BASELINES, baseline_of

FILMS = draw_films(2, seed=8)


def explain(explained, targets, **settings):
    given = {"baselines": ["black"], "steps": 4} | settings
    return integrated_gradients.explain(explained, FILMS, np.array(targets), given, 0, lambda i, n: None)


@pytest.mark.parametrize("name", BASELINES)
def test_a_linear_model_is_explained_exactly(name):
    got = explain(explained_of(1.0), [1, 0], baselines=[name])
    weight = (FOR.astype(float) - AGAINST.astype(float)) / FOR.sum() / 255
    start = np.stack([baseline_of(name, film) for film in FILMS[..., 0]]).astype(float)
    expected = (FILMS[..., 0] - start) * weight * np.array([1, -1])[:, np.newaxis, np.newaxis]
    np.testing.assert_allclose(got.values, expected, atol=1e-6)
    np.testing.assert_allclose(got.numbers[f"difference_{name}"], expected.sum(axis=(1, 2)), atol=1e-4)
    np.testing.assert_allclose(got.numbers["completeness_error"], 0, atol=1e-4)


def test_several_baselines_give_the_mean_of_their_maps_and_each_its_own_error():
    alone = [explain(explained_of(1.0), [1, 1], baselines=[name]).values for name in BASELINES]
    together = explain(explained_of(1.0), [1, 1], baselines=list(BASELINES))
    np.testing.assert_allclose(together.values, np.mean(alone, axis=0), atol=1e-6)
    for name in BASELINES:
        assert np.abs(together.numbers[f"completeness_error_{name}"]).max() < 1e-4


def squared() -> ExplainedModel:
    """Logit of class 1: the square of the film's mean over 255, so that few steps are not exact."""
    grey = keras.Input((SIZE, SIZE, 1), name="grey")
    mean = keras.layers.GlobalAveragePooling2D(name="pool")(keras.layers.Rescaling(1 / 255, name="scale")(grey))
    cubed = keras.layers.Multiply(name="power")([mean, mean, mean])
    logits = keras.layers.Dense(2, use_bias=False, name="logits")(cubed)
    model = keras.Model(grey, keras.layers.Activation("softmax", name="probabilities")(logits))
    model.get_layer("logits").set_weights([np.float32([[-50, 50]])])
    return ExplainedModel(lambda images: None, model)


def test_more_steps_leave_a_smaller_completeness_error():
    few, many = (explain(squared(), [1, 1], steps=steps).numbers["completeness_error"] for steps in (2, 20))
    assert (np.abs(few) > 1e-3).all()
    assert (np.abs(many) < 0.05 * np.abs(few)).all(), "the error of midpoints falls with the square of the steps"
