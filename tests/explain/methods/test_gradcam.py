import keras
import numpy as np
import pytest
import tensorflow as tf
from two_squares import SIZE, draw_films

from hilum.explain.explained_model import ExplainedModel
from hilum.explain.methods import gradcam
from hilum.models.classifier import build_classifier
from hilum.models.forward import predictor


@pytest.fixture(scope="module")
def network():
    """A real backbone with random weights and a head that separates its classes."""
    model = build_classifier("mobilenet_025", SIZE, 3, None, 0.2, 0.0, np.log(np.full(3, 1 / 3)), seed=4)
    logits = model.get_layer("logits")
    logits.set_weights([np.random.default_rng(0).normal(0, 1, logits.kernel.shape), np.zeros(3)])
    return ExplainedModel(predictor(model), model)


@pytest.mark.parametrize("layer", ["last", "conv_pw_11_relu"])
def test_the_cut_gives_the_map_of_the_whole_model(network, layer):
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.utils.scores import CategoricalScore

    films, targets = draw_films(3, seed=2), np.array([0, 1, 2])
    got = gradcam.explain(network, films, targets, {"layer": layer}, 0, lambda i, n: None)
    name = got.layer
    assert name == ("conv_pw_13_relu" if layer == "last" else layer)

    whole = keras.Model(network.model.input, network.model.get_layer("logits").output)
    cells = Gradcam(whole)(
        CategoricalScore([0, 1, 2]),
        films,
        penultimate_layer=name,
        seek_penultimate_conv_layer=False,
        expand_cam=False,
        normalize_cam=False,
    )
    expected = tf.image.resize(np.asarray(cells)[..., np.newaxis], (SIZE, SIZE))[..., 0]
    assert got.values.max() > 0
    np.testing.assert_allclose(got.values, expected, rtol=1e-3, atol=1e-4 * got.values.max())


def test_an_illegal_layer_names_the_legal_ones(network):
    with pytest.raises(ValueError, match="conv_pw_13_relu"):
        gradcam.explain(network, draw_films(1, 0), np.array([0]), {"layer": "pooling"}, 0, lambda i, n: None)


def test_the_model_is_left_as_it_was(network):
    before = [weight.copy() for weight in network.model.get_weights()]
    trainable = [layer.trainable for layer in network.model.layers]
    gradcam.explain(network, draw_films(1, 0), np.array([0]), {"layer": "last"}, 0, lambda i, n: None)
    assert all(np.array_equal(a, b) for a, b in zip(before, network.model.get_weights(), strict=True))
    assert [layer.trainable for layer in network.model.layers] == trainable
