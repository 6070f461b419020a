import itertools
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score
from small_films import write_lines

from hilum.reading.agreement import (
    EVERY,
    Bootstrap,
    cohen_kappa,
    compare_readers,
    draw_readers,
    list_differences,
)
from hilum.reading.answered_films import AnsweredFilms, gather_answers
from hilum.reading.records import Answer, FilmFile, Seen, make_record
from hilum.reading.store import append_record, read_readings
from hilum.records import Predictions

SETTINGS = Bootstrap(200, 0.95, 0)


def films(**said: str) -> AnsweredFilms:
    """A film per letter: n normal, i ill, blank no answer; a patient per two films."""
    words = {"n": "normal", "i": "ill", "v": "viral", " ": ""}
    table = pd.DataFrame({name: [words[letter] for letter in letters] for name, letters in said.items()})
    table.index = [f"{k:064x}" for k in range(len(table))]
    table["film"] = [f"{k}.png" for k in range(len(table))]
    table["patient"] = [f"p{k // 2}" for k in range(len(table))]
    if "model" not in said:
        table["model"] = ""
    readers = tuple(name for name in said if name not in ("truth", "model"))
    for reader in readers:
        table[f"confidence of {reader}"] = "3"
    return AnsweredFilms(table, readers, ())


def value(table: pd.DataFrame, who: str, against: str, metric: str, of_class: str = "") -> float:
    chosen = table[(table.who == who) & (table.against == against) & (table.metric == metric) & (table["class"] == of_class)]
    assert len(chosen) == 1
    return float(chosen["value"].iloc[0])


def test_by_hand() -> None:
    """4 normal, 4 ill; the reader misses one of the ill and calls two normal ones ill; the model is right but for one."""
    found = compare_readers(films(truth="nnnniiii", R1="nniiniii", model="nnnniiin"), SETTINGS)
    assert value(found, "R1", "truth", "accuracy") == 5 / 8
    assert value(found, "R1", "truth", "sensitivity", "ill") == 3 / 4
    assert value(found, "R1", "truth", "specificity", "ill") == 2 / 4
    assert value(found, "R1", "truth", "kappa") == pytest.approx((5 / 8 - 0.5) / 0.5)
    assert value(found, "model", "truth", "accuracy") == 7 / 8
    assert value(found, "R1 minus model", "truth", "accuracy") == pytest.approx(-2 / 8)
    assert value(found, "R1", "model", "accuracy") == 4 / 8  # the same answer
    row = found[(found.who == "R1") & (found.against == "truth") & (found.metric == "accuracy")].iloc[0]
    assert (row.films, row.patients) == (8, 4) and 0 <= row.low < row.value < row.high <= 1


@pytest.mark.parametrize("seed", range(4))
def test_kappa_is_scikit_learns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.integers(0, 3, 40), rng.integers(0, 3, 40)
    assert cohen_kappa(one, np.eye(3)[other], other) == pytest.approx(cohen_kappa_score(one, other), abs=1e-12)


def test_kappa_of_one_class_alone_is_undefined() -> None:
    ones = np.ones(5, np.int64)
    assert math.isnan(cohen_kappa(ones, np.eye(2)[ones], ones))


def test_films_without_a_truth_or_an_answer_do_not_count() -> None:
    found = compare_readers(films(truth="nni  ", R1="nn in", R2="n iii"), SETTINGS)
    assert value(found, "R1", "truth", "accuracy") == 1 and value(found, "R2", "R1", "accuracy") == 1
    assert int(found[found.who == EVERY]["films"].iloc[0]) == 1
    with pytest.raises(ValueError, match="truth"):
        compare_readers(films(truth="  ", R1="ni"), SETTINGS)
    with pytest.raises(ValueError, match="two classes"):
        compare_readers(films(truth="nn", R1="nn"), SETTINGS)


def test_films_of_one_patient_are_drawn_together() -> None:
    """Every patient is wholly right or wholly wrong: the interval is that of 10 patients, not of 20 films."""
    truth, right = "ni" * 10, "".join("ni" if k % 2 else "in" for k in range(10))
    row = compare_readers(films(truth=truth, R1=right), Bootstrap(2000, 0.95, 0)).iloc[0]
    exact = sorted(sum(draw) / 10 for draw in itertools.product([0, 1], repeat=10))  # of 10 patients, each right with 1 in 2
    assert row["low"] == pytest.approx(np.quantile(exact, 0.025), abs=0.06) and row["value"] == 0.5


def test_readers_vary_too_where_there_are_several() -> None:
    """One reader always right, one always wrong: over patients alone nothing varies, over readers everything from 0 to 1."""
    table = films(truth="nini" * 5, R1="nini" * 5, R2="inin" * 5)
    found = compare_readers(table, SETTINGS)
    every = found[(found.who == EVERY) & (found.metric == "accuracy")].iloc[0]
    assert (every["low"], every["value"], every["high"]) == (0, 0.5, 1)
    single = found[(found.who == "R1") & (found.against == "truth") & (found.metric == "accuracy")].iloc[0]
    assert (single["low"], single["high"]) == (1, 1)


def test_the_mean_over_readers_is_that_of_their_own_values() -> None:
    rng = np.random.default_rng(5)
    true = rng.integers(0, 2, 30)
    names = np.array([f"f{k}" for k in range(30)])
    pairs = []
    for _ in range(3):
        said = np.where(rng.random(30) < 0.7, true, 1 - true)
        pairs.append(Predictions(names, names, true, np.eye(2)[said], said, ("a", "b")))
    draws = draw_readers(pairs, 10, 0)
    mean = dict(zip(draws.names, draws.value, strict=True))
    assert mean["accuracy"] == pytest.approx(np.mean([accuracy_score(true, one.y_pred) for one in pairs]))
    assert mean["kappa"] == pytest.approx(np.mean([cohen_kappa_score(true, one.y_pred) for one in pairs]))


def test_the_films_on_which_they_differ_are_listed() -> None:
    listed = list_differences(films(truth="ni i n", R1="nn iin", R2="nnniin", model="ni    "))
    assert listed["film"].tolist() == ["1.png"]
    listed = list_differences(films(truth="nn ", R1="nii", R2="nin"))
    assert listed["film"].tolist() == ["1.png", "2.png"] and listed["truth"].tolist() == ["normal", ""]
    assert list(listed.columns) == ["sha256", "film", "truth", "model", "R1", "R2", "confidence of R1", "confidence of R2"]


def test_answers_meet_their_truth_by_hash_or_by_name(tmp_path: Path) -> None:
    for k, (name, label) in enumerate((("x/a.png", "ill"), ("b.png", "normal"), ("", "ill"))):
        film = FilmFile(name, f"{k}" * 64, 10, 10)
        append_record(tmp_path / "r", make_record("R1", film, [], Seen(), answer=Answer(label, 4)))
        append_record(tmp_path / "r", make_record("R1", film, [], Seen(True), answer=Answer("normal", 1), second_thought=True))
    append_record(tmp_path / "r", make_record("R2", FilmFile("b.png", "1" * 64, 9, 9), [], Seen(), finding="a mark alone"))
    readings = read_readings(tmp_path / "r")
    rows = [f"s/{k},{k * 64},p{k},normal" for k in "02"]
    manifest = write_lines(tmp_path / "manifest.csv", "image_id,sha256,patient_id,label", *rows)
    predictions = write_lines(tmp_path / "predictions.csv", "image_id,predicted", "s/0,ill", "s/2,normal", "s/7,ill")
    found = gather_answers(readings, manifest, predictions)
    assert found.readers == ("R1",) and found.table["truth"].tolist() == ["normal", "", "normal"]
    assert found.table["model"].tolist() == ["ill", "", "normal"] and found.table["R1"].tolist() == ["ill", "normal", "ill"]
    assert found.table["patient"].tolist() == ["p0", "", "p2"] and len(found.known) == 2 and len(found.notes) == 2
    named = write_lines(tmp_path / "truth.csv", "file,class", "a.png,ill", "b,normal", "c,ill")
    predicted = write_lines(tmp_path / "out.csv", "file,predicted,p_ill", "x/a.png,ill,1", "y/b.png,ill,1")
    found = gather_answers(readings, named, predicted)
    assert found.table["truth"].tolist() == ["ill", "normal", ""] and found.table["model"].tolist() == ["ill", "ill", ""]
    assert found.table["patient"].nunique() == 3 and "no patients" in found.notes[0]
    with pytest.raises(ValueError, match="label or finding"):
        gather_answers(readings, write_lines(tmp_path / "odd.csv", "file,what", "a,b"))
    with pytest.raises(ValueError, match="blind answers"):
        gather_answers(read_readings(tmp_path / "nothing"))
