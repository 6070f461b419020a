"""Patients of a recalibration are found by their names where both sides share a naming, over several recalibrations."""

from typing import Any

import pandas as pd

from hilum.evaluation.outside.seen_films import BEFORE, RECORD
from hilum.evaluation.outside.seen_people import PEOPLE, find_people, keep_people, tell_people

NIH, SALT = {"a": ["nih"]}, {"b": ["salt 1"]}


def films(source: str, *patients: str) -> pd.DataFrame:
    rows = [(f"{source}/f{i}", source, f"{source}/{name}") for i, name in enumerate(patients)]
    return pd.DataFrame(rows, columns=["image_id", "source", "patient_id"])


def record(site: str, rows: pd.DataFrame, namings: dict[str, list[str]]) -> dict[str, Any]:
    return {"site": site, "date": "2026-01-02", PEOPLE: keep_people(rows, namings)}


def test_a_record_holds_no_name_and_nothing_of_a_source_with_names_of_its_own() -> None:
    both = pd.concat([films("a", "p1", "p1", "p2"), films("folder", "mueller")], ignore_index=True)
    kept = keep_people(both, NIH)
    assert list(kept) == ["nih"] and len(kept["nih"]) == 2 and not any("p1" in one for one in kept["nih"])


def test_patients_are_the_same_under_one_naming_whatever_the_source_is_called() -> None:
    known = record("north", films("a", "p1", "p2"), NIH)
    seen, apart = find_people(films("elsewhere", "p2", "p3"), {"elsewhere": ["nih"]}, known)
    assert seen.tolist() == [True, False] and apart == []
    seen, apart = find_people(films("b", "p2"), SALT, known)
    assert not seen.any() and apart == ["b"]
    assert find_people(films("c", "p2"), {}, known)[1] == ["c"]
    earlier = {"site": "old", "date": "2026-01-01"}  # of a version that kept no patients
    assert find_people(films("a", "p2"), NIH, earlier)[1] == ["a"]


def test_every_recalibration_says_whose_patients_it_saw() -> None:
    facts = {RECORD: {**record("south", films("a", "p1"), NIH), BEFORE: record("north", films("b", "p9"), SALT)}}
    told, apart = tell_people(films("a", "p1", "p2", "p1"), NIH, facts)
    assert (
        len(told) == len(apart) == 1
        and "2 of 3 films are of patients" in told[0]
        and "(south, 2026-01-02), such as a/f0" in told[0]
    )
    assert "patients of a are not comparable with those that this model was recalibrated on (north, 2026-01-02)" in apart[0]
    assert tell_people(films("a", "p1"), NIH, {"classes": ["x"]}) == ([], [])
