import json

import pytest

from hilum.data.readers.values import (
    make_box,
    read_age,
    read_boxes,
    read_number,
    read_sex,
    read_view,
    split_findings,
    write_boxes,
)


@pytest.mark.parametrize(
    ("written", "view", "reason"),
    [
        ("PA", "PA", ""),
        ("pa", "PA", ""),
        ("AP Supine", "AP Supine", ""),
        ("APS", "AP Supine", ""),
        ("AP  erect", "AP Erect", ""),
        ("AP semi erect", "AP Semi Erect", ""),
        ("", "", ""),
        ("Unknown", "", ""),
        ("L", "", "lateral view"),
        ("Left Lateral", "", "lateral view"),
        ("CT", "", "no X-ray film"),
        ("Axial", "", "no X-ray film"),
        ("oblique", "", "view that no rule names"),
    ],
)
def test_views_by_rule(written: str, view: str, reason: str) -> None:  # defect 4: a missing view is a value, no fault
    assert read_view(written) == (view, reason)


@pytest.mark.parametrize(
    ("written", "years"),
    [
        ("58", "58"),
        ("58.0", "58"),
        ("058Y", "58"),
        ("006M", "0.5"),
        ("0", "0"),
        ("411", ""),
        ("50+", ""),
        ("early 40s", ""),
        ("", ""),
    ],
)
def test_ages_are_years_or_nothing(written: str, years: str) -> None:
    assert read_age(written) == years


def test_sex_and_numbers() -> None:
    assert [read_sex(word) for word in ("M", "female", " f ", "O", "")] == ["M", "F", "F", "", ""]
    assert [read_number(word) for word in ("21.0", "-23", "x", "", "nan")] == ["21", "-23", "", "", ""]


def test_findings_of_a_cell_are_joined_in_one_form() -> None:
    assert split_findings("COVID-19, ARDS", ",|") == "COVID-19|ARDS"
    assert split_findings("Effusion|Mass|Effusion", "|") == "Effusion|Mass"
    assert split_findings("a, b", "") == "a, b"
    assert split_findings("", ",") == ""


def test_boxes_survive_the_manifest() -> None:
    assert read_boxes("[[1, 2, 3.5, 4]]") == [[1, 2, 3.5, 4]]
    assert read_boxes("[1, 2, 3, 4]") == [[1, 2, 3, 4]]
    assert read_boxes("") == []
    boxes, findings = write_boxes([[1.0, 2.0, 3.0, 4.0]], ["Mass"])
    assert json.loads(boxes) == [[1, 2, 3, 4]]
    assert json.loads(findings) == ["Mass"]
    assert write_boxes([], []) == ("", "")
    assert write_boxes([[1.0, 2.0, 3.0, 4.0]], [""])[1] == ""


@pytest.mark.parametrize("values", [[1, 2, 3], [1, 2, 0, 4], [-1, 2, 3, 4], ["x", 2, 3, 4], [1, 2, float("inf"), 4]])
def test_a_box_that_is_none_is_refused(values: list) -> None:
    with pytest.raises(ValueError, match="four numbers"):
        make_box(values)


def test_a_cell_that_holds_no_boxes_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON list"):
        read_boxes("1 2 3 4")
