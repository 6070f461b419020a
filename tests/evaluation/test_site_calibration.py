"""The fit for a site on logits that were distorted in a known way, and figures of patients that no fit saw."""

from typing import Any

import numpy as np
import pytest

from hilum.evaluation.scoring.calibration import FOLDS, deal_patients
from hilum.evaluation.scoring.decisions import choose_threshold
from hilum.evaluation.scoring.scaling import SEPARATED, softmax
from hilum.evaluation.site_calibration import (
    METHODS,
    Rule,
    check_site_films,
    cross_fit_site,
    find_rule,
    fit_site,
    read_logits,
)

TWO = Rule("youden", None, False, None, ("normal", "ill"))
THREE = Rule("", np.ones(3), True, dict.fromkeys("abc", 1 / 3), ("a", "b", "c"))


def draw_films(films: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits whose softmax is the truth, labels drawn by it, and patients of two films each."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(films, classes)) * 2
    labels = np.array([rng.choice(classes, p=row) for row in softmax(logits)])
    return logits, labels, np.array([f"p{i // 2:04d}" for i in range(films)])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rule", [TWO, THREE], ids=["two", "three"])
def test_a_known_distortion_is_undone(method: str, rule: Rule) -> None:
    classes = len(rule.classes)
    logits, labels, _ = draw_films(6000, classes, 0)
    shift = np.linspace(-0.6, 0.6, classes) if method == "temperature_and_biases" else np.zeros(classes)
    distorted = read_logits(softmax((logits - shift) * 2.5))
    fit = fit_site(method, distorted, labels, rule)
    assert fit.scaling.temperature == pytest.approx(2.5, rel=0.1)
    np.testing.assert_allclose(fit.scaling.biases, shift, atol=0.12)
    y_prob, y_pred = fit.predict(distorted)
    assert np.abs(y_prob - softmax(logits)).max() < 0.1 and len(y_pred) == 6000


def test_a_threshold_follows_from_the_rule_and_the_scaled_probabilities() -> None:
    logits, labels, _ = draw_films(300, 2, 1)
    fit = fit_site("temperature_and_biases", logits * 3, labels, TWO)
    y_prob, y_pred = fit.predict(logits * 3)
    assert fit.threshold == choose_threshold("youden", labels, y_prob[:, 1]) and fit.threshold_rule == "youden"
    assert y_pred.tolist() == (y_prob[:, 1] >= fit.threshold).astype(int).tolist()
    probable = Rule("", None, False, None, ("normal", "ill"))
    assert fit_site("temperature", logits, labels, probable).threshold is None, "a model without a threshold gets none"


def test_the_prior_is_that_of_the_films_where_biases_are_fitted_and_factors_follow_it() -> None:
    logits, labels, _ = draw_films(500, 3, 2)
    shares = np.bincount(labels) / 500
    fit = fit_site("temperature_and_biases", logits, labels, THREE)
    assert fit.prior == pytest.approx(dict(zip("abc", shares, strict=True))) and fit.factors is not None
    np.testing.assert_allclose(fit.factors, 1 / (3 * shares))
    kept = fit_site("temperature", logits, labels, THREE)
    assert kept.prior == THREE.prior and kept.factors is not None
    np.testing.assert_allclose(kept.factors, 1)


def test_where_every_film_is_right_prior_and_factors_stay_as_no_bias_was_fitted() -> None:
    """Eight of ten films are of the first class, all of them right: factors of an even prior stay, and so do decisions."""
    labels = np.repeat([0, 1, 2], [80, 10, 10])
    logits = 4.0 * np.eye(3)[labels] + np.random.default_rng(4).normal(0, 0.3, (100, 3))
    fit = fit_site("temperature_and_biases", logits, labels, THREE)
    assert fit.scaling.note == SEPARATED and fit.prior == THREE.prior and fit.factors is THREE.factors
    assert fit.predict(np.log([[0.7, 0.2, 0.1]]))[1].tolist() == [0]


def test_each_film_is_predicted_by_a_fit_to_the_patients_of_the_other_folds() -> None:
    logits, labels, patients = draw_films(120, 2, 3)
    y_prob, y_pred = cross_fit_site("temperature", logits * 2, labels, patients, TWO, seed=5)
    fold = deal_patients(labels, patients, FOLDS, 5)
    for held in range(FOLDS):
        out = fold == held
        assert not set(patients[out]) & set(patients[~out])
        found = fit_site("temperature", logits[~out] * 2, labels[~out], TWO).predict(logits[out] * 2)
        np.testing.assert_array_equal(y_prob[out], found[0])
        np.testing.assert_array_equal(y_pred[out], found[1])


def test_logits_of_probabilities_that_single_precision_rounded_to_zero_are_finite() -> None:
    assert np.isfinite(read_logits(np.array([[0.0, 1.0]]))).all()


def test_too_few_patients_are_refused() -> None:
    patients = np.array([f"p{i}" for i in range(20)])
    check_site_films(np.repeat([0, 1], [15, 5]), patients, ("a", "b"))
    with pytest.raises(ValueError, match="got a: 16, b: 4; label films of more patients"):
        check_site_films(np.repeat([0, 1], [16, 4]), patients, ("a", "b"))
    with pytest.raises(ValueError, match="b: 3"):
        check_site_films(np.repeat([0, 1], [14, 6]), np.repeat(patients, 2)[:20], ("a", "b"))


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        ({"threshold": 0.4, "threshold_rule": "f1"}, "f1"),
        ({"threshold": 0.4}, "youden"),
        ({"threshold": 0.4, "threshold_rule": "argmax"}, "youden"),
        ({"threshold": None, "threshold_rule": "argmax"}, ""),
    ],
)
def test_the_rule_is_the_models_own(facts: dict[str, Any], rule: str) -> None:
    found = find_rule({"classes": ["a", "b"], "prior": [0.5, 0.5], **facts}, "youden")  # a list: of an earlier version
    assert found.threshold_rule == rule and found.prior is None and found.factors is None
