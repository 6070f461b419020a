"""Confounding: tables and Cramer's V by hand, and an interval with its nominal coverage."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency

from hilum.data.confounding import (
    COLUMNS,
    FACTORS,
    NOT_TOLD,
    cramers_v,
    group_ages,
    group_aspects,
    group_sizes,
    judge,
    measure_confounding,
    name_factors,
    tell_confounding,
)
from hilum.records import MANIFEST

AGES = [1, 5, 18, 40]


def films(**columns: object) -> pd.DataFrame:
    table = pd.DataFrame(columns)
    given = {"image_id": [f"f{i}" for i in range(len(table))], "patient_id": [f"p{i}" for i in range(len(table))]}
    table = table.assign(**{name: values for name, values in given.items() if name not in table})
    return table.reindex(columns=list(MANIFEST), fill_value="").assign(
        width=table.get("width", pd.Series(200, table.index)), height=table.get("height", pd.Series(100, table.index))
    )


def bergsma(counts: np.ndarray) -> float:
    """The published formula, with the chi-squared of scipy."""
    n, (r, c) = counts.sum(), counts.shape
    phi = chi2_contingency(counts, correction=False).statistic / n
    r_, c_ = r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)
    return float(np.sqrt(max(0, phi - (r - 1) * (c - 1) / (n - 1)) / min(r_ - 1, c_ - 1)))


@pytest.mark.parametrize(
    "counts", [[[13, 13], [5, 40]], [[10, 20, 30], [6, 9, 60]], [[9, 1, 2], [3, 8, 1], [2, 2, 7], [1, 1, 1]]]
)
def test_the_corrected_v_is_that_of_its_source(counts: list[list[int]]) -> None:
    table = np.array(counts, float)
    assert cramers_v(table, int(table.sum())) == pytest.approx(bergsma(table), abs=1e-12)
    assert cramers_v(table, int(table.sum())) < np.sqrt(chi2_contingency(table, correction=False).statistic / table.sum())


def test_the_ends_of_the_scale() -> None:
    assert cramers_v(np.diag([50.0, 30.0, 20.0]), 100) == 1
    assert cramers_v(np.outer([2.0, 3.0], [40.0, 60.0]), 500) == 0
    assert np.isnan(cramers_v(np.array([[5.0, 6.0]]), 11)), "one value tells nothing"
    rare = np.array([[5.0, 6.0], [0.0, 0.0], [3.0, 9.0]])
    assert cramers_v(rare, 23) == cramers_v(rare[[0, 2]], 23), "an empty row is no value"


def test_ages_are_grouped_and_what_is_missing_stays_visible() -> None:
    ages = pd.Series(["0.5", "1", "4.9", "18", "39", "90", "", "old"])
    wanted = [
        "under 1",
        "1 to under 5",
        "1 to under 5",
        "18 to under 40",
        "18 to under 40",
        "40 and over",
        NOT_TOLD,
        "unreadable",
    ]
    assert list(group_ages(ages, AGES)) == wanted


def test_a_common_size_is_a_value_and_a_rare_one_an_octave() -> None:
    table = films(width=[1024] * 19 + [500, 800], height=[1024] * 19 + [1200, 1000])
    assert dict(group_sizes(table.head(20)).value_counts()) == {"1024 x 1024": 19, "500 x 1200": 1}, "one in 20 is common"
    assert list(group_sizes(table).tail(2)) == ["other, 0.5 to 1 megapixels"] * 2
    assert list(group_aspects(films(width=[100, 200, 149], height=[100, 150, 100]))) == ["1.0", "1.3", "1.5"]


def test_every_factor_has_a_word_for_every_film() -> None:
    table = films(label=["a", "b", "a"], view=["AP", "", "PA"], sex=["F", "M", ""], age=["3", "", "50"], source=["s", "s", "t"])
    burned_in = pd.DataFrame({"image_id": ["f0", "f1"], "burned_in": [2, 0]})
    factors = name_factors(table, burned_in, AGES)
    assert set(factors) == {*FACTORS, "age group", "burned-in text"}
    assert (factors != "").all(axis=None) and not factors.isna().any(axis=None)
    assert list(factors["view"]) == ["AP", NOT_TOLD, "PA"]
    assert list(factors["burned-in text"]) == ["some", "none", NOT_TOLD], "an unsearched film is not one without text"
    assert "burned-in text" not in name_factors(table, None, AGES)


def test_the_table_counts_films_patients_and_what_is_missing() -> None:
    table = films(label=["a", "a", "b", "b"], view=["AP", "AP", "PA", ""], patient_id=["p", "p", "q", "r"])
    found = measure_confounding(table, name_factors(table, None, AGES), 50, 0.95, 1)
    row = found.table.set_index("factor").loc["view"]
    assert list(found.table.columns) == list(COLUMNS)
    assert (row["values"], row["films"], row["patients"], row["not_told"], row["one_class"]) == (3, 4, 3, 1, 4)
    cells = found.cells[found.cells["factor"] == "view"].set_index(["value", "label"])
    assert cells["films"].to_dict() == {("AP", "a"): 2, ("PA", "b"): 1, (NOT_TOLD, "b"): 1}
    assert cells.loc[("AP", "a"), "patients"] == 1
    assert found.table.set_index("factor").loc["source", "judgement"] == "undefined"


def test_sources_that_are_the_classes_are_strong_and_said() -> None:
    table = films(label=["a", "b"] * 60, source=["s", "t"] * 60, view=(["AP"] * 2 + ["PA"] * 2) * 30)
    found = measure_confounding(table, name_factors(table, None, AGES), 200, 0.95, 1)
    rows = found.table.set_index("factor")
    assert (rows.loc["source", "cramers_v"], rows.loc["source", "judgement"]) == (1, "strong")
    assert (rows.loc["view", "cramers_v"], rows.loc["view", "low"]) == (0, 0)
    told = tell_confounding(found)
    assert len(told) == 2 and "The class and the source go together" in told[0] and "Burned-in text was not searched" in told[1]


def test_the_order_of_the_rows_changes_nothing_and_the_seed_does() -> None:
    rng = np.random.default_rng(0)
    table = films(label=rng.choice(["a", "b"], 80), view=rng.choice(["AP", "PA"], 80), patient_id=rng.choice(30, 80).astype(str))
    shuffled = table.sample(frac=1, random_state=2)
    tables = [
        measure_confounding(t, name_factors(t, None, AGES), 70, 0.9, s).table for t, s in ((table, 1), (shuffled, 1), (table, 2))
    ]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    assert not tables[0].equals(tables[2])


@pytest.mark.parametrize("strength", [0.0, 0.4])
def test_the_interval_holds_the_truth_where_patients_have_several_films(strength: float) -> None:
    """Two values, two classes: V is |p - q|. Films of one patient are alike, so an interval over films would be too narrow."""
    rng, held, values = np.random.default_rng(4), 0, []
    for _ in range(120):
        label = rng.integers(0, 2, 150)
        view = np.where(rng.random(150) < strength, label, rng.integers(0, 2, 150))
        patient = np.repeat(np.arange(150), rng.geometric(1 / 3, 150))
        table = films(label=label[patient].astype(str), view=view[patient].astype(str), patient_id=patient.astype(str))
        row = measure_confounding(table, name_factors(table, None, AGES)[["view"]], 200, 0.95, 1).table.iloc[0]
        held += row["low"] <= strength <= row["high"]
        values.append(row["cramers_v"])
    assert held >= 0.88 * 120
    assert abs(np.mean(values) - strength) < 0.09


def test_the_words_follow_the_interval() -> None:
    said = [(0.5, 0.35, 0.6), (0.3, 0.15, 0.5), (0.1, 0.02, 0.2), (0.02, 0.0, 0.08), (0.1, 0.0, 0.3), (np.nan, np.nan, np.nan)]
    assert [judge(*bounds) for bounds in said] == ["strong", "present", "weak", "none seen", "unclear", "undefined"]


def test_real_films_of_three_sets_differ_in_view_and_size(shared) -> None:
    """The films of `covid-chestxray`, `nih-boxes` and the pediatric set as one table, as a hasty person would join them."""
    covid = pd.read_csv(shared / "data/covid-chestxray/metadata.csv", dtype=str, keep_default_na=False)
    covid = covid[covid["finding"] == "COVID-19"]
    nih = sorted(path.name for path in (shared / "data/nih-boxes/images").iterdir())
    columns = {
        "source": ["covid"] * len(covid) + ["nih"] * len(nih),
        "label": ["covid"] * len(covid) + ["other"] * len(nih),
        "view": [*covid["view"], *[""] * len(nih)],
        "patient_id": [*("c" + covid["patientid"]), *("n" + name[:8] for name in nih)],
    }
    table = films(**columns)
    found = measure_confounding(table, name_factors(table, None, AGES), 200, 0.95, 1).table.set_index("factor")
    assert found.loc["source", "cramers_v"] == 1 and found.loc["source", "judgement"] == "strong"
    assert found.loc["view", "not_told"] == len(nih) and found.loc["view", "judgement"] == "strong"
