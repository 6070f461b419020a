from typing import Any

import pandas as pd
import pytest

from hilum.data.manifest.labels import LabelMapping, count_findings, map_labels

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


def test_an_accent_of_one_character_and_of_two_is_the_same_finding() -> None:
    mapping = give_labels(findings("e\u0301panchement", "x"), {"fluid": ["\u00c9panchement"], "none": ["x"]}, "stop")
    assert mapping.label.tolist() == ["fluid", "none"]


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


def test_the_first_class_applies_and_the_second_is_reported() -> None:
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


def test_a_film_of_several_findings_takes_the_first_class_that_names_one() -> None:
    rules = {"pneumonia": ["Pneumonia"], "effusion": ["Effusion"], "excluded": ["Mass"]}
    mapping = give_labels(findings("Effusion|Pneumonia", "Effusion", "Mass|Effusion", "Mass"), rules, "stop")
    assert mapping.label.tolist() == ["pneumonia", "effusion", "effusion", "excluded"]
    assert mapping.problems.set_index("image_id")["problem"].to_dict() == {
        "film0": "rules of two classes",
        "film3": "excluded finding",
    }
    assert mapping.notes == ("films that rules of two classes name: 1, such as film0",)


def test_excluded_is_tried_in_its_place() -> None:
    first = {"excluded": ["Mass"], "effusion": ["Effusion"], "normal": ["No Finding"]}
    mapping = give_labels(findings("Mass|Effusion", "Effusion", "No Finding"), first, "stop")
    assert mapping.label.tolist() == ["excluded", "effusion", "normal"]


def test_every_finding_of_a_film_must_be_named() -> None:  # defect 1: COVID-19 beside pneumonia is no "other pneumonia"
    films = findings("Pneumonia|COVID-19", "Pneumonia", "normal")
    rules = {"other": ["Pneumonia"], "normal": ["normal"]}
    with pytest.raises(ValueError, match=r"got 1 that no rule names: 'COVID-19' \(1 films, such as film0\)"):
        give_labels(films, rules, "stop")
    mapping = give_labels(films, rules, "exclude")
    assert mapping.label.tolist() == ["", "other", "normal"]
    assert mapping.problems["detail"][0] == "no rule of prepare.labels names the finding 'COVID-19' beside 'Pneumonia|COVID-19'"


def test_a_rule_of_several_findings_wants_all_of_them() -> None:
    rules = {"both": ["Mass|Effusion"], "one": ["Mass", "Effusion"]}
    mapping = give_labels(findings("Effusion|Mass", "Mass", "Effusion"), rules, "stop")
    assert mapping.label.tolist() == ["both", "one", "one"]
    with pytest.raises(ValueError, match=r"'Effusion' \(1 films"):
        give_labels(findings("Effusion|Mass", "Effusion", "normal"), {"both": ["Mass|Effusion"], "n": ["normal"]}, "stop")


def test_an_uncertain_finding_is_covered_by_a_rule_that_says_so_and_by_no_other() -> None:
    films = findings("Effusion/uncertain", "Effusion", "normal")
    with pytest.raises(ValueError, match="'Effusion/uncertain'"):
        give_labels(films, {"ill": ["Effusion"], "normal": ["normal"]}, "stop")
    rules = {"ill": ["Effusion"], "normal": ["normal"], "excluded": ["effusion/uncertain"]}
    assert give_labels(films, rules, "stop").label.tolist() == ["excluded", "ill", "normal"]
    rules = {"ill": ["Effusion", "Effusion/uncertain"], "normal": ["normal"]}
    assert give_labels(films, rules, "stop").label.tolist() == ["ill", "ill", "normal"]


def test_an_empty_finding_may_be_excluded_and_nothing_else() -> None:
    films = findings("", "ill", "normal")
    rules = {"ill": ["ill"], "normal": ["normal"]}
    with pytest.raises(ValueError, match=r"no rule names: '' \(1 films"):
        give_labels(films, rules, "stop")
    assert give_labels(films, {**rules, "excluded": [""]}, "stop").label.tolist() == ["excluded", "ill", "normal"]
    with pytest.raises(ValueError, match="a name and at least one finding"):
        give_labels(films, {**rules, "normal": [""]}, "stop")


def test_a_rule_that_covers_no_film_stops_or_is_reported() -> None:
    rules = {"ill": ["pnuemonia", "pneumonia"], "normal": ["normal"], "excluded": ["todo"]}
    films = findings("pneumonia", "normal")
    with pytest.raises(ValueError, match=r"cover none: prepare\.labels\.ill: 'pnuemonia'; prepare\.labels\.excluded: 'todo'"):
        give_labels(films, rules, "stop", "stop")
    mapping = give_labels(films, rules, "stop", "tell")
    assert mapping.label.tolist() == ["ill", "normal"]
    assert mapping.notes == ("rules that cover no film: prepare.labels.ill: 'pnuemonia'; prepare.labels.excluded: 'todo'",)


def test_all_faults_of_the_rules_are_reported_at_once() -> None:
    with pytest.raises(ValueError) as refused:
        give_labels(findings("a", "b"), {"one": ["a"], "two": ["c"]}, "stop", "stop")
    told = str(refused.value)
    assert all(part in told for part in ("no rule names: 'b'", "cover none: prepare.labels.two: 'c'", "got none for two"))


def test_each_source_may_have_rules_of_its_own() -> None:
    films = pd.concat(
        [findings("ill", "fine", source="a"), findings("ill", "1", source="b"), findings("ill", "fine", source="c")]
    )
    own = {"b": {"sick": ["1"], "excluded": ["ill"]}, "c": {"well": ["ill"], "sick": ["fine"]}}
    mapping = give_labels(films, {"well": ["fine"], "sick": ["ill"]}, "stop", "stop", by_source=own)
    assert mapping.label.to_dict() == {
        "a/film0": "sick",
        "a/film1": "well",
        "b/film0": "excluded",
        "b/film1": "sick",
        "c/film0": "well",
        "c/film1": "sick",
    }
    assert mapping.label.index.equals(films.index)


def test_a_fault_names_the_source_whose_rules_it_is() -> None:
    films = pd.concat([findings("ill", "fine", source="a"), findings("todo", "2", source="b")])
    with pytest.raises(ValueError) as refused:
        give_labels(films, {"well": ["fine"], "sick": ["ill"]}, "stop", "stop", by_source={"b": {"sick": ["2", "3"]}})
    told = str(refused.value)
    assert "'todo' (1 films, such as b/film0); name them under a class of `prepare.labels_by_source.b`" in told
    assert "cover none: prepare.labels_by_source.b.sick: '3'" in told
    with pytest.raises(ValueError, match="rules of the source b must be for the classes well, sick or excluded, got sik"):
        give_labels(films, {"well": ["fine"], "sick": ["ill"]}, "stop", by_source={"b": {"sik": ["2"]}})


def test_the_same_films_make_a_binary_and_a_three_way_task_by_rules_alone() -> None:
    films = findings("normal", "pneumonia/bacterial", "pneumonia/viral", "pneumonia/viral/COVID-19")
    three = {"normal": ["normal"], "bacterial": ["pneumonia/bacterial"], "viral": ["pneumonia/viral"]}
    assert give_labels(films, three, "stop").label.tolist() == ["normal", "bacterial", "viral", "viral"]
    two = {"normal": ["normal"], "pneumonia": ["pneumonia"]}
    assert give_labels(films, two, "stop").label.tolist() == ["normal", "pneumonia", "pneumonia", "pneumonia"]


def test_rules_that_no_source_uses_are_reported_as_well() -> None:
    films = findings("a", "b", source="x")
    with pytest.raises(ValueError, match=r"cover none: prepare\.labels\.one: 'c'"):
        give_labels(films, {"one": ["c"], "two": []}, "stop", "stop", by_source={"x": {"one": ["a"], "two": ["b"]}})


def test_what_there_is_is_listed_in_part_and_what_no_rule_names_in_full() -> None:
    films = findings("a", "b", *(f"f{number}" for number in range(40)))
    with pytest.raises(ValueError) as refused:
        give_labels(films, {"one": ["a"], "two": ["z"]}, "stop", "stop")
    told = str(refused.value)
    assert "'f39'" in told.split("name them under")[0]
    assert "and 22 more" in told


def test_findings_are_counted_by_class_and_source() -> None:
    films = findings("a", "a", "b", "c").assign(label=["x", "x", "", "excluded"])
    assert count_findings(films).to_dict("records") == [
        {"finding": "a", "label": "x", "source": "s", "films": 2},
        {"finding": "b", "label": "", "source": "s", "films": 1},
        {"finding": "c", "label": "excluded", "source": "s", "films": 1},
    ]
