"""The CAM methods on the tail, and Score-CAM, beside tf-keras-vis on the whole model."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from two_squares import SIZE, draw_films

from hilum.explain.explained_model import ExplainedModel
from hilum.explain.methods import gradcam_plus_plus, layercam, scorecam
from hilum.models.classifier import build_classifier
from hilum.models.forward import predictor

FILMS, TARGETS, LAYER = draw_films(3, seed=2), np.array([0, 1, 2]), "conv_pw_11_relu"


@pytest.fixture(scope="module")
def network():
    """A real backbone with random weights and a head that separates its classes."""
    model = build_classifier("mobilenet_025", SIZE, 3, None, 0.2, 0.0, np.log(np.full(3, 1 / 3)), seed=4)
    logits = model.get_layer("logits")
    logits.set_weights([np.random.default_rng(0).normal(0, 1, logits.kernel.shape), np.zeros(3)])
    return ExplainedModel(predictor(model), model)


def usual(explainer, films, score, **options):
    cells = explainer(
        score,
        films,
        penultimate_layer=LAYER,
        seek_penultimate_conv_layer=False,
        expand_cam=False,
        normalize_cam=False,
        **options,
    )
    return tf.image.resize(np.asarray(cells)[..., np.newaxis], (SIZE, SIZE))[..., 0].numpy()


def whole(network):
    return keras.Model(network.model.input, network.model.get_layer("logits").output)


def test_layercam_is_that_of_the_whole_model(network):
    from tf_keras_vis.layercam import Layercam
    from tf_keras_vis.utils.scores import CategoricalScore

    got = layercam.explain(network, FILMS, TARGETS, {"layer": LAYER}, 0, lambda i, n: None)
    expected = usual(Layercam(whole(network)), FILMS, CategoricalScore([0, 1, 2]))
    assert got.values.max() > 0
    np.testing.assert_allclose(got.values, expected, rtol=1e-3, atol=1e-4 * expected.max())


def test_gradcam_plus_plus_is_that_of_the_whole_model_up_to_the_exponential_of_the_logit(network):
    from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
    from tf_keras_vis.utils.scores import CategoricalScore

    got = gradcam_plus_plus.explain(network, FILMS, TARGETS, {"layer": LAYER}, 0, lambda i, n: None)
    expected = usual(GradcamPlusPlus(whole(network)), FILMS, CategoricalScore([0, 1, 2]))
    factor = np.exp(whole(network)(FILMS).numpy()[np.arange(3), TARGETS])[:, np.newaxis, np.newaxis]
    assert got.values.max() > 0
    np.testing.assert_allclose(got.values * factor, expected, rtol=1e-3, atol=1e-4 * expected.max())


def test_scorecam_is_that_of_the_whole_model_less_what_a_black_film_gets(network):
    from tf_keras_vis.scorecam import Scorecam

    got = scorecam.explain(network, FILMS, TARGETS, {"layer": LAYER, "max_N": 6}, 0, lambda i, n: None)
    black = network.predict(np.zeros_like(FILMS[:1]))[0]
    for i, k in enumerate(TARGETS):
        score = lambda answers, k=k: answers[:, k] - float(black[k])  # noqa: E731
        expected = usual(Scorecam(whole(network)), FILMS[i : i + 1], score, max_N=6)
        np.testing.assert_allclose(got.values[i], expected[0], rtol=1e-3, atol=1e-3 * max(expected.max(), 1e-6))
    assert got.parameters["max_N"] == 6
    assert got.numbers["channels"].tolist() == [6, 6, 6]


def test_more_channels_than_there_are_means_all(network):
    got = scorecam.explain(network, FILMS[:1], TARGETS[:1], {"layer": LAYER, "max_N": 9999}, 0, lambda i, n: None)
    assert got.numbers["channels"][0] == network.model.get_layer(LAYER).output.shape[-1]


@pytest.mark.parametrize("method", [gradcam_plus_plus, layercam])
def test_a_layer_without_cells_is_refused(network, method):
    with pytest.raises(ValueError, match="must have cells"):
        method.explain(network, FILMS, TARGETS, {"layer": "pool"}, 0, lambda i, n: None)


@pytest.mark.parametrize(("word", "name"), [("last", "conv_pw_13_relu"), ("finer", "conv_pw_11_relu")])
def test_the_words_for_layers(network, word, name):
    got = layercam.explain(network, FILMS, TARGETS, {"layer": word}, 0, lambda i, n: None)
    assert got.layer == name


def test_below_an_average_pooling_layercam_is_gradcam_plus_plus(network):
    one = layercam.explain(network, FILMS, TARGETS, {"layer": "last"}, 0, lambda i, n: None)
    other = gradcam_plus_plus.explain(network, FILMS, TARGETS, {"layer": "last"}, 0, lambda i, n: None)
    np.testing.assert_allclose(one.values, other.values, rtol=1e-4, atol=1e-6)
