"""A user's finished model as a classifier of hilum's form: it predicts as before, in the task's order, and can be calibrated."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from small_graphs import draw_films

from hilum.explain.map_layers import last_convolution
from hilum.models.classifier import build_classifier, load_classifier, model_sha256, save_classifier
from hilum.models.flatten import is_flat
from hilum.models.forward import predictor
from hilum.models.head import ONE_LOGIT, change_logits
from hilum.settings.training import GivenArm
from hilum.training.given import build_given, load_given

L = keras.layers
FILMS = draw_films(4, 32)
TWO, THREE = ["normal", "ill"], ["normal", "bacterial", "viral"]
TURNED = ["viral", "normal", "bacterial"]


def own(*end: Any, channels: int = 1, side: int | None = 32) -> keras.Model:
    """A small convolution with this end."""
    film = keras.Input((side, side, channels))
    tensor = L.Conv2D(6, 3, activation="relu", name="seen")(film / 255.0)
    for layer in end:
        tensor = layer(tensor)
    return keras.Model(film, tensor, name="theirs")


ENDS = {
    "softmax in the last layer": lambda k: [L.GlobalAveragePooling2D(), L.Dense(k, activation="softmax")],
    "softmax without biases": lambda k: [L.GlobalAveragePooling2D(), L.Dense(k, use_bias=False), L.Softmax()],
    "softmax of keras.ops": lambda k: [L.GlobalMaxPooling2D(), L.Dropout(0.5), L.Dense(k, name="logits"), keras.ops.softmax],
    "no dense layer": lambda k: [L.Conv2D(k, 1), L.GlobalAveragePooling2D(), L.Activation("softmax")],
    "one sigmoid": lambda k: [L.GlobalAveragePooling2D(), L.Dense(1, activation="sigmoid", name=ONE_LOGIT)],
    "one sigmoid of no dense layer": lambda k: [L.Conv2D(1, 1), L.GlobalAveragePooling2D(), keras.ops.sigmoid],
}


def expected(model: keras.Model, films: np.ndarray) -> np.ndarray:
    found = np.asarray(model(films, training=False))
    return np.hstack([1 - found, found]) if found.shape[1] == 1 else found


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("end", ENDS)
def test_every_end_predicts_as_before_in_the_order_of_the_task_and_can_be_calibrated(
    end: str, turned: bool, tmp_path: Path
) -> None:
    order = TWO if "sigmoid" in end else THREE
    model = own(*ENDS[end](3))
    classes = [*order[1:], order[0]] if turned else order
    wanted = expected(model, FILMS)[:, [classes.index(name) for name in order]]
    for adjustable in (False, True):
        found = build_given(model, 32, classes, order, adjustable=adjustable)
        assert is_flat(found)
        assert found.name == "theirs"
        save_classifier(found, tmp_path / "model.keras")
        again = load_classifier(tmp_path / "model.keras")
        assert model_sha256(again) == model_sha256(found)
        np.testing.assert_allclose(predictor(again)(FILMS), wanted, atol=1e-5)
        assert last_convolution(again).startswith(("seen", "conv2d"))
    change_logits(again, 2.0, np.linspace(-1, 1, len(order)))
    shifted = np.log(wanted) / 2 + np.linspace(-1, 1, len(order))
    np.testing.assert_allclose(predictor(again)(FILMS), np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True), atol=1e-5)


def test_a_softmax_of_its_own_dense_layer_gets_no_layer_above_it_that_the_gate_would_permute() -> None:
    found = build_given(own(*ENDS["softmax in the last layer"](3)), 32, TURNED, THREE)
    assert [layer.name for layer in found.layers if layer.weights] == ["seen", "logits"]
    assert build_given(own(*ENDS["no dense layer"](3)), 32, THREE, THREE).get_layer("logits").weights == []


def test_films_of_another_size_and_scaling_are_brought_to_the_models_own_inside_the_graph() -> None:
    model = own(*ENDS["softmax in the last layer"](3), channels=3)
    large = draw_films(4, 64)
    found = predictor(build_given(model, 64, THREE, THREE, scaling=(0.5, -3.0)))(large)
    small = keras.layers.Resizing(32, 32, antialias=True)(large) * 0.5 - 3.0
    np.testing.assert_allclose(found, model(np.repeat(small, 3, axis=-1)).numpy(), atol=1e-5)


def test_a_model_without_a_fixed_size_takes_the_one_that_is_told() -> None:
    model = own(*ENDS["softmax in the last layer"](3), side=None)
    with pytest.raises(ValueError, match=r"size must say how large the model's films are.*\(None, None, 1\)"):
        build_given(model, 32, THREE, THREE)
    found = build_given(model, 48, THREE, THREE, side=32)
    np.testing.assert_allclose(predictor(found)(draw_films(2, 48)).sum(axis=1), 1)
    assert found.get_layer("resized").height == 32


def test_a_published_network_with_augmentation_and_scaling_inside_and_no_fixed_size_can_be_given(tmp_path: Path) -> None:
    body = keras.applications.MobileNetV2(input_shape=(None, None, 3), alpha=0.35, include_top=False, weights=None, pooling="avg")
    film = keras.Input((None, None, 3))
    scaled = keras.applications.mobilenet_v2.preprocess_input(L.RandomRotation(0.1)(L.RandomFlip("horizontal")(film)))
    keras.Model(film, L.Dense(3, activation="softmax")(L.Dropout(0.2)(body(scaled)))).save(tmp_path / "theirs.keras")
    arm = GivenArm(model="theirs.keras", classes=TURNED, size=32, calibration="temperature")
    found = load_given(tmp_path / "theirs.keras", arm, THREE, 32)
    plain = load_classifier(tmp_path / "theirs.keras")(np.repeat(FILMS, 3, axis=-1), training=False).numpy()
    np.testing.assert_allclose(predictor(found)(FILMS), plain[:, [TURNED.index(name) for name in THREE]], atol=1e-6)
    assert last_convolution(found) == "out_relu"


def test_a_model_that_hilum_trained_elsewhere_can_be_given() -> None:
    model = build_classifier("mobilenet_025", 32, 2, None, 0.2, 0.0, np.log([0.5, 0.5]), 1, output="sigmoid")
    wanted = predictor(model)(FILMS)
    found = build_given(model, 32, TWO[::-1], TWO, adjustable=True)
    np.testing.assert_allclose(predictor(found)(FILMS), wanted[:, ::-1], atol=1e-6)
    change_logits(found, 1.0, np.array([0.0, 100.0]))
    np.testing.assert_allclose(predictor(found)(FILMS)[:, 1], 1, atol=1e-6)
    assert last_convolution(found) == "conv_pw_13_relu"


@pytest.mark.parametrize(
    ("model", "classes", "side", "told"),
    [
        (
            lambda: own(*ENDS["softmax in the last layer"](4)),
            THREE,
            None,
            "classes must name 4 classes, as the model has 4",
        ),
        (lambda: own(*ENDS["one sigmoid"](1)), THREE, None, "classes must name 2 classes, as the model has 1 output, "),
        (lambda: own(L.GlobalAveragePooling2D(), L.Dense(3)), THREE, None, "a classifier must end in softmax or in one"),
        (lambda: own(*ENDS["softmax in the last layer"](3)), THREE, 64, "size must be that of the model's films, 32, got 64"),
        (lambda: own(*ENDS["softmax in the last layer"](3), channels=2), THREE, None, "a model must take films .* 1 or 3"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(model: Any, classes: list[str], side: int | None, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        build_given(model(), 32, classes, THREE, side=side)


def test_a_model_of_films_that_are_not_square_is_refused() -> None:
    film = keras.Input((32, 48, 1))
    model = keras.Model(film, L.Dense(3, activation="softmax")(L.Flatten()(film)))
    with pytest.raises(ValueError, match="a given model must take square films, as `prepare` makes them, got 32 x 48 pixels"):
        build_given(model, 32, THREE, THREE)
