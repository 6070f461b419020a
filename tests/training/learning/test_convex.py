"""The head solved to convergence, on random features and on 24 films of 32 px."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from tiny_task import CLASSES, log_loss, make_arm, make_mobilenet, make_model, make_phase, make_rows, make_settings, score, silent

from hilum.data.prepared.examples import Examples, as_images
from hilum.models.classifier import model_sha256
from hilum.models.forward import predictor
from hilum.settings.training import Arm, ConvexPhase
from hilum.training.learning.arms import Task, plan_phases, train_arm
from hilum.training.learning.convex import (
    PENALTIES,
    find_scaling,
    log_probabilities,
    objective,
    pooled_features,
    solve,
    solve_phase,
)
from hilum.training.learning.imbalance import Sampling

TRAIN, VAL = make_rows(24, seed=1), make_rows(12, seed=2)
EVERY = Sampling("none", np.arange(24), np.ones(24))
AUTO = ConvexPhase(unfreeze="head", solver="convex", penalty="auto")

ONCE = """
import sys
from pathlib import Path
from hilum.training.learning.fit import begin_training
begin_training(int(sys.argv[1]))
from hilum.models.classifier import model_sha256
from hilum.settings.training import Arm, ConvexPhase
from hilum.training.learning.arms import Task, train_arm
from tiny_task import CLASSES, make_rows, make_settings, score, silent
arm = Arm(backbone="mobilenet_025", weights="pretrained", phases=[ConvexPhase(unfreeze="head", solver="convex", penalty="auto")])
seed, cache = int(sys.argv[1]), Path(sys.argv[3]) if sys.argv[3] else None
settings = make_settings(seed=seed, imbalance="oversample")
task = Task(make_rows(24, 1), make_rows(12, 2), CLASSES, Path(sys.argv[2]), settings, seed, cache)
model, _ = train_arm(arm, task, 1, score, silent, silent)
print(b"".join(w.tobytes() for w in model.get_layer("logits").get_weights()).hex())
"""


def make_problem(classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (300, 12) of unlike spread that go together, one of them the same in every film; labels; weights."""
    rng = np.random.default_rng(classes)
    features = rng.normal(size=(300, 12)) @ rng.normal(size=(12, 12)) * np.logspace(-3, 3, 12) + np.arange(12)
    features[:, 4] = 2.5
    told = features[:, 5 : 5 + classes]
    labels = ((told - told.mean(axis=0)) / told.std(axis=0) + rng.normal(size=(300, classes))).argmax(axis=1)
    return features, labels, rng.uniform(0.5, 3, 300)


def convex_arm(*more: Any, penalty: str | float = "auto") -> Arm:
    phases = [AUTO.model_copy(update={"penalty": penalty}), *more]
    head = make_arm(make_phase()).head if more else None
    return Arm(backbone="mobilenet_025", weights="pretrained", head=head, phases=phases)


def make_task(weights: Path | None, cache: Path | None, seed: int = 3, **given: object) -> Task:
    return Task(TRAIN, VAL, CLASSES, weights, make_settings(**given), seed, cache)


def solved(model: keras.Model, cache: Path | None = None, train: Examples = TRAIN, shown: Sampling = EVERY, **given: Any) -> Any:
    usual = {"phase": AUTO, "place": (0, 0), "val": VAL, "score": score, "on_epoch": silent, "on_film": silent}
    return solve_phase(model, train=train, shown=shown, cache=cache, **{**usual, **given})  # type: ignore[arg-type]


@pytest.mark.parametrize("classes", [3, 5])
@pytest.mark.parametrize("penalty", [1.0, 1e-2, 1e-4])
def test_a_solution_answers_as_that_of_scikit_learn_with_the_same_penalty_on_standardised_features(
    classes: int, penalty: float
) -> None:
    features, labels, weights = make_problem(classes)
    scaling = find_scaling(features)
    inputs = scaling.apply(features)
    found = solve(inputs, scaling.variance, labels, weights, penalty, np.zeros((13, classes)))
    plain = (features - features.mean(axis=0)) / np.where(np.arange(12) == 4, 1.0, features.std(axis=0))
    oracle = LogisticRegression(C=1 / (penalty * weights.sum()), tol=1e-12, max_iter=100_000, solver="newton-cg")
    oracle.fit(plain, labels, weights)
    np.testing.assert_allclose(np.exp(log_probabilities(inputs, found)), oracle.predict_proba(plain), atol=1e-6)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("classes", [2, 3])
def test_the_gradient_at_a_solution_is_nothing_and_no_step_aside_is_better(classes: int, penalty: float) -> None:
    features, labels, weights = make_problem(classes)
    scaling = find_scaling(features)
    inputs = scaling.apply(features)
    found = solve(inputs, scaling.variance, labels, weights, penalty, np.zeros((13, classes)))
    least, gradient = objective(found, inputs, labels, weights, penalty)
    assert np.abs(gradient).max() < 1e-7
    for seed in range(5):
        aside = found + 1e-2 * np.random.default_rng(seed).normal(size=found.shape)
        assert objective(aside, inputs, labels, weights, penalty)[0] > least


def test_the_gradient_is_that_of_the_objective() -> None:
    features, labels, weights = make_problem(3)
    inputs = find_scaling(features).apply(features)
    at = np.random.default_rng(0).normal(size=(13, 3))
    _, gradient = objective(at, inputs, labels, weights, 0.1)
    for place in np.ndindex(13, 3):
        step = np.zeros_like(at)
        step[place] = 1e-5
        ahead, behind = (objective(at + sign * step, inputs, labels, weights, 0.1)[0] for sign in (1, -1))
        assert gradient[place] == pytest.approx((ahead - behind) / 2e-5, abs=1e-7)


def test_the_model_answers_as_the_solution(weights: Path, cache: Path) -> None:
    """Folded into the kernel and bias of the logits; the best penalty by log loss on validation, told as the row that it has."""
    model = make_mobilenet(weights)
    found = solved(model, cache)
    losses = [row["val/log_loss"] for row in found.history]
    assert [row["train/penalty"] for row in found.history] == list(PENALTIES) == sorted(PENALTIES, reverse=True)
    assert found.step == int(np.argmin(losses))
    assert found.penalty == PENALTIES[found.step]
    assert log_loss(VAL.labels, predictor(model)(as_images(VAL.films))) == pytest.approx(min(losses), abs=1e-5)
    again = make_mobilenet(weights)
    only = solved(again, cache, phase=AUTO.model_copy(update={"penalty": found.penalty}))
    assert [row["train/penalty"] for row in only.history] == [found.penalty]
    images = as_images(VAL.films)
    np.testing.assert_allclose(predictor(again)(images), predictor(model)(images), atol=1e-5)


def test_the_bits_are_the_same_whatever_the_seed_the_process_and_the_cache(weights: Path, tmp_path: Path) -> None:
    bits = []
    for seed, cache in ((3, ""), (4, str(tmp_path)), (5, str(tmp_path))):
        path = [str(Path(__file__).parents[2] / "support"), str(Path(__file__).parents[3] / "src")]
        done = subprocess.run(
            [sys.executable, "-c", ONCE, str(seed), str(weights), cache],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        bits.append(done.stdout.split()[-1])
    assert bits[0] == bits[1] == bits[2]
    assert len(bits[0]) == 2 * 4 * (256 * 3 + 3)


def test_the_order_of_the_films_reaches_no_bit() -> None:
    one, other = make_model(), make_model()
    turned = np.arange(24)[::-1].copy()
    solved(one)
    solved(other, train=TRAIN.take(turned), val=VAL.take(np.arange(12)[::-1].copy()))
    assert model_sha256(one) == model_sha256(other)


def test_no_gradient_step_reaches_a_lower_training_loss(weights: Path, cache: Path) -> None:
    _, solution = train_arm(convex_arm(penalty=1e-5), make_task(weights, cache), 1, score, silent, silent)
    settings = {"views": 0, "patience": 60}
    arm = make_arm(make_phase(epochs=60, rate=1e-2), dropout=0.0, weight_decay=0.0)
    _, stepped = train_arm(arm, make_task(weights, cache, **settings), 1, score, silent, silent)
    assert solution.history["train/loss"].min() <= stepped.history["train/loss"].min()


@pytest.mark.parametrize(
    ("word", "weights_of_classes"),
    [("none", [1, 1, 1]), ("class_weight", [2 / 3, 1, 2]), ("oversample", [1, 3 / 2, 3]), ("undersample", [1 / 3, 1 / 2, 1])],
)
def test_an_answer_to_unequal_classes_is_a_weight_of_the_films_and_no_draw(word: str, weights_of_classes: list[float]) -> None:
    labels = np.array([0, 0, 0, 1, 1, 2])
    for seed in (0, 1):
        [shown] = plan_phases([AUTO], labels, CLASSES, make_settings(imbalance=word), seed)
        assert shown.strategy == word
        assert shown.rows.tolist() == [0, 1, 2, 3, 4, 5]
        np.testing.assert_allclose(shown.weights, np.array(weights_of_classes)[labels])


@pytest.mark.parametrize("word", ["smote", "focal"])
def test_an_imbalance_method_that_is_no_weight_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match=f"weights of films, got imbalance: {word}; use class_weight, oversample"):
        plan_phases([AUTO], np.array([0, 0, 0, 1, 1, 1, 2, 2, 2]), CLASSES, make_settings(imbalance=word), 0)


def test_weights_reach_the_solution() -> None:
    plain, doubled, copied = make_model(), make_model(), make_model()
    factors = np.where(TRAIN.labels == 2, 2.0, 1.0)
    solved(plain)
    solved(doubled, shown=Sampling("class_weight", np.arange(24), factors))
    rows = np.append(np.arange(24), np.flatnonzero(TRAIN.labels == 2))
    solved(copied, shown=Sampling("oversample", rows, np.ones(len(rows))))
    assert model_sha256(doubled) == model_sha256(copied) != model_sha256(plain)


def test_a_phase_of_steps_goes_on_from_the_solution_and_the_better_one_stays(weights: Path, cache: Path) -> None:
    settings = {"weights": weights, "cache": cache}
    alone, _ = train_arm(convex_arm(), make_task(**settings), 1, score, silent, silent)  # type: ignore[arg-type]
    seen: list[dict[str, float]] = []
    further = make_phase(1, 2, rate=1e-12)
    arm = convex_arm(further)
    model, fitted = train_arm(arm, make_task(**settings), 2, score, lambda _, row: seen.append(row), silent)  # type: ignore[arg-type]
    count = len(PENALTIES)
    assert fitted.history["phase"].tolist() == [0] * count + [1, 1]
    assert fitted.history["step"].tolist() == list(range(count + 2)) == [row["step"] for row in seen]
    assert fitted.history["epoch"].tolist() == [*range(count), 0, 1]
    assert fitted.cuts[0] == "pool"
    assert fitted.trained[0] == ["logits"]
    assert fitted.penalties == {0: fitted.history["train/penalty"][:count][fitted.history["val/log_loss"][:count].idxmin()]}
    assert fitted.history["train/learning_rate"].notna().tolist() == [False] * count + [True, True]
    least = fitted.history["val/log_loss"][:count].min()
    np.testing.assert_allclose(fitted.history["val/log_loss"][count:], least, atol=1e-4)  # steps of nothing, from the solution
    images = as_images(VAL.films)
    np.testing.assert_allclose(predictor(model)(images), predictor(alone)(images), atol=1e-4)


def test_between_phases_the_metric_that_selects_decides(weights: Path, cache: Path) -> None:
    """The penalty is chosen by log loss, whatever `train.select` says; a later epoch stays if it selects better."""

    def always_better(labels: Any, probabilities: Any) -> dict[str, float]:
        always_better.count += 1  # type: ignore[attr-defined]
        return {"val/log_loss": log_loss(labels, probabilities), "select": float(always_better.count)}  # type: ignore[attr-defined]

    always_better.count = 0  # type: ignore[attr-defined]
    _, fitted = train_arm(convex_arm(make_phase(1, 1)), make_task(weights, cache), 2, always_better, silent, silent)
    assert fitted.best_step == len(PENALTIES)
    always_better.count = 0  # type: ignore[attr-defined]
    _, alone = train_arm(convex_arm(), make_task(weights, cache), 1, always_better, silent, silent)
    assert alone.best_step == int(np.argmin(alone.history["val/log_loss"]))


def test_a_report_that_raises_ends_the_path(weights: Path, cache: Path) -> None:
    def stop(step: int, _: dict[str, float]) -> None:
        if step == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train_arm(convex_arm(), make_task(weights, cache), 1, score, stop, silent)


def test_a_head_of_more_layers_is_refused() -> None:
    grey = keras.Input((32, 32, 1), name="grey")
    x = keras.layers.GlobalAveragePooling2D(name="pool")(grey)
    x = keras.layers.Dense(4, name="hidden")(x)
    x = keras.layers.Dense(3, name="logits")(keras.layers.Dropout(0.1, name="dropout")(x))
    model = keras.Model(grey, keras.layers.Activation("softmax", name="probabilities")(x))
    with pytest.raises(ValueError, match=r"one Dense layer, .* got pool > hidden > dropout > logits > probabilities; use"):
        pooled_features(model, TRAIN, None, silent)


def test_a_solution_that_rounding_ends_too_early_is_refused() -> None:
    features, labels, weights = make_problem(3)
    scaling = find_scaling(features)
    with pytest.raises(ValueError, match=r"must be solved to a slope of 1e-05, got .* give the phase a larger penalty"):
        solve(scaling.apply(features), scaling.variance, labels, weights * np.nan, 1e-3, np.zeros((13, 3)))
