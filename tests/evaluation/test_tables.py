"""Tables and curves as numbers."""

import numpy as np
import pytest
import sklearn.metrics as sk

from hilum.evaluation.scoring.metrics import METRICS, ece
from hilum.evaluation.statistics import patient_bootstrap
from hilum.evaluation.tables import class_table, confusion_matrix, interval_table, pr_by_class, reliability_table, roc_by_class
from hilum.records import Predictions

CLASSES = ("normal", "bacterial", "viral")


def films(y_true, y_prob, y_pred=None, patients=None):
    y_prob = np.asarray(y_prob, float)
    ids = np.array([f"f{i:03d}" for i in range(len(y_true))])
    pred = y_prob.argmax(axis=1) if y_pred is None else np.asarray(y_pred)
    return Predictions(ids, ids if patients is None else np.asarray(patients), np.asarray(y_true), y_prob, pred, CLASSES)


@pytest.fixture
def predictions():
    rng = np.random.default_rng(0)
    y_true = np.arange(90) % 3
    y_prob = rng.dirichlet([1, 1, 1], 90) + 0.5 * np.eye(3)[y_true]
    return films(y_true, y_prob / y_prob.sum(axis=1, keepdims=True), patients=np.repeat(np.arange(30), 3).astype(str))


def test_confusion_matrix_is_k_by_k_even_when_a_class_is_never_called():
    """Defect 16."""
    p = films([0, 1, 2, 2], np.eye(3)[[0, 0, 1, 0]])
    assert confusion_matrix(p).tolist() == [[1, 0, 0], [1, 0, 0], [1, 1, 0]]
    assert confusion_matrix(films([0, 1], np.eye(3)[[0, 1]])).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_confusion_matrix_equals_scikit_learn(predictions):
    expected = sk.confusion_matrix(predictions.y_true, predictions.y_pred)
    np.testing.assert_array_equal(confusion_matrix(predictions), expected)


def test_interval_table_gives_reasons():
    p = films([0, 1, 2, 2], np.eye(3)[[0, 0, 1, 0]])
    table = interval_table(p, patient_bootstrap(p, 20, 0.95, 1)).set_index("metric")
    viral = table.loc["precision/viral"]
    assert np.isnan(viral["value"]) and viral["reason"] == "no film is predicted as viral"
    assert table.loc["accuracy", "reason"] == "" and table.loc["accuracy", "value"] == 0.25
    assert (table["reason"] != "").equals(table["value"].isna())


def test_class_table(predictions):
    intervals = patient_bootstrap(predictions, 20, 0.95, 1)
    table = class_table(predictions, intervals, np.array([0.1, 0.2, np.nan])).set_index("class")
    assert list(table.index) == list(CLASSES)
    assert table["films"].tolist() == [30, 30, 30] and table["patients"].tolist() == [30, 30, 30]
    assert table["prevalence"].tolist() == pytest.approx([1 / 3] * 3) and table["called"].sum() == 90
    for metric in (name for name, m in METRICS.items() if m.kind == "per_class"):
        interval = intervals[f"{metric}/viral"]
        found = table.loc["viral", [metric, f"{metric}_low", f"{metric}_high"]].tolist()
        assert found == [interval.value, interval.low, interval.high]
    assert table["threshold"].tolist() == pytest.approx([0.1, 0.2, np.nan], nan_ok=True)
    assert (table["note"] == "").all()


def test_class_table_warns_of_few_patients():
    """Defect 5: three positives give an interval from 1 to 1, and the table says what that is worth."""
    p = films([0] * 20 + [1] * 3, np.eye(3)[[0] * 20 + [1] * 3])
    table = class_table(p, patient_bootstrap(p, 20, 0.95, 1), np.full(3, np.nan)).set_index("class")
    assert table["note"].tolist() == ["", "only 3 patients: intervals are too narrow", "no film of this class; never predicted"]
    assert table.loc["bacterial", "sensitivity_low"] == 1.0 and np.isnan(table.loc["viral", "sensitivity"])


def test_curves_hold_the_area_they_announce(predictions):
    intervals = patient_bootstrap(predictions, 20, 0.95, 1)
    for name, curve in roc_by_class(predictions, intervals).items():
        assert curve.area is intervals[f"auroc/{name}"]
        assert np.trapezoid(curve.y, curve.x) == pytest.approx(curve.area.value, abs=1e-12)
    for name, curve in pr_by_class(predictions, intervals).items():
        assert (np.diff(curve.x) >= 0).all() and curve.base == pytest.approx(1 / 3)
        assert np.sum(np.diff(curve.x) * curve.y[1:]) == pytest.approx(intervals[f"auprc/{name}"].value, abs=1e-12)


def test_a_class_without_films_has_no_curve():
    p = films([0, 0, 1, 1], np.eye(3)[[0, 1, 1, 0]])
    intervals = patient_bootstrap(p, 5, 0.95, 1)
    assert list(roc_by_class(p, intervals)) == list(pr_by_class(p, intervals)) == ["normal", "bacterial"]


def test_reliability_by_hand():
    p = films([0, 1, 0, 0], [[0.55, 0.25, 0.2], [0.57, 0.23, 0.2], [0.9, 0.1, 0.0], [0.95, 0.05, 0.0]])
    table = reliability_table(p, 10)
    assert table["films"].tolist() == [0, 0, 0, 0, 0, 2, 0, 0, 1, 1]
    assert table.loc[5, ["low", "high", "confidence", "accuracy"]].tolist() == pytest.approx([0.5, 0.6, 0.56, 0.5])
    assert table.loc[8, "confidence"] == pytest.approx(0.9)  # an edge belongs to the bin below
    assert table.loc[0, ["confidence", "accuracy"]].isna().all()


@pytest.mark.parametrize("bins", [1, 7, 10])
def test_reliability_is_what_ece_sums(predictions, bins):
    table = reliability_table(predictions, bins).dropna()
    error = (table["films"] * (table["accuracy"] - table["confidence"]).abs()).sum() / table["films"].sum()
    assert error == pytest.approx(ece(predictions.y_true, predictions.y_prob, predictions.y_pred, bins), abs=1e-12)
