"""Films that a model was recalibrated on are recognised by their bytes or their pixels, over several recalibrations."""

from typing import Any

import pandas as pd

from hilum.evaluation.outside.seen_films import BEFORE, DIGITS, RECORD, find_seen, keep_hashes, list_records, tell_recalibrated_on


def films(*numbers: int) -> pd.DataFrame:
    rows = [(f"f{n}", f"{n:064d}"[::-1], f"{n + 500:064d}"[::-1]) for n in numbers]
    return pd.DataFrame(rows, columns=["image_id", "sha256", "pixel_sha256"])


def record(site: str, *numbers: int) -> dict[str, Any]:
    return {"site": site, "date": "2026-01-02", "seen": keep_hashes(films(*numbers))}


def test_films_are_found_by_their_bytes_or_by_their_pixels() -> None:
    same_pixels = films(7).assign(sha256="f" * 64)
    rows = pd.concat([films(1, 2, 3), same_pixels], ignore_index=True)
    assert find_seen(rows, record("north", 2, 7)).tolist() == [False, True, False, True]


def test_every_recalibration_says_which_films_it_saw() -> None:
    facts = {RECORD: {**record("south", 3), BEFORE: record("north", 1, 2)}}
    assert [one["site"] for one in list_records(facts)] == ["south", "north"]
    south, north = tell_recalibrated_on(films(1, 2, 3, 4), facts)
    assert south.startswith("1 of 4 films are those that this model was recalibrated on (south, 2026-01-02), such as f3")
    assert north.startswith("2 of 4") and north.endswith("such as f1")
    assert tell_recalibrated_on(films(4), facts) == [] == tell_recalibrated_on(films(1), {"classes": ["a", "b"]})


def test_a_record_keeps_the_beginning_of_each_hash() -> None:
    assert {len(one) for hashes in keep_hashes(films(1, 2)).values() for one in hashes} == {DIGITS}
