"""A state comes back to the last bit, and one that is not what was written is not taken."""

import errno
import json
import os
import random
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tiny_fit import fit
from tiny_task import make_model, make_phase, make_settings

from hilum.training.learning import kept_state
from hilum.training.learning.kept_state import ARRAYS, NUMBERS, KeptState, read_decides, read_state, write_state
from hilum.training.learning.state import State, read_seeds, write_seeds

HISTORY = [{"step": 0, "phase": 0, "train/loss": np.float64(0.1) + 0.2, "val/auroc_macro": float("nan")}]


def make_state() -> State:
    rng = np.random.default_rng(1)
    state = State([rng.normal(size=(3, 4)).astype(np.float32), np.zeros((0, 2))], -np.inf, 0, list(HISTORY), {1: 0.1 + 0.2})
    state.phase, state.epoch, state.since, state.reduced, state.waited, state.averaged = 2, 3, 1, 0.5**3, 2, 71
    state.seeds, state.optimizer = [np.array([7, 2**32 - 1], np.uint32)], [np.array(9, np.int64), np.float32([1e-45, -0.0])]
    state.weights, state.averages = [rng.normal(size=2)], [rng.normal(size=(2, 1, 3)).astype(np.float32)]
    return state


def test_a_state_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    state = make_state()
    write_state(tmp_path / "deep" / "a.state", state, {"params": "1"})
    found = read_state(tmp_path / "deep" / "a.state")
    assert found is not None and {*ARRAYS, *NUMBERS} == set(vars(state))
    for name in ARRAYS:
        pairs = list(zip(getattr(found, name), getattr(state, name), strict=True))
        assert pairs and all(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs), name
    for name in NUMBERS:
        pair = [json.dumps(getattr(one, name), default=lambda value: value.item()) for one in (found, state)]
        assert pair[0] == pair[1], name
    assert read_decides(tmp_path / "deep" / "a.state") == {"params": "1"}
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["a.state"], "nothing is left beside it"
    assert read_state(tmp_path / "b.state") is None


@pytest.mark.parametrize("damage", ["cut", "empty", "a bit", "longer", "of another training"])
def test_a_damaged_or_foreign_state_is_told_and_not_taken(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.state"
    write_state(tmp_path / ("b.state" if damage == "of another training" else "a.state"), make_state(), {})
    if damage == "of another training":
        (tmp_path / "b.state").rename(file)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= damage == "a bit"
    file.write_bytes({"cut": content[:-1], "empty": b"", "longer": content + b"\0"}.get(damage, content))
    assert KeptState(file, {}).state is None
    told = capsys.readouterr().out
    assert f"{file} is damaged or foreign" in told and len(told.splitlines()) == 1


def test_a_disk_that_takes_no_state_costs_a_line_and_the_state_before_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = KeptState(tmp_path / "a.state", {})
    kept.save(make_state())
    before = kept.file.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(kept_state.os, "fsync", full)
    for _ in range(2):
        kept.save(make_state())
    told = capsys.readouterr().out
    assert len(told.splitlines()) == 1 and "No space left on device" in told and "make room on that disk" in told
    assert kept.file.read_bytes() == before and list(tmp_path.iterdir()) == [kept.file]


def test_a_state_is_due_when_the_interval_has_passed_since_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(kept_state.time, "monotonic", lambda: now[0])
    kept = KeptState(tmp_path / "a.state", {})
    found = []
    for now[0] in (104.9, 105.0, 109.9, 110.1):
        found.append(kept.is_due)
        if kept.is_due:
            kept.save(make_state())
    assert found == [False, True, False, True]
    kept.forget()
    assert not list(tmp_path.iterdir())


def test_states_of_random_layers_are_read_and_written_apart_from_the_weights() -> None:
    model, films = make_model(dropout=0.5), np.ones((4, 32, 32, 1), np.float32)
    before = read_seeds(model)
    first = np.array(model(films, training=True))
    assert len(before) == 1 and not np.array_equal(before[0], read_seeds(model)[0])
    weights = model.get_weights()
    write_seeds(model, before)
    assert all(np.array_equal(a, b) for a, b in zip(weights, model.get_weights(), strict=True))
    np.testing.assert_array_equal(np.array(model(films, training=True)), first)


def test_a_training_draws_from_no_global_generator() -> None:
    """They are in no state: a training that drew from them would not continue as it went on."""
    model = make_model()

    def drawn() -> list[Any]:
        generator = keras.src.random.seed_generator.global_seed_generator()
        legacy = [str(part) for part in np.random.get_state()]  # noqa: NPY002
        return [random.getstate(), legacy, generator.state.numpy().tolist()]

    before = drawn()
    fit(model, [make_phase("all", 1, batch_norm="train")], None, settings=make_settings(mixup=0.4, averaging=0.9))
    assert drawn() == before
