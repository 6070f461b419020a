"""Thresholds, predictions and the majority baseline."""

import numpy as np
import pytest

from hilum.evaluation.scoring.decisions import (
    THRESHOLD_RULES,
    choose_threshold,
    decide,
    factors_of,
    find_factors,
    majority_baseline,
    one_vs_rest_thresholds,
)
from hilum.evaluation.scoring.metrics import evaluate_all
from hilum.records import Predictions

Y = np.array([0, 0, 0, 1, 1])
S = np.array([0.1, 0.2, 0.3, 0.25, 0.9])


def test_youden_by_hand():
    # calling >= 0.25: sensitivity 1, specificity 2/3 (J 2/3); calling >= 0.9: 1/2 and 1 (J 1/2)
    assert choose_threshold("youden", Y, S) == pytest.approx((0.2 + 0.25) / 2)


def test_f1_by_hand():
    # >= 0.25: TP 2, FP 1, F1 4/5; >= 0.9: TP 1, F1 2/3
    assert choose_threshold("f1", Y, S) == pytest.approx(0.225)


def test_half_is_half():
    assert choose_threshold("half", Y, S) == 0.5


def test_ties_go_to_one_half():
    """Between 0.3 and 0.7 every threshold is perfect; 0.5 is one of them."""
    assert choose_threshold("youden", np.array([0, 0, 1, 1]), np.array([0.1, 0.3, 0.7, 0.8])) == 0.5
    assert choose_threshold("youden", np.array([0, 1, 0, 1]), np.array([0.1, 0.2, 0.6, 0.8])) == pytest.approx(0.7)


def test_inverted_scores_still_give_a_threshold_within_0_to_1():
    for rule in THRESHOLD_RULES:
        assert 0 <= choose_threshold(rule, 1 - Y, S) <= 1
        assert 0 <= choose_threshold(rule, Y, np.array([0.0, 0.0, 1.0, 0.0, 1.0])) <= 1


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rule", ["youden", "f1"])
def test_no_threshold_on_a_fine_grid_is_better(rule, seed):
    rng = np.random.default_rng(seed)
    y = np.arange(60) % 2
    s = np.round(np.clip(rng.normal(0.4 + 0.2 * y, 0.2), 0, 1), 2)

    def value(threshold):
        called = s >= threshold
        return (
            2 * (y * called).sum() / (y.sum() + called.sum() + 1e-300)
            if rule == "f1"
            else called[y == 1].mean() - called[y == 0].mean()
        )

    best = max(value(t) for t in np.linspace(0, 1, 1001))
    assert value(choose_threshold(rule, y, s)) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize(
    ("rule", "y", "s", "message"),
    [
        ("best", Y, S, "must be one of youden, f1, half, got 'best'"),
        ("youden", np.ones(5, int), S, r"films of both classes 0 and 1, got labels \[1\] in 5 films"),
        ("half", np.zeros(5, int), S, r"got labels \[0\]"),
        ("youden", Y + 1, S, r"got labels \[1, 2\]"),
        ("youden", Y, S * 10, r"scores must be 0\.\.1, got 1.0 to 9.0"),
        ("youden", Y, np.append(S[:4], np.nan), r"scores must be 0\.\.1"),
    ],
)
def test_refusals(rule, y, s, message):
    with pytest.raises(ValueError, match=message):
        choose_threshold(rule, y, s)


def test_the_verdict_and_the_threshold_agree():
    """Defect 14: the chosen threshold is the one that decides."""
    prob = np.stack([1 - S, S], axis=1)
    assert decide(prob, choose_threshold("youden", Y, S)).tolist() == [0, 0, 1, 1, 1]
    assert decide(prob, 0.9).tolist() == [0, 0, 0, 0, 1]  # reaching it is enough
    assert decide(prob, None).tolist() == [0, 0, 0, 0, 1]
    assert decide(prob, 0.2).dtype == np.int64


def test_more_than_two_classes_have_no_threshold():
    prob = np.array([[0.2, 0.5, 0.3], [0.4, 0.3, 0.3]])
    assert decide(prob, None).tolist() == [1, 0]
    with pytest.raises(ValueError, match=r"needs two classes, got 0.5 for 3 classes; use None"):
        decide(prob, 0.5)
    with pytest.raises(ValueError, match=r"must be 0\.\.1"):
        decide(prob[:, :2], 1.5)


def test_factors_decide_by_the_largest_product_and_factors_of_one_change_nothing():
    prob = np.array([[0.5, 0.3, 0.2], [0.4, 0.35, 0.25], [0.2, 0.2, 0.6]])
    assert decide(prob, None, np.array([1.0, 2.0, 1.0])).tolist() == [1, 1, 2]
    assert decide(prob, None, np.array([1.0, 1.0, 4.0])).tolist() == [2, 2, 2]
    for none in (None, np.ones(3), np.full(3, 0.1)):
        np.testing.assert_array_equal(decide(prob, None, none), np.argmax(prob, axis=1))
    assert decide(np.full((1, 3), 1 / 3), None, np.ones(3)).tolist() == [0], "the first of equals"


@pytest.mark.parametrize("factors", [[1.0, 1.0], [1.0, 0.0, 1.0], [1.0, -1.0, 1.0], [1.0, np.nan, 1.0], [1.0, np.inf, 1.0]])
def test_factors_that_cannot_decide_are_refused(factors):
    with pytest.raises(ValueError, match="must be numbers above 0, one for each of 3 classes, and without a threshold, got"):
        decide(np.full((2, 3), 1 / 3), None, np.array(factors))


def test_a_threshold_and_factors_never_decide_together():
    with pytest.raises(ValueError, match=r"without a threshold, got \[1.0, 1.0\] and threshold 0.5"):
        decide(np.full((1, 2), 0.5), 0.5, np.ones(2))


def test_factors_are_read_by_class_and_a_model_written_before_has_none():
    model = {"classes": ["n", "b", "v"], "decision_factors": {"v": 3.0, "n": 1.0, "b": 2.0}}
    np.testing.assert_array_equal(factors_of(model), [1.0, 2.0, 3.0])
    assert factors_of({"classes": ["n", "b"], "threshold": 0.4}) is None
    assert factors_of({"classes": ["n", "b"], "threshold": 0.4, "decision_factors": None}) is None


PRIOR = {"n": 0.7, "b": 0.2, "v": 0.1}


def test_factors_of_the_words_of_a_decision():
    assert find_factors("probable", PRIOR, {}) == {"n": 1.0, "b": 1.0, "v": 1.0}
    assert find_factors("balanced", PRIOR, {}) == pytest.approx({"n": 1 / 2.1, "b": 1 / 0.6, "v": 1 / 0.3})
    assert find_factors("balanced", dict.fromkeys("nbv", 1 / 3), {}) == pytest.approx(dict.fromkeys("nbv", 1.0))
    assert find_factors("costs", PRIOR, {"v": 5, "b": 2, "n": 1}) == {"n": 1.0, "b": 2.0, "v": 5.0}
    for word in ("probable", "balanced", "costs"):
        assert find_factors(word, {"n": 0.6, "v": 0.4}, {"n": 1, "v": 2}) is None, "two classes have a threshold"


@pytest.mark.parametrize("word", ["balanced", "costs"])
def test_no_other_factors_reach_more_on_films_that_are_as_the_model_says(word):
    """Labels drawn from the model's own probabilities, whose shares are its prior."""
    rng = np.random.default_rng(3)
    prob = rng.dirichlet([3.0, 1.0, 0.6], 60000)
    labels = (prob.cumsum(axis=1) > rng.random((len(prob), 1))).argmax(axis=1)
    names, costs = ["n", "b", "v"], {"n": 1.0, "b": 2.0, "v": 6.0}
    prior = dict(zip(names, prob.mean(axis=0).tolist(), strict=True))
    each = np.array([costs[name] for name in names])

    def reached(factors):
        said = decide(prob, None, factors)
        if word == "balanced":
            return np.mean([(said[labels == k] == k).mean() for k in range(3)])
        return -each[labels][said != labels].sum() / len(labels)

    model = {"classes": names, "decision_factors": find_factors(word, prior, costs)}
    best = reached(factors_of(model))
    assert best > reached(None) + 0.01, "the most probable class is the worse rule here"
    for change in ([1.5, 1, 1], [1, 1.5, 1], [1, 1, 1.5], [1 / 1.5, 1, 1], [1, 1 / 1.5, 1], [1, 1, 1 / 1.5]):
        assert reached(factors_of(model) * np.array(change)) < best


def test_one_vs_rest_thresholds():
    y, prob = np.array([0, 0, 1, 1]), np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.45, 0.45, 0.1]])
    thresholds = one_vs_rest_thresholds("youden", y, prob)
    assert thresholds[:2] == pytest.approx([0.5, 0.375]) and np.isnan(thresholds[2])


def test_majority_baseline_answers_the_training_prior():
    ids = np.array(["a", "b", "c", "d"])
    films = Predictions(ids, ids, np.array([0, 1, 2, 2]), np.eye(3)[[0, 1, 2, 2]], np.array([0, 1, 2, 2]), ("n", "b", "v"))
    baseline = majority_baseline(np.array([0, 1, 1, 1, 2, 2, 1, 0]), films)
    assert baseline.y_prob.tolist() == [[0.25, 0.5, 0.25]] * 4
    assert baseline.y_pred.tolist() == [1, 1, 1, 1] and baseline.y_true is films.y_true
    values = evaluate_all(baseline)
    assert values["accuracy"] == 0.25 and values["auroc_macro"] == 0.5 and np.isnan(values["mcc"])
    with pytest.raises(ValueError, match=r"outside: \[3\]"):
        majority_baseline(np.array([0, 3]), films)
    with pytest.raises(ValueError, match="got 0 labels"):
        majority_baseline(np.zeros(0, int), films)
