"""A frozen model on other films: classes joined by a finding, means over what is there, the drop, the prior."""

import numpy as np
import pytest

from hilum.evaluation.outside.frozen import (
    draw_present,
    find_present,
    group_classes,
    group_rules,
    measure_drop,
    predict_groups,
    regroup,
    shift_prior,
)
from hilum.evaluation.scoring.metrics import METRICS, evaluate_all
from hilum.evaluation.statistics import draw_metrics
from hilum.records import Predictions

CLASSES = ("normal", "bacterial", "viral")


def make(seed: int, classes: tuple[int, ...] = (0, 1, 2), films: int = 60, sharp: float = 2.0) -> Predictions:
    rng = np.random.default_rng(seed)
    y_true = rng.choice(classes, films)
    logits = rng.normal(size=(films, 3)) + sharp * np.eye(3)[y_true]
    y_prob = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    names = np.array([f"f{i}" for i in range(films)])
    return Predictions(names, np.array([f"p{i // 2}" for i in range(films)]), y_true, y_prob, y_prob.argmax(axis=1), CLASSES)


def test_classes_that_one_finding_is_a_rule_of_are_joined() -> None:
    rules = {"normal": ["No Finding"], "bacterial": ["pneumonia"], "viral": ["Pneumonia ", "covid"]}
    grouping = group_classes(CLASSES, [rules])
    assert grouping.names == ("normal", "bacterial+viral") and grouping.members == ((0,), (1, 2))
    assert group_rules(rules, CLASSES, grouping) == {
        "normal": ["No Finding"],
        "bacterial+viral": ["pneumonia", "Pneumonia ", "covid"],
    }
    apart = group_classes(CLASSES, [{name: [name] for name in CLASSES}])
    assert apart.names == CLASSES and apart.of_class.tolist() == [0, 1, 2]
    assert group_classes(CLASSES, [{"normal": ["a"], "bacterial": ["a"]}, {"bacterial": ["b"], "viral": ["b"]}]).names == (
        "normal+bacterial+viral",
    )


def test_the_group_of_the_frozen_answer_is_predicted_not_the_largest_sum() -> None:
    grouping = group_classes(CLASSES, [{"bacterial": ["x"], "viral": ["x"]}])
    y_prob = np.array([[0.40, 0.35, 0.25]])  # the model says normal, though the two others have 0.6 together
    summed, predicted = predict_groups(y_prob, None, None, grouping)
    np.testing.assert_allclose(summed, [[0.40, 0.60]])
    assert predicted.tolist() == [0]
    predictions = make(1)
    joined = regroup(predictions, grouping)
    assert joined.y_true.tolist() == [min(k, 1) for k in predictions.y_true]
    np.testing.assert_allclose(joined.y_prob.sum(axis=1), 1)


def test_means_are_over_the_classes_at_hand() -> None:
    predictions = make(2, classes=(0, 2))
    assert np.isnan(evaluate_all(predictions)["auroc_macro"]) and np.isnan(evaluate_all(predictions)["balanced_accuracy"])
    present = find_present(predictions)
    assert present == ["normal", "viral"]
    found = draw_present(predictions, present, 50, 1).intervals(0.9)
    for mean, name in (("auroc_macro", "auroc"), ("balanced_accuracy", "sensitivity")):
        assert found[mean].value == pytest.approx((found[f"{name}/normal"].value + found[f"{name}/viral"].value) / 2)
        assert found[mean].low <= found[mean].value <= found[mean].high
    assert np.isnan(found["auroc/bacterial"].value)


def test_with_every_class_the_means_are_the_usual_ones() -> None:
    predictions = make(3)
    usual, found = draw_metrics(predictions, 30, 5), draw_present(predictions, CLASSES, 30, 5)
    np.testing.assert_allclose(found.value, usual.value)
    np.testing.assert_allclose(found.drawn, usual.drawn)


def test_the_interval_of_a_drop_holds_the_true_one() -> None:
    """Balanced accuracy of a worse model on films of its own, 60 times: the interval must hold the true drop about as often as
    it says."""
    only = {"accuracy": METRICS["accuracy"]}
    true = {sharp: draw_metrics(make(9, films=200_000, sharp=sharp), 1, 0, only).value[0] for sharp in (2.0, 1.0)}
    inside = 0
    for seed in range(60):
        internal = draw_present(make(100 + seed, films=160), CLASSES, 200, 1, only)
        external = draw_present(make(500 + seed, films=160, sharp=1.0), CLASSES, 200, 2, only)
        found = measure_drop(internal, external, 0.9)["accuracy"]
        inside += found.low <= true[1.0] - true[2.0] <= found.high
    assert 46 <= inside <= 60  # 54 expected; below 46 has a chance under 1 %


def test_a_corrected_prior_gives_bayes_rule() -> None:
    """Two classes with known densities: the posterior under one prior, corrected, is the posterior under the other."""
    x = np.linspace(-3, 3, 50)
    density = np.stack([np.exp(-((x + 1) ** 2) / 2), np.exp(-((x - 1) ** 2) / 2)], axis=1)

    def posterior(prior: np.ndarray) -> np.ndarray:
        joint = density * prior
        return joint / joint.sum(axis=1, keepdims=True)

    first, second = np.array([0.5, 0.5]), np.array([0.9, 0.1])
    np.testing.assert_allclose(shift_prior(posterior(first), first, second), posterior(second), atol=1e-12)
