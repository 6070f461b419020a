import dataclasses

import numpy as np
import pytest
from two_squares import SIZE, draw_films

from hilum.explain.explained_model import ExplainedModel
from hilum.explain.methods import shap_layer
from hilum.explain.methods.shap_gradients import hash_films
from hilum.models.classifier import build_classifier
from hilum.models.forward import predictor
from hilum.records import Cells

FILMS, TARGETS = draw_films(2, seed=2), np.array([0, 2])
SETTINGS = {"layer": "conv_pw_11", "samples": 60, "background": 3, "smoothing": 0.0}


@pytest.fixture(scope="module")
def network():
    model = build_classifier("mobilenet_025", SIZE, 3, None, 0.2, 0.0, np.log(np.full(3, 1 / 3)), seed=4)
    logits = model.get_layer("logits")
    logits.set_weights([np.random.default_rng(0).normal(0, 1, logits.kernel.shape), np.zeros(3)])
    background = np.random.default_rng(9).uniform(20, 40, (3, SIZE, SIZE, 1)).astype(np.float32)
    return ExplainedModel(predictor(model), model, background)


def explain(explained, **changes):
    return shap_layer.explain(explained, FILMS, TARGETS, {**SETTINGS, **changes}, 7, lambda i, n: None)


def test_it_is_shap_s_own_form_for_a_layer(network):
    import keras
    import shap

    model = network.model
    logits = keras.Model([model.input], model.get_layer("logits").output)
    read = model.get_layer("conv_pw_11").input
    below = keras.Model(model.input, read)
    explainer = shap.GradientExplainer((read, logits.output), below(network.background).numpy(), batch_size=50)
    got = explain(network)
    for i, k in enumerate(TARGETS):
        usual, _ = explainer.shap_values(
            below(FILMS[i : i + 1]).numpy(), nsamples=60, ranked_outputs=np.array([[k]]), output_rank_order="custom", rseed=7
        )
        cells = usual[0, ..., 0].sum(axis=-1)
        expected = shap_layer.resize_cells(cells[np.newaxis].astype(np.float32), (SIZE, SIZE))[0]
        assert np.abs(expected).max() > 0
        np.testing.assert_allclose(got.values[i], expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_the_additivity_error_is_small_beside_the_difference_and_shrinks_with_samples(network):
    few, many = explain(network, samples=10).numbers, explain(network, samples=400).numbers
    assert np.abs(many["additivity_error"]).sum() < np.abs(few["additivity_error"]).sum()
    assert (np.abs(many["additivity_error"]) < 0.25 * np.abs(many["difference"])).all()


def test_the_layer_and_where_it_is_measured_are_named(network):
    got = explain(network)
    assert got.parameters["at"] == "input of conv_pw_11"
    assert got.cells == Cells(3, 3, "conv_pw_11")
    assert explain(network, layer="last").parameters["layer"] == "pool"


def test_it_measures_against_so_many_background_films_as_its_own_setting_says(network):
    """A seeded choice of the explained model's, named in the parameters; what `shap` takes of them is another matter."""
    two = explain(network, background=2)
    rows = np.sort(np.random.default_rng(7).permutation(3)[:2])
    chosen = dataclasses.replace(network, background=network.background[rows])
    assert two.parameters["background"] == 2
    assert two.parameters["background_sha256"] == hash_films(chosen.background)
    assert two.values.tobytes() == explain(chosen, background=2).values.tobytes() != explain(network).values.tobytes()
    assert explain(network, background=99).values.tobytes() == explain(network).values.tobytes()
    assert explain(network, background=99).parameters["background"] == 3


def test_smoothing_changes_the_samples(network):
    assert explain(network, smoothing=0.2).values.tobytes() != explain(network).values.tobytes()


def test_a_layer_inside_a_residual_block_is_refused_with_the_legal_ones():
    model = build_classifier("mobilenetv2", 64, 2, None, 0.2, 0.0, np.log([0.5, 0.5]), seed=4)
    explained = ExplainedModel(lambda images: None, model, np.zeros((1, 64, 64, 1), np.float32))
    films = np.full((1, 64, 64, 1), 9, np.float32)
    legal = shap_layer.layers_with_cutting_input(model)
    assert legal["block_2_expand"] == "block_1_project_BN"
    assert "block_2_depthwise" not in legal
    assert "block_2_add" not in legal
    with pytest.raises(ValueError, match=r"got 'block_2_depthwise'; use last or one of .*block_16_expand"):
        shap_layer.explain(explained, films, np.array([0]), {**SETTINGS, "layer": "block_2_depthwise"}, 0, lambda i, n: None)
