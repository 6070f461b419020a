"""Temperatures and biases against scikit-learn, against networks whose truth is known, and where there is none to be found."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linprog
from sklearn.calibration import CalibratedClassifierCV, _TemperatureScaling
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from hilum.evaluation.scoring.scaling import (
    HIGH,
    LOW,
    SEPARABLE,
    SEPARATED,
    fit_biases_too,
    fit_temperature,
    separates_with_biases,
    softmax,
)
from hilum.records import Labels

PRIOR = np.array([0.55, 0.35, 0.10])


def draw(films: int, temperature: float, seed: int, prior: NDArray[np.float64] = PRIOR) -> tuple[NDArray[np.float64], Labels]:
    """Logits of a network that is `temperature` times too sure of itself, and classes drawn from what it should say."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(len(prior), films, p=prior)
    centres = 1.5 * np.eye(len(prior))
    seen = rng.normal(centres[labels], 1.0)  # (N, K): features whose posterior is known
    posterior = seen @ centres.T - 0.5 * (centres**2).sum(axis=1) + np.log(prior)  # (N, K) log, up to a constant
    return temperature * posterior, labels


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_temperature_is_that_of_scikit_learn(temperature: float, weighted: bool) -> None:
    logits, labels = draw(400, temperature, seed=1)
    weights = np.random.default_rng(2).uniform(0.2, 3.0, 400) if weighted else np.ones(400)
    oracle = _TemperatureScaling().fit(logits, labels, sample_weight=weights)
    assert fit_temperature(logits, labels, weights).temperature == pytest.approx(1 / float(oracle.beta_), rel=1e-6)


def test_a_calibrated_classifier_of_scikit_learn_answers_the_same() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 300)
    films = rng.normal(labels[:, None] * 0.8, 1.0, (300, 4))
    network = LogisticRegression(C=1e4).fit(4 * films[:150], labels[:150])
    oracle = CalibratedClassifierCV(FrozenEstimator(network), method="temperature", ensemble=False)
    oracle.fit(4 * films[150:], labels[150:])
    logits = network.decision_function(4 * films[150:])
    found = fit_temperature(logits, labels[150:], np.ones(150))
    np.testing.assert_allclose(found.apply(logits), oracle.predict_proba(4 * films[150:]), atol=1e-6)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_known_temperature_is_found(temperature: float) -> None:
    logits, labels = draw(20000, temperature, seed=4)
    assert fit_temperature(logits, labels, np.ones(len(labels))).temperature == pytest.approx(temperature, rel=0.04)


def test_known_biases_are_found_beside_the_temperature() -> None:
    logits, labels = draw(20000, 2.0, seed=5)
    shift = np.array([0.6, -0.2, -0.4])
    found = fit_biases_too(logits - 2.0 * shift, labels, np.ones(len(labels)))
    assert found.temperature == pytest.approx(2.0, rel=0.05) and found.note == ""
    np.testing.assert_allclose(found.biases, shift, atol=0.06)
    assert found.biases.sum() == pytest.approx(0, abs=1e-12)


def test_biases_lower_the_loss_further_and_no_change_of_them_lowers_it_more() -> None:
    logits, labels = draw(300, 1.7, seed=6)
    logits += [0.5, 0.0, -0.8]
    weights = np.random.default_rng(7).uniform(0.5, 2.0, 300)

    def loss(inverse: float, biases: NDArray[np.float64]) -> float:
        answers = softmax(logits * inverse + biases)
        return float(weights @ -np.log(answers[np.arange(300), labels]) / weights.sum())

    plain, found = fit_temperature(logits, labels, weights), fit_biases_too(logits, labels, weights)
    best = loss(1 / found.temperature, found.biases)
    assert best < loss(1 / plain.temperature, np.zeros(3)) < loss(1.0, np.zeros(3))
    for change in np.random.default_rng(8).normal(0, 0.02, (50, 4)):
        assert loss(1 / found.temperature + change[0], found.biases + change[1:]) >= best - 1e-9


@pytest.mark.parametrize("fit", [fit_temperature, fit_biases_too])
def test_films_that_are_all_on_their_right_side_leave_the_model_as_it_is(fit) -> None:  # type: ignore[no-untyped-def]
    labels = np.tile([0, 1, 2], 20)
    logits = np.eye(3)[labels] + np.random.default_rng(9).normal(0, 0.05, (60, 3))
    found = fit(logits, labels, np.ones(60))
    assert (found.temperature, found.note) == (1.0, SEPARATED) and not found.biases.any() and not found.prior_learnt
    np.testing.assert_array_equal(found.apply(logits), softmax(logits))


def test_films_that_biases_alone_put_on_their_right_side_leave_the_temperature_open_too() -> None:
    """Two of 25 films are just beyond the middle: with a bias of 1 none is, and the log loss falls down to a temperature of 0."""
    rng, labels = np.random.default_rng(14), np.repeat([0, 1], [13, 12])
    odds = np.where(labels == 1, 1.0, -1.0) * rng.uniform(0.5, 4.0, 25) + 0.4
    odds[[0, 1]] = 0.3, 0.2
    logits = np.stack([-odds / 2, odds / 2], axis=1)
    plain, found = fit_temperature(logits, labels, np.ones(25)), fit_biases_too(logits, labels, np.ones(25))
    assert plain.temperature > 0.3 and plain.note == "" and separates_with_biases(logits, labels)
    assert found.temperature == plain.temperature and found.note == SEPARABLE and found.prior_learnt
    np.testing.assert_allclose(found.apply(logits).mean(axis=0), [13 / 25, 12 / 25], atol=1e-6)
    assert np.log(found.apply(logits)[np.arange(25), labels]).mean() > np.log(plain.apply(logits)[np.arange(25), labels]).mean()


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_whether_biases_can_separate_films_is_that_of_a_linear_programme(classes: int) -> None:
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        labels = np.resize(np.arange(classes), 16)
        logits = rng.uniform(0.5, 5) * np.eye(classes)[labels] + rng.normal(size=(16, classes)) + 3 * rng.normal(size=classes)
        rows = [np.eye(classes)[k] - np.eye(classes)[y] for y in labels for k in range(classes) if k != y]
        margins = [own[y] - own[k] for own, y in zip(logits, labels, strict=True) for k in range(classes) if k != y]
        gap = np.append(np.zeros(classes), -1.0)  # biases, and the margin that is left; all margins above it
        solved = linprog(gap, np.c_[rows, np.ones(len(rows))], margins, bounds=[(None, None)] * classes + [(None, 1)])
        assert separates_with_biases(logits, labels) == (-solved.fun > 0)
        found.append(-solved.fun > 0)
    assert 5 < sum(found) < 55, "both answers are tried"


def test_a_temperature_stays_within_its_bounds_and_says_so() -> None:
    rng = np.random.default_rng(10)
    labels = rng.integers(0, 3, 200)
    noise = fit_temperature(rng.normal(0, 30.0, (200, 3)), labels, np.ones(200))
    assert noise.temperature == HIGH and "the highest allowed, 10" in noise.note
    faint, truth = draw(4000, 0.02, seed=11)
    shy = fit_temperature(faint, truth, np.ones(4000))
    assert shy.temperature == LOW and "the lowest allowed, 0.1" in shy.note


def test_a_temperature_keeps_the_order_of_the_classes_of_every_film() -> None:
    logits, labels = draw(500, 3.0, seed=12)
    found = fit_temperature(logits, labels, np.ones(500))
    np.testing.assert_array_equal(found.apply(logits).argmax(axis=1), logits.argmax(axis=1))
    np.testing.assert_allclose(found.apply(logits).sum(axis=1), 1, atol=1e-12)
