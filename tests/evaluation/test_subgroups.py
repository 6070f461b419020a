"""Groups that are served worse are named and others are not: planted gaps, permuted groups, groups that are too small."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from subgroups import PLANTED, SEEDS, TASKS, count_found, draw_scores, permute_groups

from hilum.evaluation.group_measures import MEASURES, RANGE
from hilum.evaluation.statistics import patient_bootstrap
from hilum.evaluation.subgroups import COLUMNS, POWER, flat_subgroups, measure_subgroups, name_groups, tell_subgroups
from hilum.evaluation.tables import FEW_PATIENTS

PERMUTATIONS = 2000


def at(table: pd.DataFrame, column: str, group: str, measure: str) -> pd.Series:
    return table.set_index(["column", "group", "measure"]).loc[(column, group, measure)]


def test_of_2000_permutations_of_groups_within_classes_at_most_5_percent_name_any() -> None:
    """Seeded, so the count is exact. Some are named, or nothing ever would be."""
    predictions, groups = draw_scores(TASKS["two classes, few patients"], 0)
    groups = groups[["sex", "age group", "burned-in text"]]
    rng, named = np.random.default_rng(1), 0
    for seed in range(PERMUTATIONS):
        table = measure_subgroups(predictions, permute_groups(predictions, groups, rng), 200, 0.95, seed)
        named += "worse" in set(table["judgement"])
    assert 0 < named <= PERMUTATIONS // 20, named


def test_a_permutation_keeps_the_classes_of_patients_and_the_sizes_of_groups() -> None:
    predictions, groups = draw_scores(TASKS["two classes"], 0)
    moved = permute_groups(predictions, groups, np.random.default_rng(1))
    by_patient = pd.DataFrame({"patient": predictions.patient_id, "label": predictions.y_true}).drop_duplicates("patient").index
    for column in ("sex", "age group", "source"):
        counts = [pd.crosstab(predictions.y_true[by_patient], one.loc[by_patient, column].to_numpy()) for one in (groups, moved)]
        pd.testing.assert_frame_equal(*counts)
        assert (moved[column] != groups[column]).any()


def test_a_planted_gap_is_found_on_most_of_40_seeds_and_a_greater_one_on_nearly_all() -> None:
    found = {gap: count_found(TASKS["two classes"], gap, 200) for gap in (0.0, 1.2, 1.6)}
    low = {gap: binomtest(count, SEEDS).proportion_ci(0.95, method="wilson").low for gap, count in found.items()}
    assert low[1.2] > 0.5 and low[1.6] > 0.8, found
    assert found[0.0] <= 2, found


def test_every_group_of_every_column_has_a_row_for_each_measure() -> None:
    predictions, groups = draw_scores(TASKS["three classes"], 0)
    table = measure_subgroups(predictions, groups, 100, 0.95, 0)
    expected = [(c, g, m) for c in groups for g in sorted(set(groups[c])) for m in MEASURES]
    assert list(table[["column", "group", "measure"]].itertuples(index=False, name=None)) == expected
    assert tuple(table) == COLUMNS
    told = at(table, *PLANTED, "auroc")
    inside = (groups[PLANTED[0]] == PLANTED[1]).to_numpy()
    assert (told["films"], told["patients"]) == (inside.sum(), len(set(predictions.patient_id[inside])))
    for measure, (least, most) in RANGE.items():
        rows = table[(table["measure"] == measure) & (table["judgement"] != "too small")]
        assert (
            (rows["low"] >= least) & (rows["low"] <= rows["value"]) & (rows["value"] <= rows["high"]) & (rows["high"] <= most)
        ).all()


def test_the_gap_is_the_group_minus_all_other_films_and_two_groups_mirror_each_other() -> None:
    predictions, groups = draw_scores(TASKS["two classes"], 0)
    table = measure_subgroups(predictions, groups[["source"]], 400, 0.95, 0)
    first, second = sorted(set(groups["source"]))
    for measure in MEASURES:
        one, other = at(table, "source", first, measure), at(table, "source", second, measure)
        assert one["gap"] == pytest.approx(one["value"] - one["rest"]) == pytest.approx(-other["gap"])
        assert (one["value"], one["gap_low"]) == (pytest.approx(other["rest"]), pytest.approx(-other["gap_high"]))


def test_a_value_has_the_interval_of_the_bootstrap_of_whole_metrics() -> None:
    predictions, groups = draw_scores(TASKS["two classes"], 0)
    table = measure_subgroups(predictions, groups, 4000, 0.95, 0)
    inside = (groups["sex"] == "F").to_numpy()
    rows = {key: getattr(predictions, key)[inside] for key in ("image_id", "patient_id", "y_true", "y_prob", "y_pred")}
    whole = patient_bootstrap(replace(predictions, **rows), 4000, 0.95, 0)
    for measure in list(MEASURES)[:3]:
        one, other = at(table, "sex", "F", measure), whole[f"{measure}/viral"]
        assert one["value"] == pytest.approx(other.value)
        assert (one["low"], one["high"]) == (pytest.approx(other.low, abs=0.015), pytest.approx(other.high, abs=0.015))


def test_intervals_of_gaps_grow_with_the_number_of_looks_and_hold_the_detectable_gap() -> None:
    predictions, groups = draw_scores(TASKS["two classes"], 0)
    alone = measure_subgroups(predictions, groups[["sex"]], 1000, 0.95, 0)
    among = measure_subgroups(predictions, groups, 1000, 0.95, 0)
    one, many = at(alone, "sex", "F", "auroc"), at(among, "sex", "F", "auroc")
    assert (one["gap"], one["value"]) == (many["gap"], many["value"])
    wide = [(row["gap_high"] - row["gap_low"]) / 2 for row in (one, many)]
    assert 1.05 < wide[1] / wide[0] < 2
    assert POWER == 0.8 and one["detectable"] > wide[0] > one["detectable"] / 1.6


def test_a_group_or_rest_with_too_few_patients_of_a_class_has_no_figure_and_says_why() -> None:
    predictions, groups = draw_scores(TASKS["two classes"], 0)
    patients = np.unique(predictions.patient_id[predictions.y_true == 1])[: FEW_PATIENTS - 1]
    inside = np.isin(predictions.patient_id, patients) | (predictions.y_true == 0)
    groups = pd.DataFrame({"view": np.where(inside, "PA", "AP"), "site": "one"})
    table = measure_subgroups(predictions, groups, 100, 0.95, 0)
    told = {m: at(table, "view", "PA", m) for m in MEASURES}
    assert {m: row["judgement"] for m, row in told.items()} == dict.fromkeys(MEASURES, "too small")
    assert told["auroc"]["note"] == told["sensitivity"]["note"] == "patients: 9 of viral; a figure takes 10"
    assert told["specificity"]["note"] == "in the rest patients: 0 of normal; a figure takes 10"
    assert np.isnan(told["auroc"][["value", "gap", "detectable"]].astype(float)).all()
    assert set(table[table["column"] == "site"]["note"]) == {"all films are in this group"}
    assert flat_subgroups(table) == {"subgroups/served_worse": 0.0, "subgroups/measured": 0.0}


def test_a_small_group_without_an_error_is_not_told_apart_by_its_missing_spread() -> None:
    """All 12 films of a group right, of which a tenth is wrong elsewhere: no interval of no width, and nobody is worse."""
    rng = np.random.default_rng(0)
    films = 400
    names = np.array([f"f{i:03d}" for i in range(films)])
    truth = np.arange(films) % 2
    called = np.where(rng.random(films) < 0.1, 1 - truth, truth)
    called[:24] = truth[:24]
    probabilities = np.stack([1 - (0.2 + 0.6 * called), 0.2 + 0.6 * called], axis=1)
    predictions, groups = draw_scores(TASKS["two classes"], 0)
    predictions = replace(predictions, image_id=names, patient_id=names, y_true=truth, y_prob=probabilities, y_pred=called)
    groups = pd.DataFrame({"size": np.where(np.arange(films) < 24, "small", "large")})
    row = at(measure_subgroups(predictions, groups, 500, 0.95, 0), "size", "small", "sensitivity")
    assert row["value"] == 1.0 and row["judgement"] == "not shown" and row["gap_low"] < 0 < row["gap_high"]


def test_the_order_of_films_changes_nothing() -> None:
    predictions, groups = draw_scores(TASKS["two classes"], 0)
    order = np.random.default_rng(0).permutation(len(groups))
    rows = {key: getattr(predictions, key)[order] for key in ("image_id", "patient_id", "y_true", "y_prob", "y_pred")}
    first = measure_subgroups(predictions, groups, 100, 0.95, 0)
    second = measure_subgroups(replace(predictions, **rows), groups.iloc[order].reset_index(drop=True), 100, 0.95, 0)
    pd.testing.assert_frame_equal(first, second)


def test_overconfidence_is_worse_where_it_is_further_from_0() -> None:
    """Probabilities of one group are pulled to the middle: its predictions are right more often than they say."""
    predictions, groups = draw_scores(TASKS["two classes"], 0)
    inside = (groups["sex"] == "F").to_numpy()[:, None]
    timid = replace(predictions, y_prob=np.where(inside, 0.5 + 0.02 * (predictions.y_prob - 0.5), predictions.y_prob))
    table = measure_subgroups(timid, groups[["sex"]], 500, 0.95, 0)
    row = at(table, "sex", "F", "overconfidence")
    assert row["value"] < row["rest"] and row["judgement"] == "worse" and row["gap_high"] < 0
    assert flat_subgroups(table)["subgroups/served_worse"] == 1.0
    (told,) = tell_subgroups(table)
    value, rest = (f"−{abs(row[side]):.3f}" if row[side] < 0 else f"+{row[side]:.3f}" for side in ("value", "rest"))
    assert value.startswith("−") and told.startswith(
        f"sex F is served worse: overconfidence {value}, in the other films {rest}, a gap of −{-row['gap']:.3f} [−"
    )
    assert "-" not in told
    nothing = table.assign(gap=-0.0001, gap_low=-0.2, gap_high=-0.0002, value=-0.0003)
    assert all("-" not in one and "overconfidence +0.000" in one and ", +0.000]" in one for one in tell_subgroups(nothing))


def test_groups_are_those_of_the_manifest_with_what_is_not_told_and_the_site_where_there_is_one() -> None:
    manifest = pd.DataFrame(
        {"image_id": ["a", "b"], "source": "s", "view": ["PA", ""], "sex": ["", "F"], "age": ["7", ""], "width": 10, "height": 20}
    )
    found = name_groups(manifest, pd.DataFrame({"image_id": ["a", "b"], "burned_in": [0, 2]}), [1, 18])
    assert list(found) == ["source", "view", "sex", "size", "age group", "burned-in text"]
    assert found.iloc[0].tolist() == ["s", "PA", "not told", "10 x 20", "1 to under 18", "none"]
    assert found.iloc[1].tolist() == ["s", "not told", "F", "10 x 20", "not told", "some"]
    assert name_groups(manifest.assign(site=["x", ""]), None, [1])["site"].tolist() == ["x", "not told"]
