from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from tiny_task import BALANCE, CLASSES, PRIOR, make_arm, make_model, make_phase, make_rows, make_settings, score, silent

from hilum.data.prepared.examples import as_images
from hilum.models.classifier import load_classifier, model_sha256, save_classifier
from hilum.models.forward import predictor
from hilum.settings.training import Arm, ArmTrain
from hilum.training.learning.arms import Task, correct_prior, plan_phases, read_logits, scale_logits, train_arm, weights_of
from hilum.training.learning.imbalance import prior_shift

TRAIN, VAL = make_rows(24, seed=1), make_rows(12, seed=2)
LABELS = np.array([0, 0, 0, 1, 1, 2])


def make_task(weights: Path | None, cache: Path, seed: int = 3, **given: object) -> Task:
    return Task(TRAIN, VAL, CLASSES, weights, make_settings(**given), seed, cache)


def test_every_phase_does_what_the_word_says() -> None:
    phases = [make_phase("head"), make_phase(1)]
    shown = plan_phases(phases, LABELS, CLASSES, make_settings(imbalance="class_weight"), seed=0)
    for one in shown:
        assert one.rows.tolist() == [0, 1, 2, 3, 4, 5]
        np.testing.assert_allclose(one.weights, [2 / 3, 2 / 3, 2 / 3, 1, 1, 2])  # N / (K n_k)


@pytest.mark.parametrize("above", ["none", "class_weight", "oversample", "undersample", "focal"])
def test_smote_works_in_phases_of_the_head_and_others_do_what_is_said_for_them(above: str) -> None:
    balance = BALANCE.model_copy(update={"smote_above_head": above})
    phases = [make_phase("head"), make_phase(1), make_phase("all")]
    shown = plan_phases(phases, np.repeat([0, 1, 2], [6, 4, 3]), CLASSES, make_settings(imbalance="smote", balance=balance), 0)
    assert [one.strategy for one in shown] == ["smote", above, above]
    assert [len(one.made_up) for one in shown] == [5, 0, 0]


def test_smote_with_too_few_films_is_refused_before_a_model_is_built(tmp_path: Path) -> None:
    balance = BALANCE.model_copy(update={"smote_neighbours": 5})
    task = make_task(tmp_path / "no such file", tmp_path, imbalance="smote", balance=balance)
    with pytest.raises(ValueError, match=r"5 neighbours needs at least 6 training films .*, got 4 of viral; lower"):
        train_arm(make_arm(make_phase()), task, 1, score, silent, silent)


def test_the_output_answers_for_another_prevalence_in_the_saved_model_too(tmp_path: Path) -> None:
    model = make_model()
    images = as_images(VAL.films)
    before = predictor(model)(images)
    prevalence = {"normal": 0.9, "bacterial": 0.06, "viral": 0.04}
    correct_prior(model, prior_shift(PRIOR, prevalence, CLASSES))
    save_classifier(model, tmp_path / "model.keras")
    by_hand = before * np.array([0.9, 0.06, 0.04]) / PRIOR
    by_hand /= by_hand.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(predictor(load_classifier(tmp_path / "model.keras"))(images), by_hand, atol=1e-5)


def test_a_temperature_and_biases_are_in_the_saved_model(tmp_path: Path) -> None:
    model, biases = make_model(), np.array([0.4, -0.1, -0.3])
    logits = read_logits(model, VAL.films)
    scale_logits(model, 2.5, biases)
    save_classifier(model, tmp_path / "model.keras")
    np.testing.assert_allclose(read_logits(model, VAL.films), logits / 2.5 + biases, atol=1e-5)
    by_hand = np.exp(logits / 2.5 + biases)
    by_hand /= by_hand.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(predictor(load_classifier(tmp_path / "model.keras"))(as_images(VAL.films)), by_hand, atol=1e-5)


def test_a_scaling_that_changes_nothing_leaves_every_bit() -> None:
    model = make_model()
    before = model_sha256(model)
    scale_logits(model, 1.0, np.zeros(3))
    assert model_sha256(model) == before


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


def test_what_an_arm_names_otherwise_is_what_it_is_trained_with(weights: Path, tmp_path: Path) -> None:
    arm = make_arm(make_phase("head", 2))
    named = ArmTrain.model_validate({"optimizer": {"name": "sgd"}, "averaging": 0.9, "batch_size": 5})
    own = train_arm(arm.model_copy(update={"train": named}), make_task(weights, tmp_path), 1, score, silent, silent)
    of_all = train_arm(
        arm, make_task(weights, tmp_path, optimizer={"name": "sgd"}, averaging=0.9, batch_size=5), 1, score, silent, silent
    )
    plain = train_arm(arm, make_task(weights, tmp_path), 1, score, silent, silent)
    assert model_sha256(own[0]) == model_sha256(of_all[0]) != model_sha256(plain[0])


def test_a_task_has_no_place_for_test_rows() -> None:
    assert [field.name for field in fields(Task)] == ["train", "val", "classes", "weights", "settings", "seed", "cache"]


@pytest.mark.parametrize("imbalance", ["oversample", "smote"])
def test_equal_arguments_give_an_equal_model_and_another_seed_another(imbalance: str, weights: Path, cache: Path) -> None:
    arm = make_arm(make_phase("head", 2), make_phase(1, 1, rate=1e-3))
    hashes = []
    for seed in (3, 3, 4):
        model, fitted = train_arm(arm, make_task(weights, cache, seed, imbalance=imbalance), 2, score, silent, silent)
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


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_a_small_network_with_a_wide_head_learns_two_classes_and_is_calibrated(output: str, tmp_path: Path) -> None:
    """Films of the two are dark and bright; the phases are of the head alone, on cached features, and of everything."""
    two = [rows.take(np.flatnonzero(rows.labels < 2)) for rows in (make_rows(48, seed=1), make_rows(24, seed=2))]
    head = {"pooling": "both", "dense": [{"units": 8, "activation": "relu", "batch_norm": True}], "output": output}
    arm = Arm.model_validate(
        {
            "backbone": "residual_cnn",
            "options": {"blocks": 2, "filters": 4, "growth": 1.5, "kernel": 3, "pooling": "max", "batch_norm": True},
            "weights": "none",
            "head": {**head, "dropout": 0.1, "weight_decay": 1e-4},
            "phases": [make_phase("head", 3), make_phase("all", 6, batch_norm="train")],
        }
    )
    task = Task(*two, CLASSES[:2], None, make_settings(), 3, tmp_path)
    model, fitted = train_arm(arm, task, 2, score, silent, silent)
    assert fitted.cuts == ["pool", None]
    assert fitted.trained[0] == ["dense_1", "dense_1_bn", "logits" if output == "softmax" else "logit_of_second"]
    predicted = predictor(model)(as_images(two[1].films))
    assert (predicted.argmax(axis=1) == two[1].labels).mean() > 0.9
    logits = read_logits(model, two[1].films)
    scale_logits(model, 2.0, np.zeros(2))
    np.testing.assert_allclose(read_logits(model, two[1].films), logits / 2, atol=1e-5)
