"""Every method on a network with real weights, residual sums and ReLU6: EfficientNet-Lite0 under a random head."""

import numpy as np
import pytest
from two_squares import AGAINST, DECOY, FOR, SETTINGS, SIZE, draw_films

from hilum.explain.explained_model import ExplainedModel
from hilum.explain.map_layers import last_convolution
from hilum.explain.methods.registry import METHODS
from hilum.models.classifier import build_classifier, model_sha256
from hilum.models.forward import predictor

FILMS, TARGETS = draw_films(2, seed=1), np.array([1, 2])


@pytest.fixture(scope="module")
def network() -> ExplainedModel:
    model = build_classifier("efficientnet_lite0", SIZE, 3, "imagenet", 0.2, 0.0, np.log(np.full(3, 1 / 3)), seed=4)
    dark = np.random.default_rng(9).uniform(20, 40, (3, SIZE, SIZE, 1)).astype(np.float32)
    kernel = np.random.default_rng(0).normal(0, 0.05, (1280, 3))
    kernel[:, 1] = np.abs(kernel[:, 1])  # a CAM shows nothing where all that a class gets is negative
    model.get_layer("logits").set_weights([kernel, np.zeros(3)])
    return ExplainedModel(predictor(model), model, dark)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_gives_a_map_that_says_something_and_leaves_the_network_as_it_was(
    name: str, network: ExplainedModel
) -> None:
    digest = model_sha256(network.model)
    got, again = (METHODS[name].explain(network, FILMS, TARGETS, SETTINGS[name], 3, lambda i, n: None) for _ in range(2))
    assert got.values.shape == (2, SIZE, SIZE) and got.values.dtype == np.float32
    assert np.isfinite(got.values).all()
    assert got.values.tobytes() == again.values.tobytes()
    assert model_sha256(network.model) == digest
    assert np.ptp(got.values[0]) > 0


@pytest.mark.parametrize("name", ["shap", "shap_layer"])
def test_what_should_add_up_to_the_difference_nearly_does(name: str, network: ExplainedModel) -> None:
    """Through ReLU6 and sums: the parts of a map add up to what the logit gained over the background."""
    settings = {**SETTINGS[name], "samples": 400}
    numbers = METHODS[name].explain(network, FILMS[:1], TARGETS[:1], settings, 3, lambda i, n: None).numbers
    assert abs(numbers["difference"][0]) > 0.1
    assert abs(numbers["additivity_error"][0]) < 0.25 * abs(numbers["difference"][0])


def test_a_cam_of_its_last_convolution_has_its_cells(network: ExplainedModel) -> None:
    cells = METHODS["gradcam"].explain(network, FILMS, TARGETS, SETTINGS["gradcam"], 3, lambda i, n: None).cells
    assert cells is not None and cells.layer == last_convolution(network.model) == "top_conv_relu"


def test_occlusion_finds_what_is_bright(network: ExplainedModel) -> None:
    values = METHODS["occlusion"].explain(network, FILMS, TARGETS, SETTINGS["occlusion"], 3, lambda i, n: None).values[0]
    bright = FOR | AGAINST | DECOY
    assert np.abs(values)[bright].mean() > 1.5 * np.abs(values)[~bright].mean()
