import numpy as np
import pytest
from two_squares import FOR, SETTINGS, SIZE, draw_films, explained_of

from hilum.explain.explained_model import ExplainedModel
from hilum.explain.map_layers import convolution_steps, last_convolution
from hilum.explain.methods import gradcam, shap_layer
from hilum.explain.sheets.layer_maps import choose_layers, choose_readers, gradcam_at_layers, shap_at_layers
from hilum.models.classifier import build_classifier
from hilum.models.cuts import legal_cuts
from hilum.models.forward import predictor

FILMS, TARGETS = draw_films(2, seed=2), np.array([0, 2])
OWN = {key: value for key, value in SETTINGS["shap_layer"].items() if key != "layer"}


def silent(done, total):
    pass


@pytest.fixture(scope="module")
def network():
    model = build_classifier("mobilenetv2", SIZE, 3, None, 0.2, 0.0, np.log(np.full(3, 1 / 3)), seed=4)
    logits = model.get_layer("logits")
    logits.set_weights([np.random.default_rng(0).normal(0, 1, logits.kernel.shape), np.zeros(3)])
    background = np.random.default_rng(9).uniform(20, 40, (3, SIZE, SIZE, 1)).astype(np.float32)
    return ExplainedModel(predictor(model), model, background)


def test_a_step_is_a_convolution_with_its_activation_or_a_merging_of_paths(network):
    steps = convolution_steps(network.model)
    assert steps[0] == "Conv1_relu"
    assert steps[-5:] == ["block_15_add", "block_16_expand_relu", "block_16_depthwise_relu", "block_16_project_BN", "out_relu"]
    assert steps[-1] == last_convolution(network.model)
    assert set(steps) <= set(legal_cuts(network.model))


def test_grad_cam_at_several_layers_is_grad_cam_at_each(network):
    maps = gradcam_at_layers(network, FILMS, TARGETS, {"layers": 3}, 7, silent)
    assert [one.layer for one in maps] == ["out_relu", "block_16_project_BN", "block_16_depthwise_relu"]
    for one in maps:
        alone = gradcam.explain(network, FILMS, TARGETS, {"layer": one.layer}, 7, silent)
        np.testing.assert_allclose(one.values, alone.values, rtol=1e-3, atol=1e-4 * alone.values.max())
    assert maps[0].values.tobytes() != maps[1].values.tobytes()
    # to the bit whatever has been compiled before: a stage that goes on takes some maps from the disk and compiles less
    again = gradcam_at_layers(network, FILMS, TARGETS, {"layers": 3}, 7, silent)
    assert [one.values.tobytes() for one in again] == [one.values.tobytes() for one in maps]


def test_layers_may_be_named_in_any_order_and_once(network):
    asked = ["first", "block_5_add", "last", "out_relu"]
    assert choose_layers("gradcam_layers", network.model, asked) == ["Conv1_relu", "block_5_add", "out_relu"]
    assert len(choose_layers("gradcam_layers", network.model, 999)) == len(convolution_steps(network.model))


def test_shap_at_several_layers_is_shap_at_each(network):
    maps = shap_at_layers(network, FILMS, TARGETS, {**OWN, "layers": 3}, 7, silent)
    assert [one.layer for one in maps] == ["pool", "Conv_1", "block_16_project"]
    alone = shap_layer.explain(network, FILMS, TARGETS, {**OWN, "layer": "Conv_1"}, 7, silent)
    assert maps[1].values.tobytes() == alone.values.tobytes()
    for one in maps:
        assert one.numbers["additivity_error"].shape == (2,)


def test_readers_may_be_named(network):
    assert choose_readers("shap_layers", network.model, ["last", "block_2_expand"]) == ["pool", "block_2_expand"]


@pytest.mark.parametrize(
    ("choose", "listed"), [(choose_layers, "block_16_project_BN, Conv_1, "), (choose_readers, "block_16_project, ")]
)
def test_a_wrong_layer_is_refused_with_the_legal_ones(network, choose, listed):
    with pytest.raises(ValueError, match=r"explain\.sheet\.layers must be .*, got block_2_depthwise; use ") as refusal:
        choose("sheet", network.model, ["last", "block_2_depthwise"])
    assert listed in str(refusal.value)
    assert "block_2_depthwise," not in str(refusal.value).split("use ")[1]


def test_the_only_convolution_of_a_small_model_is_both_first_and_last():
    explained = explained_of(1.0)
    assert choose_layers("activations", explained.model, ["first", "last"]) == ["means"]
    (only,) = gradcam_at_layers(explained, FILMS, np.array([1, 1]), {"layers": 6}, 0, silent)
    assert FOR[np.unravel_index(only.values[0].argmax(), FOR.shape)]
