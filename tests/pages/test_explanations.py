import dataclasses

import numpy as np
import pandas as pd
import pytest

from hilum.pages.explanations import MeasureNote, against_chance, agree, group_explanations

COLUMNS = ["arm", "method", "measure", "value", "low", "high", "films", "chance_random", "chance_centre"]
HIT = MeasureNote("hit_rate_lesion", "hit rate", "Right place?", "lesion mask", "higher", True, "positive part", "0 to 1", "", "")
DELETION = MeasureNote("deletion_blur", "deletion AUC", "Faithful?", "", "lower", True, "signed values", "0 to 1", "", "")
GINI = dataclasses.replace(DELETION, name="gini", title="Gini", question="Readable?", direction="higher", judged=False)


def row(value, low, high, films=9, chance=(0.4, 0.5), measure="deletion_blur", method="LIME", arm="baseline"):
    return dict(zip(COLUMNS, (arm, method, measure, value, low, high, films, *chance), strict=True))


@pytest.mark.parametrize(
    ("direction", "low", "high", "chance", "said"),
    [
        ("lower", 0.1, 0.3, (0.4, 0.5), "better"),
        ("lower", 0.1, 0.45, (0.4, 0.5), "partly"),
        ("lower", 0.6, 0.8, (0.4, 0.5), "no"),
        ("higher", 0.6, 0.8, (0.4, 0.5), "better"),
        ("higher", 0.45, 0.8, (0.4, 0.5), "partly"),
        ("higher", 0.1, 0.3, (0.4, 0.5), "no"),
        ("higher", 0.5, 0.8, (0.4, 0.5), "partly"),  # equal is not better
        ("higher", 0.6, 0.8, (np.nan, np.nan), ""),
        ("higher", np.nan, np.nan, (0.4, 0.5), ""),
    ],
)
def test_against_chance(direction, low, high, chance, said):
    assert against_chance(row((low + high) / 2, low, high, chance=chance), direction) == said


def test_nothing_is_said_of_few_films_and_a_value_without_spread_is_its_own_interval():
    assert against_chance(row(1.0, 0.9, 1.0, films=4), "higher") == ""
    assert against_chance(row(1.0, np.nan, np.nan, films=9), "higher") == "better"


def test_one_table_per_question_and_annotation_with_chance_below_the_methods_of_each_arm():
    table = pd.DataFrame(
        [row(0.2, 0.1, 0.3, arm=arm, method=method) for arm in ("baseline", "finetuned") for method in ("LIME", "SHAP")]
        + [
            row(0.9, 0.8, 1.0, measure="hit_rate_lesion", films=films, method=method)
            for method, films in (("LIME", 7), ("SHAP", 2))
        ]
        + [row(0.9, 0.8, 1.0, measure="gini")]
    )
    groups = group_explanations(table, [DELETION, HIT, GINI])
    assert [(group.question, group.annotation) for group in groups] == [
        ("Faithful?", ""),
        ("Right place?", "lesion mask"),
        ("Readable?", ""),
    ]
    assert [(arm, method, chance) for arm, method, _, chance in groups[0].rows] == [
        (arm, *rest)
        for arm in ("baseline", "finetuned")
        for rest in (("LIME", False), ("SHAP", False), ("random map", True), ("centre map", True))
    ]
    assert [cells[0].value for _, _, cells, _ in groups[0].rows][:4] == ["0.200", "0.200", "0.400", "0.500"]
    assert groups[0].rows[0][2][0].interval == "0.100 to 0.300"
    assert groups[0].rows[0][2][0].judgement == "better"
    assert groups[1].columns == [("hit rate", "higher", "2 to 7 films", True)]
    assert [cells[0].judgement for _, _, cells, _ in groups[1].rows][:2] == ["better", ""]
    assert groups[2].rows[0][2][0].judgement == ""  # no contest


def test_measures_that_are_not_selected_have_no_table():
    assert group_explanations(pd.DataFrame(columns=COLUMNS), [DELETION]) == []
    assert group_explanations(pd.DataFrame(), [DELETION]) == []
    assert group_explanations(pd.DataFrame([row(0.2, 0.1, 0.3)]), [HIT]) == []


def test_agreement_in_words():
    pairs = [("lime", "shap", 0.41, 0.255), ("lime", "centre", -0.001, 0.1), ("shap", "centre", np.nan, np.nan)]
    table = pd.DataFrame(
        [
            (one, other, name, value)
            for one, other, *values in pairs
            for name, value in zip(("spearman", "overlap"), values, strict=True)
        ],
        columns=["first", "second", "measure", "value"],
    )
    disagreeing = pd.DataFrame([("film/1", 0.204)], columns=["image_id", "best"])
    found = agree("baseline", table, disagreeing, 9, 0.2966, {"lime": "LIME", "shap": "SHAP"})
    assert found.names == ["LIME", "SHAP", "centre map"]
    assert found.cells["LIME"] == {"LIME": "", "SHAP": "0.41 · 26 %", "centre map": "0.00 · 10 %"}
    assert found.cells["SHAP"]["centre map"] == "undefined · undefined"
    assert (found.disagreeing, found.chance) == ([("film/1", "0.20")], "0.30")
