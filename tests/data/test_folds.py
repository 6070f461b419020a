"""Folds: every film held out once, no group on two sides, every class where it is needed; and a source at a time."""

import numpy as np
import pandas as pd
import pytest

from hilum.data.folds import FOLD_BY, PREFIX, draw_folds, fold_names, rows_of_fold


def films(patients: int = 60, sources: tuple[str, ...] = ("s",), seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(patients), rng.integers(1, 4, patients))
    table = pd.DataFrame({"image_id": [f"f{i:03d}" for i in range(len(group))], "group": group})
    table["label"] = np.array(["normal", "bacterial", "viral"])[group % 3]
    table["source"] = np.array(sources)[(group // 3) % len(sources)]
    return table


def parts_of(table: pd.DataFrame, by: str = "patient", folds: int = 5) -> pd.DataFrame:
    return draw_folds(table, folds, by, 0.2, 7)


def test_every_film_is_held_out_once_and_its_group_with_it() -> None:
    table = films()
    parts = parts_of(table)
    assert fold_names(parts) == ["1", "2", "3", "4", "5"]
    assert ((parts == "held_out").sum(axis=1) == 1).all()
    for column in parts:
        assert (table.assign(part=parts[column]).groupby("group")["part"].nunique() == 1).all(), "a patient is on one side"
        assert set(parts[column]) == {"train", "val", "held_out"}


@pytest.mark.parametrize("by", FOLD_BY)
def test_every_class_trains_and_validates_in_every_fold(by: str) -> None:
    table = films(sources=("s", "t", "u"))
    parts = parts_of(table, by, 3)
    for column in parts:
        counts = pd.crosstab(table["label"], parts[column])
        assert (counts[["train", "val"]] > 0).all(axis=None)
    shares = pd.crosstab(table["label"], parts.iloc[:, 0], normalize="index")
    assert shares["held_out"].between(0.15, 0.5).all(), "stratified"


def test_a_source_is_held_out_as_a_whole_and_its_relatives_elsewhere_with_it() -> None:
    table = films(sources=("s", "t"))
    table.loc[table["source"] == "t", "group"] += 1000
    shared = table.index[table["source"] == "t"][0]
    table.loc[shared, "group"] = table.loc[table.index[table["source"] == "s"][0], "group"]
    parts = parts_of(table, "source", 2)
    assert fold_names(parts) == ["s", "t"]
    assert ((parts["fold s"] == "held_out") == (table["source"] == "s")).all()
    assert parts.loc[shared, "fold s"] == "", "a film of a held-out patient must not train"
    assert (parts["fold s"] == "").sum() == 1


def test_the_draw_depends_on_the_seed_and_not_on_the_order_of_rows() -> None:
    table = films()
    shuffled = table.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(parts_of(table), parts_of(shuffled).sort_index())
    assert not parts_of(table).equals(draw_folds(table, 5, "patient", 0.2, 8))


def test_a_class_that_only_the_held_out_source_has_is_refused() -> None:
    table = films(sources=("s", "t"))
    table.loc[(table["label"] == "viral") & (table["source"] == "t"), "label"] = "normal"
    with pytest.raises(ValueError, match=r"but fold s holds out every film of viral; .*`split.fold_by` to patient"):
        parts_of(table, "source", 2)


@pytest.mark.parametrize(
    ("by", "folds", "sources", "told"),
    [
        ("source", 2, ("s",), "one fold for each of two sources or more"),
        ("source", 5, ("s", "t"), "got 5 folds and the sources s, t"),
        ("patient", 1, ("s",), "two folds or more"),
        ("patient", 21, ("s",), "bacterial 20"),
        ("hospital", 5, ("s",), "must be one of patient, source"),
    ],
)
def test_what_cannot_be_folded_is_refused(by: str, folds: int, sources: tuple[str, ...], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parts_of(films(sources=sources), by, folds)


def test_a_class_without_enough_patients_to_train_and_validate_is_refused() -> None:
    table = films(sources=("s", "t"))
    viral = table.index[(table["label"] == "viral") & (table["source"] == "t")]
    one = table.loc[viral[0], "group"]
    table.loc[viral[table.loc[viral, "group"] != one], "label"] = "normal"
    with pytest.raises(ValueError, match=r"but fold s has no film of viral that is train; add films"):
        parts_of(table, "source", 2)


def test_rows_are_found_by_fold_and_part() -> None:
    table = pd.DataFrame({PREFIX + "1": ["held_out", "train", "val", ""], PREFIX + "2": ["train", "held_out", "held_out", "val"]})
    assert rows_of_fold(table, "1", "train").tolist() == [1]
    assert rows_of_fold(table, "2", "held_out").tolist() == [1, 2]
