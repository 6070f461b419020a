"""Every registered metric: known predictors, hand-worked films, scikit-learn's own values, and undefined cases."""

import dataclasses

import numpy as np
import pytest
import sklearn.metrics as sk

from hilum.evaluation.scoring.checks import check_predictions
from hilum.evaluation.scoring.decisions import decide
from hilum.evaluation.scoring.metrics import (
    METRICS,
    VALIDATION_METRICS,
    accuracy,
    auprc,
    auroc,
    brier,
    confusion_counts,
    ece,
    evaluate_all,
    higher_is_better,
    log_loss,
    mcc,
    metric_names,
    metric_title,
    metric_values,
    score,
    undefined_reasons,
    with_bins,
)
from hilum.records import Predictions

CLASSES = ("normal", "bacterial", "viral")
OVERALL = [n for n, m in METRICS.items() if m.kind == "overall"]
PER_CLASS = [n for n, m in METRICS.items() if m.kind == "per_class"]

# Two classes, 4 films of each; perfect: p = 1 for the truth; inverted: p = 1 for the other; constant: 0.5 each, class 1
# predicted.
TABLE = {  # perfect, inverted, constant
    "accuracy": (1.0, 0.0, 0.5),
    "balanced_accuracy": (1.0, 0.0, 0.5),
    "mcc": (1.0, -1.0, np.nan),
    "brier": (0.0, 2.0, 0.5),
    "ece": (0.0, 1.0, 0.0),
    "log_loss": (0.0, -np.log(np.finfo(float).eps), np.log(2)),
    "auroc": (1.0, 0.0, 0.5),
    "auprc": (1.0, 0.5, 0.5),  # inverted: the negatives enter first, then all positives at once at precision 4/8
    "sensitivity": (1.0, 0.0, 1.0),
    "specificity": (1.0, 0.0, 0.0),
    "precision": (1.0, 0.0, 0.5),
    "npv": (1.0, 0.0, np.nan),
    "f1": (1.0, 0.0, 2 / 3),
}


def make(y_true, y_prob, y_pred=None, classes=CLASSES, patients=None):
    y_prob = np.asarray(y_prob, dtype=float)
    ids = np.array([f"film/{i:04d}" for i in range(len(y_true))])
    pred = decide(y_prob, None) if y_pred is None else np.asarray(y_pred)
    return Predictions(ids, ids if patients is None else np.asarray(patients), np.asarray(y_true), y_prob, pred, classes)


def random_predictions(seed, films=300, classes=3):
    """Probabilities in steps of 0.1, so that most films share their score with others."""
    rng = np.random.default_rng(seed)
    parts = rng.multinomial(10, np.ones(classes) / classes, size=films)
    y_true = np.arange(films) % classes
    parts[np.arange(films), y_true] += rng.integers(0, 4, films)
    return make(y_true, parts / parts.sum(axis=1, keepdims=True), classes=tuple("abcdefgh"[:classes]))


def known_predictors(name):
    y_true = np.array([0] * 4 + [1] * 4)
    one_hot = np.eye(2)[y_true]
    for y_prob, y_pred in ((one_hot, y_true), (one_hot[:, ::-1], 1 - y_true), (np.full((8, 2), 0.5), np.ones(8, int))):
        metric = METRICS[name]
        if metric.kind == "overall":
            yield metric.function(y_true, y_prob, y_pred)
        else:
            yield metric.function(y_true == 1, y_prob[:, 1], y_pred == 1)


@pytest.mark.parametrize("name", METRICS)
def test_perfect_is_best_and_inverted_is_worst(name):
    perfect, inverted, constant = known_predictors(name)
    sign = 1 if METRICS[name].better == "higher" else -1
    assert sign * perfect > sign * inverted
    assert np.isnan(constant) or sign * perfect >= sign * constant >= sign * inverted


@pytest.mark.parametrize("name", TABLE)
def test_known_predictors(name):
    np.testing.assert_allclose(list(known_predictors(name)), TABLE[name], atol=1e-12)


def test_hand_worked_three_classes():
    # rows true, columns prediction: [[2, 1, 0], [0, 1, 1], [1, 0, 4]]
    y_true = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 2])
    y_pred = np.array([0, 0, 1, 1, 2, 0, 2, 2, 2, 2])
    values = evaluate_all(make(y_true, np.eye(3)[y_pred]))
    assert confusion_counts(y_true, y_pred, 3).tolist() == [[2, 1, 0], [0, 1, 1], [1, 0, 4]]
    expected = {
        "accuracy": 7 / 10,
        "balanced_accuracy": (2 / 3 + 1 / 2 + 4 / 5) / 3,
        "brier": 2 * 3 / 10,
        "ece": 0.3,  # confidence 1, accuracy 0.7
        "sensitivity/viral": 4 / 5,
        "specificity/viral": 4 / 5,
        "precision/normal": 2 / 3,
        "npv/normal": 6 / 7,
        "f1/bacterial": 1 / 2,
        "precision_macro": (2 / 3 + 1 / 2 + 4 / 5) / 3,
        # (7 * 10 - (3*3 + 2*2 + 5*5)) / sqrt((100 - 38) * (100 - 38))
        "mcc": 32 / 62,
    }
    assert {name: values[name] for name in expected} == pytest.approx(expected, abs=1e-12)


def test_hand_worked_probabilities():
    y_true, y_prob = np.array([0, 1]), np.array([[0.8, 0.2], [0.6, 0.4]])
    y_pred = np.array([0, 0])
    assert brier(y_true, y_prob, y_pred) == pytest.approx((0.04 + 0.04 + 0.36 + 0.36) / 2)
    assert log_loss(y_true, y_prob, y_pred) == pytest.approx(-(np.log(0.8) + np.log(0.4)) / 2)
    # 0.8 right and 0.6 wrong lie in two of ten bins: (0.2 + 0.6) / 2; in one bin: |1 - 1.4| / 2
    assert ece(y_true, y_prob, y_pred) == pytest.approx(0.4)
    assert ece(y_true, y_prob, y_pred, bins=1) == pytest.approx(0.2)


def test_ece_takes_the_confidence_of_the_prediction_not_the_highest_probability():
    y_true, y_prob = np.array([1, 1]), np.array([[0.7, 0.3], [0.7, 0.3]])
    assert ece(y_true, y_prob, decide(y_prob, 0.25)) == pytest.approx(0.7)


def test_ties_in_auroc_and_auprc_by_hand():
    positive, called = np.array([True, False, True, False]), np.zeros(4, bool)
    tied = np.array([0.9, 0.5, 0.5, 0.1])
    assert auroc(positive, tied, called) == (1 + 1 + 0.5 + 1) / 4
    assert auprc(positive, tied, called) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert auprc(positive, tied, called) == auprc(positive[::-1], tied[::-1], called)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_equal_to_scikit_learn(seed, classes):
    p = random_predictions(seed, classes=classes)
    names = list(p.classes)
    report = sk.classification_report(p.y_true, p.y_pred, target_names=names, output_dict=True, zero_division=np.nan)
    values = evaluate_all(p)
    expected = {
        "accuracy": sk.accuracy_score(p.y_true, p.y_pred),
        "balanced_accuracy": sk.balanced_accuracy_score(p.y_true, p.y_pred),
        "mcc": sk.matthews_corrcoef(p.y_true, p.y_pred),
        "brier": sk.brier_score_loss(p.y_true, p.y_prob, labels=range(classes), scale_by_half=False)
        if classes > 2
        else 2 * sk.brier_score_loss(p.y_true, p.y_prob[:, 1]),
        "log_loss": sk.log_loss(p.y_true, p.y_prob),
    }
    for k, name in enumerate(names):
        positive, called = p.y_true == k, p.y_pred == k
        expected |= {
            f"auroc/{name}": sk.roc_auc_score(positive, p.y_prob[:, k]),
            f"auprc/{name}": sk.average_precision_score(positive, p.y_prob[:, k]),
            f"sensitivity/{name}": report[name]["recall"],
            f"specificity/{name}": sk.recall_score(~positive, ~called),
            f"precision/{name}": report[name]["precision"],
            f"npv/{name}": sk.precision_score(~positive, ~called),
            f"f1/{name}": report[name]["f1-score"],
        }
    for name in PER_CLASS:
        expected[f"{name}_macro"] = np.mean([expected[f"{name}/{c}"] for c in names])
    assert set(values) - set(expected) == {"ece"}
    for name, value in expected.items():
        assert values[name] == pytest.approx(value, abs=1e-12), name


def test_class_never_called_and_class_without_films_are_nan_with_a_reason():
    """Defects 5 and 16."""
    y_prob = np.array([[0.6, 0.3, 0.1], [0.5, 0.4, 0.1], [0.7, 0.2, 0.1], [0.2, 0.7, 0.1]])
    predictions = make([0, 1, 0, 1], y_prob)
    values, reasons = evaluate_all(predictions), undefined_reasons(predictions)
    assert confusion_counts(predictions.y_true, predictions.y_pred, 3).tolist() == [[2, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert set(reasons) == {name for name, value in values.items() if np.isnan(value)}
    assert reasons["precision/viral"] == "no film is predicted as viral"
    assert reasons["auroc/viral"] == reasons["auroc_macro"] == reasons["balanced_accuracy"] == "no film of viral among 4"
    assert values["sensitivity/bacterial"] == 0.5 and values["specificity/viral"] == 1.0


@pytest.mark.parametrize(
    ("y_true", "y_pred"),
    [([0, 0, 0], [0, 0, 0]), ([0, 0, 0], [1, 1, 1]), ([0, 1, 2], [2, 2, 2]), ([1, 1, 2], [0, 1, 2]), ([0], [0]), ([2], [0])],
)
def test_every_metric_is_a_number_or_nan_with_a_stated_need(y_true, y_pred):
    predictions = make(y_true, np.full((len(y_true), 3), 1 / 3), y_pred)
    values, reasons = evaluate_all(predictions), undefined_reasons(predictions)
    assert not any(np.isinf(v) for v in values.values())
    assert set(reasons) == {name for name, value in values.items() if np.isnan(value)}
    assert not [text for text in reasons.values() if "no cause" in text]


def test_flat_names_and_titles():
    names = metric_names(CLASSES)
    assert names == list(evaluate_all(make([0, 1, 2], np.eye(3))))
    assert {"accuracy", "auroc_macro", "auroc/viral", "sensitivity/viral"} <= set(names)
    assert len(names) == len(OVERALL) + len(PER_CLASS) * (1 + len(CLASSES))
    assert metric_title("auroc_macro") == "AUROC, mean of classes"
    assert metric_title("sensitivity/viral") == "sensitivity, viral"
    assert metric_title("balanced_accuracy") == "balanced accuracy"


@pytest.mark.parametrize("name", VALIDATION_METRICS)
def test_score_is_what_evaluate_all_gives_for_the_argmax_prediction(name):
    p = random_predictions(3)
    assert score(name, p.y_true, p.y_prob) == evaluate_all(p)[name]


@pytest.mark.parametrize("name", VALIDATION_METRICS)
def test_an_epoch_that_diverged_has_no_score(name):
    p = random_predictions(3)
    value = score(name, p.y_true, np.full_like(p.y_prob, np.nan))
    assert np.isnan(value)


def test_score_names_the_legal_ones():
    with pytest.raises(ValueError, match=r"must be one of accuracy, .*auroc_macro.* got 'auroc'"):
        score("auroc", np.array([0, 1]), np.eye(2))


def test_directions():
    assert [name for name in METRICS if not higher_is_better(name)] == ["brier", "ece", "log_loss"]
    assert higher_is_better("auroc_macro") and higher_is_better("auroc/viral")
    with pytest.raises(ValueError, match="got 'roc'"):
        higher_is_better("roc")


def test_bins_are_the_callers():
    p = random_predictions(4)
    assert evaluate_all(p, with_bins(3))["ece"] == ece(p.y_true, p.y_prob, p.y_pred, 3) != evaluate_all(p)["ece"]
    with pytest.raises(ValueError, match="at least 1, got 0"):
        with_bins(0)


def test_a_new_metric_is_one_line():
    registry = {**METRICS, "error": dataclasses.replace(METRICS["accuracy"], function=lambda t, p, v: float(np.mean(t != v)))}
    p = random_predictions(5)
    assert evaluate_all(p, registry)["error"] == pytest.approx(1 - accuracy(p.y_true, p.y_prob, p.y_pred))


def test_metrics_leave_their_input_alone():
    p = random_predictions(6)
    before = p.y_prob.copy()
    metric_values(p.y_true, p.y_prob, p.y_pred)
    np.testing.assert_array_equal(p.y_prob, before)
    assert mcc(p.y_true, p.y_prob, p.y_pred) == mcc(p.y_true[::-1], p.y_prob[::-1], p.y_pred[::-1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_true": np.array([0, 3])}, r"y_true must hold indices 0\.\.2, got \[3\]"),
        ({"y_prob": np.full((2, 3), 0.5)}, r"sum to 1, got \[0.5, 0.5, 0.5\] in row 0"),
        ({"y_prob": np.array([[np.nan, 0.5, 0.5], [1, 0, 0]])}, "must be finite"),
        ({"y_prob": np.eye(2)}, r"got shape \(2, 2\) for 3 classes"),
        ({"y_pred": np.array([0])}, "all columns must have one length"),
        ({"image_id": np.array(["x", "x"])}, r"image_id must be unique, got \['x'\]"),
    ],
)
def test_predictions_that_do_not_fit_are_refused(change, message):
    good = make([0, 1], [[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]])
    check_predictions(good)
    with pytest.raises(ValueError, match=message):
        evaluate_all(dataclasses.replace(good, **change))


def test_all_faults_are_listed_at_once():
    bad = dataclasses.replace(make([0, 1], np.eye(3)[:2]), y_true=np.array([0, 9]), image_id=np.array(["x", "x"]))
    with pytest.raises(ValueError, match=r"y_true.*image_id"):
        check_predictions(bad)


def test_no_films_are_refused():
    with pytest.raises(ValueError, match="at least one film"):
        evaluate_all(make(np.zeros(0, int), np.zeros((0, 3))))
