from typing import Any

import pandas as pd
import pytest

from hilum.data.labels import LabelMapping, map_labels

COVID = {"covid": ["COVID-19", "Pneumonia/Viral/COVID-19"], "other": ["Pneumonia"]}


def findings(*values: str, source: str = "s") -> pd.DataFrame:
    index = [f"{source}/film{number}" if source != "s" else f"film{number}" for number in range(len(values))]
    return pd.DataFrame({"finding": values, "source": source}, index=index)


def give_labels(films: pd.DataFrame, labels: Any, unmatched: str, unused_rules: str = "tell", **more: Any) -> LabelMapping:
    return map_labels(films, labels, unmatched, unused_rules, **more)


@pytest.mark.parametrize(
    ("finding", "covered"),
    [
        ("pneumonia", True),
        ("pneumonia/viral", True),
        ("Pneumonia/Viral/COVID-19", True),
        ("PNEUMONIA / bacterial", True),
        ("pneumonia-like", False),
        ("other/pneumonia", False),
        ("pneumo", False),
        ("", False),
    ],
)
def test_a_rule_covers_whole_segments_in_any_case(finding: str, covered: bool) -> None:
    mapping = give_labels(findings("pneumonia", finding), {"ill": ["Pneumonia"]}, "exclude")
    assert (mapping.label["film1"] == "ill") is covered


def test_a_deeper_rule_does_not_cover_its_parent() -> None:
    mapping = give_labels(findings("pneumonia/viral", "pneumonia"), {"viral": ["pneumonia/viral"]}, "exclude")
    assert mapping.label.tolist() == ["viral", ""]


def test_both_spellings_of_covid_are_covid_and_neither_is_a_negative() -> None:
    mapping = give_labels(findings("COVID-19", "Pneumonia/Viral/COVID-19", "Pneumonia/Viral/SARS", "todo"), COVID, "exclude")
    assert mapping.label.tolist() == ["covid", "covid", "other", ""]


def test_an_unmatched_finding_never_becomes_a_class() -> None:
    mapping = give_labels(findings("COVID-19", "Pneumonia", "todo", "No Finding", "todo"), COVID, "exclude")
    assert set(mapping.label) == {"covid", "other", ""}
    listed = mapping.problems[mapping.problems["problem"] == "unmatched finding"]
    assert listed["image_id"].tolist() == ["film2", "film3", "film4"]
    assert "'No Finding'" in listed["detail"].iloc[1]


def test_stop_names_each_unmatched_finding_with_count_and_example() -> None:
    with pytest.raises(ValueError, match=r"'todo' \(2 films, such as film2\), 'No Finding' \(1 films, such as film4\)"):
        give_labels(findings("COVID-19", "Pneumonia", "todo", "todo", "No Finding"), COVID, "stop")


def test_the_first_class_stands_and_the_second_is_reported() -> None:
    mapping = give_labels(findings("Pneumonia/Viral/COVID-19", "Pneumonia/Viral", "COVID-19"), COVID, "stop")
    assert mapping.label.tolist() == ["covid", "other", "covid"]
    assert mapping.problems["image_id"].tolist() == ["film0"]
    assert mapping.problems["problem"].tolist() == ["rules of two classes"]
    assert "covid, other" in mapping.problems["detail"][0]
    turned = give_labels(findings("Pneumonia/Viral/COVID-19", "COVID-19"), dict(reversed(COVID.items())), "stop")
    assert turned.label.tolist() == ["other", "covid"]


def test_a_class_without_a_film_is_refused() -> None:
    with pytest.raises(ValueError, match="got none for covid; the findings are: 'pneumonia'"):
        give_labels(findings("pneumonia"), COVID, "stop")


@pytest.mark.parametrize("labels", [{}, {"normal": []}, {"normal": [""]}, {"": ["normal"]}])
def test_rules_that_say_nothing_are_refused(labels: dict[str, list[str]]) -> None:
    with pytest.raises(ValueError, match="a name and at least one finding"):
        give_labels(findings("normal"), labels, "stop")


def test_unmatched_is_stop_or_exclude() -> None:
    with pytest.raises(ValueError, match="stop, exclude, got 'negative'"):
        give_labels(findings("COVID-19", "Pneumonia"), COVID, "negative")
