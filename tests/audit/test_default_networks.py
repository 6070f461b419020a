"""The audit on networks of the default's arms: the plan of its networks, their parts, and its table."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import audit_default as default


def test_pairs_are_of_one_arm_and_mark_and_no_seed_is_that_of_another_study() -> None:
    pairs = default.pairs(20)
    assert len(pairs) == 20 and [first.arm for first, _ in pairs] == ["baseline"] * 10 + ["finetuned"] * 10
    for honest, shortcut in pairs:
        assert (honest.arm, honest.kind) == (shortcut.arm, shortcut.kind)
        assert honest.strength <= 0.05 and shortcut.strength >= 0.6
    networks = [task for pair in pairs for task in pair]
    assert len({task.seed for task in networks}) == len({task.name for task in networks}) == 40
    assert {task.kind for task in networks} == set(default.study.KINDS)
    others = default.study.tasks(40)
    assert not {task.seed for task in networks} & {task.seed for task in others}


def test_no_patient_is_both_trained_and_calibrated_on() -> None:
    patients = np.repeat([f"p{i}" for i in range(600)], 2)
    train, held_out = default.draw_parts({"patient": patients}, np.random.default_rng(1))
    assert (len(train), len(held_out)) == (default.TRAINED, default.VALIDATION)
    assert not set(patients[train]) & set(patients[held_out])


def test_the_table_holds_no_network_twice_and_the_page_quotes_its_rates(root: Path) -> None:
    table = pd.read_csv(default.TABLE)
    assert set(table["part"]) == {default.PART} and set(table["arm"]) == set(default.ARMS)
    assert not table["seed"].duplicated().any()
    told = (root / "docs" / "audit.md").read_text()
    for arm, row in default.study.rates(table, "arm").iterrows():
        assert f"| {arm} | {' | '.join(str(value) for value in row)} |" in told
