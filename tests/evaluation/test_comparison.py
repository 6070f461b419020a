"""Arms against a reference: rows, judgements, changed predictions."""

import dataclasses

import numpy as np
import pytest

from hilum.evaluation.comparison import compare_arms, judge, mcnemar_table, prediction_changes
from hilum.evaluation.scoring.metrics import METRICS, metric_names
from hilum.records import Predictions

CLASSES = ("normal", "bacterial", "viral")


def arm(skill, films=120, seed=0):
    rng = np.random.default_rng(seed)
    y_true = np.arange(films) % 3
    logits = rng.normal(size=(films, 3))
    logits[np.arange(films), y_true] += skill
    y_prob = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    ids = np.array([f"film/{i:04d}" for i in range(films)])
    return Predictions(ids, np.array([f"p{i // 2}" for i in range(films)]), y_true, y_prob, y_prob.argmax(axis=1), CLASSES)


def test_rows_and_judgements():
    arms = {"weak": arm(0.0), "base": arm(1.0), "strong": arm(2.5), "same": arm(1.0)}
    calls = []
    table = compare_arms(arms, "base", 60, 0.95, 1, on_resample=lambda *call: calls.append(call))
    assert len(table) == 3 * len(metric_names(CLASSES)) and list(dict.fromkeys(table["arm"])) == ["weak", "strong", "same"]
    rows = table.set_index(["arm", "metric"])
    assert rows.loc[("strong", "auroc_macro"), "judgement"] == "better"
    assert rows.loc[("weak", "auroc_macro"), "judgement"] == "worse"
    assert rows.loc[("strong", "log_loss"), "difference"] < 0  # lower is better
    assert rows.loc[("strong", "log_loss"), "judgement"] == "better"
    assert rows.loc[("weak", "brier"), "judgement"] == "worse"
    same = table[table["arm"] == "same"]
    assert set(same["judgement"]) == {"unclear"} and (same[["difference", "low", "high"]] == 0).all(axis=None)
    assert (table["arm_value"] - table["reference_value"]).to_numpy() == pytest.approx(table["difference"].to_numpy())
    assert calls[0] == ("weak", 1, 60) and calls[-1] == ("same", 60, 60) and len(calls) == 240, "the reference too"


@pytest.mark.parametrize(
    ("low", "high", "higher", "expected"),
    [
        (0.01, 0.2, True, "better"),
        (0.01, 0.2, False, "worse"),
        (-0.2, -0.01, True, "worse"),
        (-0.2, -0.01, False, "better"),
        (-0.1, 0.1, True, "unclear"),
        (0.0, 0.2, True, "unclear"),
        (np.nan, np.nan, False, "unclear"),
    ],
)
def test_judge(low, high, higher, expected):
    assert judge(low, high, higher) == expected


def test_prediction_changes_name_the_films():
    ids = np.array(["a", "b", "c", "d"])
    before = np.array([[0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.2, 0.5, 0.3], [0.9, 0.05, 0.05]])
    after = np.array([[0.2, 0.7, 0.1], [0.1, 0.7, 0.2], [0.1, 0.2, 0.7], [0.1, 0.1, 0.8]])
    y_true = np.array([1, 1, 0, 0])
    reference = Predictions(ids, ids, y_true, before, before.argmax(1), CLASSES)
    other = Predictions(ids[::-1], ids[::-1], y_true[::-1], after[::-1], after[::-1].argmax(1), CLASSES)
    table = prediction_changes(reference, other)
    assert table["image_id"].tolist() == ["d", "a", "c"]  # 0.8, 0.4 and 0.1 moved
    assert table["change"].tolist() == ["became wrong", "became right", "wrong in another way"]
    row = table.set_index("image_id").loc["a"]
    assert (row["true"], row["reference_prediction"], row["arm_prediction"]) == ("bacterial", "normal", "bacterial")
    assert (row["reference_probability"], row["arm_probability"]) == (0.3, 0.7)
    assert prediction_changes(reference, reference).empty


def test_mcnemar_table():
    arms = {"base": arm(0.5), "strong": arm(3.0)}
    (row,) = mcnemar_table(arms, "base", 1).to_dict("records")
    assert row["arm"] == "strong" and row["films"] == 60
    assert row["both_right"] + row["only_reference"] + row["only_arm"] + row["both_wrong"] == 60
    assert row["only_arm"] > row["only_reference"] and row["p_value"] < 0.05


def test_the_only_arm_has_nothing_to_be_compared_with():
    alone = {"base": arm(1.0)}
    assert compare_arms(alone, "base", 5, 0.95, 1).empty and mcnemar_table(alone, "base", 1).empty
    assert "judgement" in compare_arms(alone, "base", 5, 0.95, 1).columns


def test_refusals_name_the_arm_and_the_evidence():
    good = arm(1.0, 9)
    with pytest.raises(ValueError, match=r"must be one of the arms base, other, got 'none'"):
        compare_arms({"base": good, "other": good}, "none", 5, 0.95, 1)
    other_labels = dataclasses.replace(good, y_true=np.roll(good.y_true, 1))
    with pytest.raises(ValueError, match=r"arm other cannot be compared with base: .*true classes for 9 films \['film/0000'"):
        compare_arms({"base": good, "other": other_labels}, "base", 5, 0.95, 1)
    with pytest.raises(ValueError, match=r"arm other .*3 films only in the first"):
        mcnemar_table({"base": good, "other": arm(1.0, 6)}, "base", 1)


def test_a_subset_of_the_registry():
    arms = {"base": arm(1.0), "other": arm(1.2)}
    assert list(compare_arms(arms, "base", 5, 0.95, 1, {"mcc": METRICS["mcc"]})["metric"]) == ["mcc"]
