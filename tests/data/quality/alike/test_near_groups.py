import pandas as pd
import pytest

from hilum.data.quality.alike.near_groups import (
    NEAR,
    check_groups,
    group_films,
    link_patients,
    tell_near_duplicates,
    warn_of_near_duplicates,
)


def pairs(*ends: tuple[str, str], score: float = 0.97) -> pd.DataFrame:
    table = pd.DataFrame([{"image_id": one, "other": other} for one, other in ends])
    table = table.assign(score=score, patient_id=table["image_id"], other_patient=table["other"], label="x", other_label="x")
    return table.reindex(columns=list(NEAR))


def test_groups_are_chains_and_the_largest_is_reported() -> None:
    near = pairs(("a", "b"), ("c", "d"), ("b", "e"))
    near.loc[1, "other_label"] = "y"
    near.loc[0, "other_patient"] = "a"
    assert group_films(near) == [["a", "b", "e"], ["c", "d"]]
    assert link_patients(near).values.tolist() == [["c", "d"], ["b", "e"]]
    told = tell_near_duplicates(near)
    assert "3 pairs" in told
    assert "2 of two patients" in told
    assert "groups: 2, the largest of 3 films: a, b, e" in told
    assert tell_near_duplicates(near.head(0)) == "near duplicates: none found"
    warnings = warn_of_near_duplicates(near)
    assert "2 pairs" in warnings[0]
    assert "c and d; b and e" in warnings[0]
    assert "c (x) and d (y)" in warnings[1]
    assert warn_of_near_duplicates(near.head(1)) == []


def test_a_group_of_too_many_films_is_an_alarm_with_its_weakest_pairs() -> None:
    near = pairs(*[(f"f{i:02d}", f"f{i + 1:02d}") for i in range(29)])
    near.loc[7, "score"] = 0.951
    check_groups(near, films=600, share=0.05)
    with pytest.raises(ValueError, match=r"a group of 30 of 400 films; .*f07 and f08 \(score 0\.951\)"):
        check_groups(near, films=400, share=0.05)
    check_groups(near.head(9), films=12, share=0.05)  # ten films are few
