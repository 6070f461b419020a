# ruff: noqa: NPY002 - tf-keras-vis draws from numpy's global generator
import keras
import numpy as np
from two_squares import AGAINST, FOR, SIZE, draw_films, explained_of

from hilum.explain.explained_model import ExplainedModel
from hilum.explain.methods import saliency
from hilum.models.classifier import build_classifier

FILMS = draw_films(2, seed=8)


def network():
    model = build_classifier("mobilenet_025", SIZE, 3, None, 0.2, 0.0, np.log(np.full(3, 1 / 3)), seed=4)
    logits = model.get_layer("logits")
    logits.set_weights([np.random.default_rng(0).normal(0, 1, logits.kernel.shape), np.zeros(3)])
    return ExplainedModel(lambda images: None, model)


def test_the_gradient_of_a_linear_model_is_its_weights():
    got = saliency.explain(explained_of(1.0), FILMS, np.array([1, 0]), {}, 0, lambda i, n: None)
    np.testing.assert_allclose(got.values, np.tile((FOR | AGAINST) / FOR.sum() / 255, (2, 1, 1)), atol=1e-9)


def test_smoothgrad_is_that_of_tf_keras_vis():
    from tf_keras_vis.saliency import Saliency
    from tf_keras_vis.utils.scores import CategoricalScore

    explained, state = network(), np.random.get_state()
    got = saliency.explain_smoothly(explained, FILMS[:1], np.array([2]), {"samples": 5, "noise": 0.2}, 11, lambda i, n: None)
    assert np.array_equal(np.random.get_state()[1], state[1]), "numpy's global generator is left alone"
    logits = keras.Model([explained.model.input], explained.model.get_layer("logits").output)
    np.random.seed(11)
    usual = Saliency(logits)(CategoricalScore([2]), FILMS[:1], smooth_samples=5, smooth_noise=0.2, normalize_map=False)
    np.random.set_state(state)
    assert got.values.max() > 0
    np.testing.assert_allclose(got.values, usual, rtol=1e-3, atol=1e-4 * got.values.max())


def test_another_seed_draws_other_noise():
    one, other = (
        saliency.explain_smoothly(network(), FILMS[:1], np.array([0]), {"samples": 2, "noise": 0.2}, seed, lambda i, n: None)
        for seed in (1, 2)
    )
    assert one.values.tobytes() != other.values.tobytes()
