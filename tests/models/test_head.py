"""Heads: pooling, dense layers and outputs; an untrained one predicts the prior, and a calibrated one its scaled logits."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from every_backbone import OPTIONS
from small_graphs import PRIOR, build, draw_films

from hilum.models.classifier import (
    backbone_layers,
    build_classifier,
    frozen_cut,
    load_classifier,
    model_sha256,
    save_classifier,
    unfreeze,
)
from hilum.models.flatten import is_flat
from hilum.models.head import MOMENTUM, change_logits
from hilum.settings.training import Dense

WIDE = [
    Dense(units=12, activation="leaky_relu", batch_norm=True, dropout=0.5, weight_decay=0.1),
    Dense(units=6, activation="relu"),
]
HEADS: dict[str, dict[str, Any]] = {
    "max": {"pooling": "max"},
    "both": {"pooling": "both"},
    "dense": {"dense": WIDE},
    "both and dense": {"pooling": "both", "dense": WIDE},
}
every_head = pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)


def build_small(**head: Any) -> keras.Model:
    return build("small_cnn", 32, options=OPTIONS["small_cnn"], **head)


def build_sigmoid(**head: Any) -> keras.Model:
    prior = np.log([0.8, 0.2])
    given = {"weights": None, "dropout": 0.2, "weight_decay": 1e-4, "log_prior": prior, "seed": 1, "output": "sigmoid"}
    return build_classifier("small_cnn", 32, 2, **given, options=OPTIONS["small_cnn"], **head)


@every_head
def test_an_untrained_head_predicts_the_prior_and_is_saved_and_loaded_exactly(head: dict[str, Any], tmp_path: Path) -> None:
    model, films = build_small(**head), draw_films(3, 32)
    np.testing.assert_allclose(model(films, training=False).numpy(), np.tile(PRIOR, (3, 1)), atol=0.02)
    assert is_flat(model)
    assert model_sha256(build_small(**head)) == model_sha256(model)
    save_classifier(model, tmp_path / "model.keras")
    back = load_classifier(tmp_path / "model.keras")
    assert model_sha256(back) == model_sha256(model)
    np.testing.assert_array_equal(back(films, training=False), model(films, training=False))


@every_head
def test_a_phase_of_the_head_trains_all_of_it_on_the_pooled_features(head: dict[str, Any]) -> None:
    model = build_small(**head)
    layers = ["dense_1", "dense_1_bn", "dense_2"] if "dense" in head else []
    assert unfreeze(model, "head", "frozen") == [*layers, "logits"]
    assert frozen_cut(model) == "pool"
    assert not {layer.name for layer in backbone_layers(model)} & {"pool", "pool_max", "dense_1", "dropout"}
    if layers:
        assert model.get_layer("dense_1_bn").momentum == MOMENTUM


def test_pooled_features_are_the_mean_the_maximum_or_both() -> None:
    films = draw_films(2, 32)
    cells = keras.Model((model := build_small(pooling="both")).input, model.get_layer("block_3_pool").output)(films).numpy()
    pooled = keras.Model(model.input, model.get_layer("pool").output)(films).numpy()
    expected = np.concatenate([cells.mean(axis=(1, 2)), cells.max(axis=(1, 2))], axis=1)
    np.testing.assert_allclose(pooled, expected, atol=1e-6)
    alone = build_small(pooling="max")
    largest = keras.Model(alone.input, alone.get_layer("pool").output)(films).numpy()
    np.testing.assert_allclose(largest, cells.max(axis=(1, 2)), atol=1e-6)


def test_a_dense_layer_has_what_it_is_given_and_no_more() -> None:
    names = [layer.name for layer in build_small(dense=WIDE).layers]
    assert names[names.index("pool") :] == [
        *("pool", "dense_1", "dense_1_bn", "dense_1_activation", "dense_1_dropout"),
        *("dense_2", "dense_2_activation", "dropout", "logits", "probabilities"),
    ]
    model = build_small(dense=WIDE, weight_decay=0.0)
    assert float(model.losses[0]) == pytest.approx(0.1 * np.square(model.get_layer("dense_1").kernel.numpy()).sum(), rel=1e-5)
    assert model.get_layer("dense_1_activation").negative_slope == pytest.approx(0.3)
    assert model.get_layer("dense_1_dropout").rate == 0.5


def test_the_weights_of_a_head_do_not_depend_on_whether_those_of_the_backbone_were_read_before(tmp_path: Path) -> None:
    from hilum.models.initial_weights import _read, save_backbone

    save_backbone(build_small(), tmp_path / "w.weights.h5", OPTIONS["small_cnn"])
    _read.cache_clear()
    first, again = (build_small(dense=WIDE, weights=tmp_path / "w.weights.h5") for _ in range(2))
    assert _read.cache_info().hits == 1
    assert model_sha256(first) == model_sha256(again)


def test_one_sigmoid_is_the_probability_of_the_second_class() -> None:
    model, films = build_sigmoid(dense=WIDE), draw_films(3, 32)
    last = model.get_layer("logit_of_second")
    assert last.units == 1 and is_flat(model)
    last.kernel.assign(np.full(last.kernel.shape, 0.3))
    odds = keras.Model(model.input, last.output)(films, training=False).numpy()[:, 0]
    np.testing.assert_allclose(model(films, training=False).numpy()[:, 1], 1 / (1 + np.exp(-odds)), atol=1e-6)
    logits = keras.Model(model.input, model.get_layer("logits").output)(films, training=False).numpy()
    np.testing.assert_allclose(logits, np.stack([-odds / 2, odds / 2], axis=1), atol=1e-6)
    np.testing.assert_allclose(build_sigmoid()(films, training=False).numpy(), np.tile([0.8, 0.2], (3, 1)), atol=0.02)
    assert unfreeze(model, "head", "frozen")[-1] == "logit_of_second"


@pytest.mark.parametrize("make", [build_sigmoid, lambda: build("small_cnn", 32, options=OPTIONS["small_cnn"])])
def test_logits_are_divided_and_moved_in_the_weights_of_either_output(make: Any) -> None:
    model, films = make(), draw_films(3, 32)
    read = keras.Model(model.input, model.get_layer("logits").output)
    before = read(films, training=False).numpy()
    biases = np.array([0.5, -0.25, 1.0])[: before.shape[1]]
    change_logits(model, 2.0, biases)
    wanted = before / 2 + biases
    found = read(films, training=False).numpy()
    np.testing.assert_allclose(found - found.mean(1, keepdims=True), wanted - wanted.mean(1, keepdims=True), atol=1e-5)


def test_a_sigmoid_for_three_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="one sigmoid must have two classes, got 3; use output: softmax"):
        build_small(output="sigmoid")
