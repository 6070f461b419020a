"""Which films runs of different days are compared on, and what is said of the rest."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from hilum.evaluation.shared_films import RunFilms, share_films
from hilum.records import Predictions


def run(
    tested: str,
    learned: str = "",
    version: str = "v1",
    prefix: str = "",
    listed: bool = True,
    classes: tuple[str, ...] = ("a", "b"),
):
    """A run that tested the films of these letters and learned from others; a film's bytes are its letter."""
    names = np.array([f"{prefix}{letter}" for letter in tested])
    true = np.array([ord(letter) % 2 for letter in tested])
    prob = np.eye(2)[true] * 0.6 + 0.2
    order = [classes.index(name) for name in ("a", "b")]
    predictions = Predictions(
        names, np.array([f"p{letter}" for letter in tested]), np.array(order)[true], prob[:, np.argsort(order)],
        np.array(order)[true], classes,
    )  # fmt: skip
    rows = [
        (f"{prefix}{letter}", f"p{letter}", part, letter * 64)
        for part, letters in (("test", tested), ("train", learned))
        for letter in letters
    ]
    films = pd.DataFrame(rows, columns=["image_id", "patient_id", "part", "sha256"]) if listed else None
    return RunFilms(predictions, [], version, films)


def test_runs_meet_on_the_films_that_both_tested_whatever_these_are_called() -> None:
    shared = share_films({"x": run("abcd"), "y": run("cdef", version="v2", prefix="other/")})
    assert shared.predictions["x"].image_id.tolist() == shared.predictions["y"].image_id.tolist() == ["c", "d"]
    assert shared.names["y"] == {"other/c": "c", "other/d": "d"}
    assert shared.left_out == [f"2 test films of {name}, which not every run tested." for name in "xy"]


def test_a_film_that_a_run_learned_from_is_left_out_with_its_patient() -> None:
    shared = share_films({"x": run("abcd"), "y": run("abcd", learned="d")})
    assert shared.predictions["x"].image_id.tolist() == ["a", "b", "c"]
    assert "1 shared films that a run trained" in shared.left_out[0]
    validated = dataclasses.replace(run("abcd"), validation=["a"])
    assert share_films({"x": run("abcd"), "y": validated}).predictions["x"].image_id.tolist() == ["b", "c", "d"]


def test_films_of_equal_names_but_other_bytes_are_not_one_film() -> None:
    other = run("ab", version="v2")
    changed = dataclasses.replace(other, films=other.films.assign(sha256="z" * 64))
    with pytest.raises(ValueError, match="must share test films, but of the 2 of x: y shares 0"):
        share_films({"x": run("ab"), "y": changed})


def test_runs_of_earlier_versions_meet_by_name_on_one_data_version_alone() -> None:
    shared = share_films({"x": run("abc", listed=False), "y": run("bcd", listed=False)})
    assert (
        shared.predictions["y"].image_id.tolist() == ["b", "c"] and "training films of x, y are not listed" in shared.left_out[-1]
    )
    with pytest.raises(ValueError, match="must share test films"):
        share_films({"x": run("abc", listed=False), "y": run("bcd", listed=False, version="v2")})


def test_classes_in_another_order_are_the_same_classes_and_others_are_refused() -> None:
    shared = share_films({"x": run("abcd"), "y": run("abcd", classes=("b", "a"))})
    one, other = shared.predictions["x"], shared.predictions["y"]
    assert other.classes == ("a", "b") and (other.y_true == one.y_true).all() and (other.y_pred == one.y_pred).all()
    assert other.y_prob == pytest.approx(one.y_prob)
    third = run("abcd")
    strange = dataclasses.replace(third, test=dataclasses.replace(third.test, classes=("a", "c")))
    with pytest.raises(ValueError, match="same classes, got a, b in x and a, c in y"):
        share_films({"x": run("abcd"), "y": strange})


def test_films_with_two_true_classes_are_left_out() -> None:
    other = run("abcd")
    labels = other.test.y_true.copy()
    labels[0] = 1 - labels[0]
    shared = share_films({"x": run("abcd"), "y": dataclasses.replace(other, test=dataclasses.replace(other.test, y_true=labels))})
    assert shared.predictions["x"].image_id.tolist() == ["b", "c", "d"] and "different true classes" in shared.left_out[-1]
