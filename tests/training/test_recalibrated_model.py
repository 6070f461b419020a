"""A scaling folded into a classifier changes its probabilities as the scaling says, and nothing else."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from own_models import MODELS, SIZE

from hilum.ensembles.graph import is_ensemble, join_members, split_members
from hilum.evaluation.scoring.scaling import softmax
from hilum.models.classifier import build_classifier, load_classifier, save_classifier
from hilum.models.flatten import flatten, is_flat
from hilum.models.forward import predictor
from hilum.training.given import build_given
from hilum.training.recalibrated_model import ADDED, fold_scaling

L = keras.layers

FILMS = np.random.default_rng(0).integers(0, 256, (6, SIZE, SIZE, 1)).astype(np.float32)
BIASES = np.array([-0.4, 0.4])


def scaled(y_prob: np.ndarray, temperature: float, biases: np.ndarray) -> np.ndarray:
    return softmax(np.log(y_prob) / temperature + biases)


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_in_a_head_of_ours_the_weights_take_it(tmp_path: Path, output: str) -> None:
    options = {"blocks": 2, "filters": 4, "growth": 1.0, "kernel": 3, "pooling": "max", "batch_norm": False}
    model = build_classifier("small_cnn", SIZE, 2, None, 0.0, 0.0, np.log([0.3, 0.7]), 0, options=options, output=output)
    layers, before = len(model.layers), predictor(model)(FILMS)
    wanted = scaled(before, 0.3, BIASES)
    folded = fold_scaling(model, 0.3, BIASES)
    assert len(folded.layers) == layers
    np.testing.assert_allclose(predictor(folded)(FILMS), wanted, atol=1e-6)
    save_classifier(folded, tmp_path / "model.keras")
    np.testing.assert_allclose(predictor(load_classifier(tmp_path / "model.keras"))(FILMS), wanted, atol=1e-6)


@pytest.mark.parametrize("kind", ["softmax", "ops_softmax", "ops_sigmoid", "cast_softmax"])
def test_elsewhere_a_layer_is_added_and_twice_two(tmp_path: Path, kind: str) -> None:
    model = MODELS[kind]()
    before = predictor(model)(FILMS)
    folded = model
    for number in (1, 2):
        folded = fold_scaling(flatten(folded), 2.0, BIASES)
        save_classifier(folded, tmp_path / "model.keras")
        folded = load_classifier(tmp_path / "model.keras")
        assert sum(layer.name.startswith(ADDED) for layer in folded.layers) == number
    wanted = scaled(scaled(before, 2.0, BIASES), 2.0, BIASES)
    np.testing.assert_allclose(predictor(folded)(FILMS), wanted, atol=1e-6)
    np.testing.assert_allclose(predictor(model)(FILMS), before, atol=1e-7)


def fold_twice(model: keras.Model, folder: Path) -> keras.Model:
    """A model with 2 and BIASES folded in, saved and loaded, twice."""
    for _ in range(2):
        save_classifier(fold_scaling(model, 2.0, BIASES), folder / "model.keras")
        model = load_classifier(folder / "model.keras")
    return model


def test_the_scaling_of_an_ensemble_stays_below_the_new_one_and_no_weights_come_above_its_members(tmp_path: Path) -> None:
    members = {name: flatten(MODELS[name]()) for name in ("softmax", "ops_softmax")}
    joined = join_members(members, 1.7, [0.3, -0.3])
    before = predictor(joined)(FILMS)
    folded = fold_twice(joined, tmp_path)
    np.testing.assert_allclose(predictor(folded)(FILMS), scaled(scaled(before, 2.0, BIASES), 2.0, BIASES), atol=1e-6)
    np.testing.assert_allclose(predictor(joined)(FILMS), before, atol=1e-7)
    assert is_ensemble(folded) and len(folded.layers) == len(joined.layers)
    assert not any(layer.weights for layer in folded.layers if "." not in layer.name), "the gate permutes the members alone"
    for name, own in split_members(folded).items():
        np.testing.assert_allclose(predictor(own)(FILMS), predictor(members[name])(FILMS), atol=1e-6)


def pooled(classes: int) -> keras.Model:
    """The end of a fully convolutional network: a mean of maps, no dense layer."""
    film = keras.Input((SIZE, SIZE, 1))
    maps = L.Conv2D(classes, 3, name="maps")(L.Rescaling(1 / 255)(film))
    if classes == 1:
        return keras.Model(film, L.Activation("sigmoid")(L.GlobalAveragePooling2D()(maps)))
    return keras.Model(film, L.Activation("softmax", name="probabilities")(L.GlobalAveragePooling2D(name="logits")(maps)))


def dense(**options: object) -> keras.Model:
    film = keras.Input((SIZE, SIZE, 1))
    seen = L.GlobalAveragePooling2D()(L.Conv2D(4, 3, activation="relu")(L.Rescaling(1 / 255)(film)))
    return keras.Model(film, L.Activation("softmax", name="probabilities")(L.Dense(2, name="logits", **options)(seen)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: build_given(pooled(1), SIZE, ["normal", "ill"], ["normal", "ill"]),
        lambda: build_given(pooled(1), SIZE, ["ill", "normal"], ["normal", "ill"]),
        lambda: build_given(pooled(2), SIZE, ["normal", "ill"], ["normal", "ill"]),
        lambda: pooled(2),
        lambda: dense(use_bias=False),
        lambda: dense(activation="tanh"),
    ],
    ids=["given sigmoid", "given sigmoid of the first", "given softmax", "mean of maps", "no biases", "tanh"],
)
def test_a_layer_of_any_kind_may_give_the_logits(make: Callable[[], keras.Model], tmp_path: Path) -> None:
    model = make()
    before = predictor(model)(FILMS)
    folded = fold_twice(model, tmp_path)
    assert is_flat(folded)
    np.testing.assert_allclose(predictor(folded)(FILMS), scaled(scaled(before, 2.0, BIASES), 2.0, BIASES), atol=1e-6)
