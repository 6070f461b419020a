"""Folders of results: what is written is read again, and a digest changes with the bytes and with nothing else."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hilum.records import Predictions
from hilum.results import (
    digest,
    folder_digest,
    pick_films,
    pool_predictions,
    read_json,
    read_metrics,
    read_predictions,
    read_table,
    table_of,
    write_json,
    write_table,
)

CLASSES = ("normal", "viral", "bacterial")  # not in alphabetical order: a swapped class order shows


def make_predictions() -> Predictions:
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], 6)
    return Predictions(
        np.array([f"phantom/{i:03d}" for i in range(6)]),
        np.array(["007", "007", "1e5", "nan-1", "x", "y"]),
        np.array([0, 1, 2, 2, 1, 0]),
        probabilities,
        probabilities.argmax(axis=1),
        CLASSES,
    )


def test_a_digest_depends_on_values_and_not_on_their_order_or_type() -> None:
    assert digest({"a": 1, "b": [1.5, "x"]}) == digest({"b": [1.5, "x"], "a": 1})
    assert digest({"a": np.int64(1), "b": (1.5, "x")}) == digest({"a": 1, "b": [1.5, "x"]})
    assert digest({"a": np.array([1, 2])}) == digest({"a": [1, 2]})
    others = [{"a": 1}, {"a": 2}, {"b": 1}, {"a": "1"}, {"a": [1]}, {"a": None}, {"a": 1, "b": None}]
    assert len({digest(values) for values in others}) == len(others)


def test_a_digest_is_the_same_in_every_version() -> None:
    assert digest([]) == "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"  # sha256 of the two characters []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in (("a.csv", "1\n"), ("keys/b.png", "picture"), ("c.json", "{}")):
        file = tmp_path / "results" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return tmp_path / "results"


def test_a_folders_digest_ignores_times_place_and_dvcs_own_file(folder: Path, tmp_path: Path) -> None:
    before = folder_digest(folder)
    os.utime(folder / "a.csv", (1, 1))
    (folder / "a.csv").chmod(0o444)
    (folder / ".gitignore").write_text("/a.csv\n")
    (folder / "empty").mkdir()
    moved = folder.rename(tmp_path / "elsewhere")
    assert folder_digest(moved) == before


def test_a_folders_digest_sees_a_changed_byte_a_new_name_and_a_new_file(folder: Path) -> None:
    seen = [folder_digest(folder)]
    (folder / "a.csv").write_text("2\n")  # same size
    seen.append(folder_digest(folder))
    (folder / "a.csv").rename(folder / "b.csv")
    seen.append(folder_digest(folder))
    (folder / "keys" / "b.png").rename(folder / "b.png")
    seen.append(folder_digest(folder))
    (folder / "new").write_text("")
    seen.append(folder_digest(folder))
    (folder / "c.json").unlink()
    seen.append(folder_digest(folder))
    assert len(set(seen)) == len(seen)


def test_a_folders_digest_sees_contents_that_change_places(folder: Path) -> None:
    before = folder_digest(folder)
    first, second = (folder / "a.csv").read_text(), (folder / "c.json").read_text()
    (folder / "a.csv").write_text(second)
    (folder / "c.json").write_text(first)
    assert folder_digest(folder) != before


def test_what_is_no_number_becomes_null(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "metrics.json"
    write_json(file, {"a": float("nan"), "b": [np.float32("inf"), 1], "c": {"d": np.array([1.0, np.nan])}, "e": np.int64(3)})
    assert json.loads(file.read_text()) == {"a": None, "b": [None, 1], "c": {"d": [1.0, None]}, "e": 3}
    assert "NaN" not in file.read_text()


def test_equal_values_are_written_as_equal_bytes(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"x": 1, "y": 0.1})
    write_json(tmp_path / "b.json", {"y": np.float64(0.1), "x": np.int32(1)})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert read_json(tmp_path / "a.json") == {"x": 1, "y": 0.1}


def test_a_table_keeps_every_digit_a_missing_number_and_an_empty_text(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "image_id": ["007", "1e5", "NA"],
            "value": [0.1 + 0.2, np.nan, 1e-17],
            "third": [1 / 3, 2 / 3, np.pi],
            "note": ["", 'a, "quoted" text', "NA"],
            "count": [1, 2, 3],
        }
    )
    write_table(tmp_path / "deep" / "table.csv", table)
    back = read_table(tmp_path / "deep" / "table.csv")
    pd.testing.assert_frame_equal(back, table, check_dtype=False, check_exact=True)
    assert back["value"].to_numpy().tobytes() == table["value"].to_numpy().tobytes()
    assert list(back["note"]) == list(table["note"])
    assert (tmp_path / "deep" / "table.csv").read_bytes().count(b"\r") == 0


@pytest.mark.parametrize("reader", [read_json, read_table])
def test_a_file_that_is_not_there_is_told_with_the_remedy(tmp_path: Path, reader: object) -> None:
    with pytest.raises(ValueError, match="must be there before this stage runs; run `dvc repro`"):
        reader(tmp_path / "absent")  # type: ignore[operator]


def test_predictions_come_back_from_their_table(tmp_path: Path) -> None:
    val, test = make_predictions(), make_predictions()
    test = Predictions(np.char.add(test.image_id, "t"), test.patient_id, test.y_pred, test.y_prob[::-1], test.y_true, CLASSES)
    write_table(tmp_path / "predictions.csv", pd.concat([table_of(val, "val"), table_of(test, "test")]))
    for split, wanted in (("val", val), ("test", test)):
        back = read_predictions(tmp_path / "predictions.csv", split, CLASSES)
        for name in ("image_id", "patient_id", "y_true", "y_prob", "y_pred"):
            assert np.array_equal(getattr(back, name), getattr(wanted, name)), name
        assert back.classes == CLASSES


def test_the_table_names_classes_in_class_order() -> None:
    table = table_of(make_predictions(), "test")
    assert list(table.columns) == ["image_id", "patient_id", "split", "label", "predicted", "p_normal", "p_viral", "p_bacterial"]
    assert list(table["label"]) == ["normal", "viral", "bacterial", "bacterial", "viral", "normal"]
    assert (table["predicted"] == table[["p_normal", "p_viral", "p_bacterial"]].idxmax(axis=1).str.removeprefix("p_")).all()


def test_films_are_paired_by_name_and_not_by_position() -> None:  # defect 17
    predictions = make_predictions()
    picked = pick_films(predictions, ["phantom/004", "phantom/000", "phantom/003"])
    assert list(picked.image_id) == ["phantom/004", "phantom/000", "phantom/003"]
    assert list(picked.patient_id) == ["x", "007", "nan-1"]
    assert list(picked.y_true) == [1, 0, 2]
    assert np.array_equal(picked.y_prob, predictions.y_prob[[4, 0, 3]])
    assert np.array_equal(picked.y_pred, predictions.y_pred[[4, 0, 3]])
    shuffled = np.random.default_rng(1).permutation(6)
    other = pick_films(predictions, list(predictions.image_id[shuffled]))
    again = pick_films(other, ["phantom/004", "phantom/000", "phantom/003"])
    assert np.array_equal(again.y_prob, picked.y_prob)


def test_no_film_picked_is_no_film() -> None:
    assert pick_films(make_predictions(), []).y_prob.shape == (0, 3)


def test_pooled_answers_stand_one_after_another() -> None:
    whole = make_predictions()
    parts = [pick_films(whole, whole.image_id[rows].tolist()) for rows in (slice(0, 2), slice(2, 6))]
    pooled = pool_predictions(parts)
    for name in ("image_id", "patient_id", "y_true", "y_prob", "y_pred"):
        np.testing.assert_array_equal(getattr(pooled, name), getattr(whole, name))
    assert pooled.classes == whole.classes


def test_no_text_of_a_table_is_a_formula_and_each_is_read_back(tmp_path: Path) -> None:
    table = pd.DataFrame({"finding": ["=cmd|' /C calc'!A0", "@x", "-0.5", "plain"], "value": [-0.5, 1.0, 2.0, 3.0]})
    write_table(tmp_path / "t.csv", table)
    lines = (tmp_path / "t.csv").read_text().splitlines()[1:]
    assert lines == ["'=cmd|' /C calc'!A0,-0.5", "'@x,1.0", "-0.5,2.0", "plain,3.0"]
    assert read_table(tmp_path / "t.csv")["finding"].tolist() == table["finding"].tolist()


def test_what_was_written_under_former_names_is_read(tmp_path: Path) -> None:
    """A cross-validation of an earlier version: metrics `oof/...`, and a table whose films are `out`."""
    write_json(tmp_path / "metrics.json", {"oof/auroc_macro": 0.7, "oof/auroc_macro.low": None, "films": 6})
    assert read_metrics(tmp_path / "metrics.json") == {
        "out_of_fold/auroc_macro": 0.7,
        "out_of_fold/auroc_macro.low": None,
        "films": 6,
    }
    predictions = make_predictions()
    for part in ("out", "out_of_fold"):
        write_table(tmp_path / f"{part}.csv", table_of(predictions, part))
        read = read_predictions(tmp_path / f"{part}.csv", "out_of_fold", CLASSES)
        assert read.image_id.tolist() == predictions.image_id.tolist()
