"""The study of the audit on real films: its plan, its marks, and its table."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import audit_real as study
import planted_marks as marks

from hilum.audit.rule import INTERCEPT, RATES, WEIGHTS

SIZE = 96
LUNGS = np.zeros((SIZE, SIZE), bool)
LUNGS[30:60, 25:70] = True


@pytest.mark.parametrize("kind", list(marks.KINDS))
def test_a_mark_lies_outside_the_lungs_and_is_seen(kind: str) -> None:
    films = np.full((3, SIZE, SIZE), 120, np.uint8)
    for seed in range(20):
        mark = marks.draw_mark(kind, SIZE, seed)
        planted = marks.plant(films, np.array([True, False, True]), mark, np.random.default_rng(seed))
        assert not mark.place[LUNGS].any() and mark.place.any()
        assert np.array_equal(planted[1], films[1])
        changed = planted[0].astype(int) - 120
        assert np.abs(changed).max() >= 10 and np.abs(changed[~mark.place]).max() <= 3
        again = marks.draw_mark(kind, SIZE, seed)
        assert np.array_equal(mark.covers, again.covers) and np.array_equal(mark.level, again.level)


def test_what_the_rule_is_frozen_on_and_what_it_is_scored_on_share_nothing() -> None:
    tasks = study.plan()
    parts = {part: [task for task in tasks if task.part == part] for part in study.PARTS}
    assert not {task.kind for task in parts["freeze"]} & {task.kind for task in parts["score"]}
    assert len({task.seed for task in tasks}) == len({task.name for task in tasks}) == len(tasks)
    planted = [task for task in tasks if task.strength > 0]
    assert all(task.shown == task.strength for task in planted)
    at_random = [task for task in tasks if task.strength == 0]
    assert {task.shown > 0 for task in at_random} == {True, False}, "audited on films with the mark by class, and at random"


def test_no_patient_serves_two_parts_or_purposes(tmp_path: Path) -> None:
    root = tmp_path / "films"
    from PIL import Image

    for folder, name in (("NORMAL", "IM-{:04d}-0001"), ("PNEUMONIA", "person{}_bacteria_{}"), ("PNEUMONIA", "person{}_virus_{}")):
        (root / "train" / folder).mkdir(parents=True, exist_ok=True)
        for i in range(12):
            Image.new("L", (16, 16), 10 * i).save(root / "train" / folder / f"{name.format(100 + i // 2, i)}.jpeg")
    study.write_films(root, tmp_path / "work")
    held = study.stored(tmp_path / "work")
    places = {}
    for patient, part, purpose in zip(held["patient"], held["part"], held["purpose"], strict=True):
        places.setdefault(patient, set()).add((part, purpose))
    assert len(places) > 12 and all(len(found) == 1 for found in places.values())


def test_films_are_chosen_evenly_from_both_classes() -> None:
    labels = np.array([0] * 30 + [1] * 200)
    some = study.choose(labels, 100, np.random.default_rng(0))
    assert len(some) == 100 and (labels[some] == 0).sum() == 30
    even = study.choose(np.repeat([0, 1], 100), 100, np.random.default_rng(0))
    assert len(even) == 100 and (np.repeat([0, 1], 100)[even] == 0).sum() == 50


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.read_csv(study.TABLE)


def test_the_committed_rule_is_the_one_that_the_first_part_gives(table: pd.DataFrame) -> None:
    weights, intercept = study.freeze_rule(table[table["part"] == "freeze"])
    assert weights == pytest.approx(WEIGHTS, rel=1e-2) and intercept == pytest.approx(INTERCEPT, rel=1e-2)


def test_every_page_and_the_docs_give_the_rates_of_the_second_part(table: pd.DataFrame, root: Path) -> None:
    assert study.rates(table) == RATES
    own = table[table["part"] == "score"]
    told = (root / "docs" / "audit.md").read_text()
    for by in ("kind", "question"):
        for value, row in study.score(own, study.truth_of(own), by).iterrows():
            assert f"| {value} | {' | '.join(str(one) for one in row)} |" in told


def test_the_docs_say_how_the_networks_that_are_scored_were_trained(table: pd.DataFrame, root: Path) -> None:
    own = table[table["part"] == "score"]
    truth, by_class, shown = study.truth_of(own), own["strength"] > 0, own["shown"] > 0
    none, mark = truth == "none", truth == "mark"
    taught, audited, neither = (none & by_class).sum(), (none & ~by_class & shown).sum(), (none & ~by_class & ~shown).sum()
    assert (mark & ~by_class).sum() == 1
    told = " ".join((root / "docs" / "audit.md").read_text().split())
    assert (
        f"Of the {none.sum()} *without* that are scored, {taught} were trained with the mark on its class and did not take it "
        f"up; for {audited} the mark goes with the class in the audited films alone, for {neither} in neither. "
        f"One of the {mark.sum()} *with a mark* was trained with the mark at random."
    ) in told


def test_the_table_holds_no_network_twice_and_the_parts_share_no_seed(table: pd.DataFrame) -> None:
    assert not table.duplicated(["part", "number"]).any() and not table["seed"].duplicated().any()
    planned = {(task.part, task.number): task for task in study.plan()}
    for row in table.to_dict("records"):
        task = planned[row["part"], row["number"]]
        assert (task.seed, task.kind, task.backbone) == (row["seed"], row["kind"], row["backbone"])


def test_a_network_is_called_by_what_it_does_with_the_mark() -> None:
    some = pd.DataFrame({"gap": [25.0, 6.0, 1.0, -4.0, 1.0], "unmarked": [60.0, 60.0, 70.0, 70.0, 51.0]})
    assert study.truth_of(some).tolist() == ["mark", "between", "none", "none", "weak"]
