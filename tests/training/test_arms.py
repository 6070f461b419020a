from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from tiny_task import CLASSES, PRIOR, make_arm, make_phase, make_rows, make_settings, score, silent

from hilum.data.batches import as_images
from hilum.models.classifier import model_sha256
from hilum.models.forward import predictor
from hilum.training.arms import Task, draw_sample, train_arm, weights_of

TRAIN, VAL = make_rows(24, seed=1), make_rows(12, seed=2)
LABELS = np.array([0, 0, 0, 1, 1, 2])


def make_task(weights: Path | None, cache: Path, seed: int = 3, **given: object) -> Task:
    return Task(TRAIN, VAL, CLASSES, weights, make_settings(**given), seed, cache)


def test_class_weights_by_hand() -> None:
    rows, weights = draw_sample(LABELS, 3, "class_weight", seed=0)
    assert rows.tolist() == [0, 1, 2, 3, 4, 5]
    np.testing.assert_allclose(weights, [2 / 3, 2 / 3, 2 / 3, 1, 1, 2])  # N / (K n_k)


def test_oversampling_shows_every_class_as_often_as_the_largest_with_equal_weights() -> None:
    rows, weights = draw_sample(LABELS, 3, "oversample", seed=0)
    assert np.bincount(LABELS[rows]).tolist() == [3, 3, 3]
    assert set(rows) == set(range(6))
    assert weights.tolist() == [1.0] * 9
    assert draw_sample(LABELS, 3, "oversample", seed=0)[0].tolist() == rows.tolist()


def test_no_answer_to_imbalance_leaves_rows_and_weights_alone() -> None:
    rows, weights = draw_sample(LABELS, 3, "none", seed=0)
    assert (rows.tolist(), weights.tolist()) == ([0, 1, 2, 3, 4, 5], [1.0] * 6)


def test_first_weights_are_found_where_the_arm_says() -> None:
    def home(name: str) -> Path:
        return Path("/home") / name

    found = {
        name: weights_of(make_arm(make_phase()).model_copy(update={"weights": name}), Path("data/pretrained"), home)
        for name in ("none", "imagenet", "pretrained", "mine.h5")
    }
    assert found == {
        "none": None,
        "imagenet": "imagenet",
        "pretrained": Path("data/pretrained/mobilenet_025.weights.h5"),
        "mine.h5": Path("/home/mine.h5"),
    }


def test_a_task_has_no_place_for_test_rows() -> None:
    assert [field.name for field in fields(Task)] == ["train", "val", "classes", "weights", "settings", "seed", "cache"]


def test_equal_arguments_give_an_equal_model_and_another_seed_another(weights: Path, cache: Path) -> None:
    arm = make_arm(make_phase("head", 2), make_phase(1, 1, rate=1e-3))
    hashes = []
    for seed in (3, 3, 4):
        model, fitted = train_arm(arm, make_task(weights, cache, seed, imbalance="oversample"), 2, score, silent, silent)
        hashes.append(model_sha256(model))
    assert hashes[0] == hashes[1] != hashes[2]
    assert fitted.cuts == ["pool", "conv_pw_12_relu"]


def test_only_the_first_phases_are_trained_where_a_trial_wants_no_more(weights: Path, cache: Path) -> None:
    arm = make_arm(make_phase("head", 2), make_phase(1, 1, rate=1e-3))
    model, fitted = train_arm(arm, make_task(weights, cache), 1, score, silent, silent)
    assert fitted.history["phase"].tolist() == [0, 0]
    alone, _ = train_arm(make_arm(make_phase("head", 2)), make_task(weights, cache), 1, score, silent, silent)
    assert model_sha256(model) == model_sha256(alone)


def test_an_arm_starts_from_the_prior_of_the_training_films(weights: Path, cache: Path) -> None:
    model, _ = train_arm(make_arm(make_phase(epochs=1, rate=1e-12)), make_task(weights, cache), 1, score, silent, silent)
    answers = predictor(model)(as_images(VAL.films))
    np.testing.assert_allclose(answers, np.tile(PRIOR, (12, 1)), atol=0.05)


def test_the_imbalance_setting_reaches_the_loss(weights: Path, cache: Path) -> None:
    losses = {}
    for imbalance in ("none", "class_weight"):
        arm = make_arm(make_phase(epochs=1, rate=1e-12), dropout=0.0, weight_decay=0.0)
        _, fitted = train_arm(arm, make_task(weights, cache, imbalance=imbalance), 1, score, silent, silent)
        losses[imbalance] = fitted.history["train/loss"][0]
    assert losses["none"] == pytest.approx(np.log(2) / 2 + np.log(3) / 3 + np.log(6) / 6, abs=0.04)  # entropy of the prior
    assert losses["class_weight"] == pytest.approx((np.log(2) + np.log(3) + np.log(6)) / 3, abs=0.04)  # every class alike
