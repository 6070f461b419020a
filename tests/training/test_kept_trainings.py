"""A training that is killed at any instant continues, and ends in the bytes of one that was never killed."""

import json
import os
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killed_processes import Nursery

from hilum import code_version
from hilum.ownership import hold, this_process
from hilum.training import kept_trainings
from hilum.training.kept_trainings import OTHERS, STALE, KeptTrainings, keep_trainings
from hilum.training.learning.state import State

SEED = 5
KILLS = 20  # at random instants
STEPS = 7  # three epochs, a solved head, three epochs
KILLED = -9


@pytest.fixture(scope="module")
def whole(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], float, Path]:
    """What a training that nobody disturbs gives, how many seconds it takes, and its activations."""
    folder = tmp_path_factory.mktemp("whole")
    seconds = nursery.finish("train_tiny", folder=str(folder), out=str(folder / "out.json"))
    told = read(folder / "out.json")
    rates = [row.split(",")[4] for row in told["history"].splitlines()[1:]]
    assert told.pop("seen") == list(range(STEPS))
    assert float(rates[-1]) < 1e-3, "the rate of the last phase fell on a plateau"
    assert not list((folder / "trainings").rglob("*.state")), "it is done"
    return told, seconds, folder / "features"


def read(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text()))


def begin(folder: Path, features: Path) -> dict[str, str]:
    shutil.copytree(features, folder / "features", dirs_exist_ok=True)
    return {"folder": str(folder), "out": str(folder / "out.json")}


def test_a_kill_at_every_epoch_edge_changes_no_byte(
    nursery: Nursery, whole: tuple[dict[str, Any], float, Path], tmp_path: Path
) -> None:
    """Before a state is stored, while it is, and right after, in turn; each process continues what the last one left."""
    given = begin(tmp_path, whole[2])
    for step in range(STEPS):
        die_at = ("stored", "epoch", "rename")[step % 3]
        assert nursery.run("train_tiny", die_at=die_at, step=step, **given)[0] == KILLED, nursery.log.read_text()[-2000:]
        assert not (tmp_path / "out.json").exists()
    nursery.finish("train_tiny", **given)
    told = read(tmp_path / "out.json")
    seen = told.pop("seen")
    assert told == whole[0]
    assert seen == [], "the last state was stored after the last epoch"
    assert not [file for file in (tmp_path / "trainings").rglob("*") if file.suffix not in ("", ".lock")]


def test_kills_at_random_instants_change_no_byte(
    nursery: Nursery, whole: tuple[dict[str, Any], float, Path], tmp_path: Path
) -> None:
    rng, killed, finished = np.random.default_rng(SEED), 0, 0
    while killed < KILLS:
        given = begin(tmp_path / str(finished), whole[2])
        while True:
            after = None if killed == KILLS else float(rng.uniform(0, whole[1]))
            code, _ = nursery.run("train_tiny", after, **given)
            if code == 0:
                break
            assert code == KILLED, nursery.log.read_text()[-2000:]
            killed += 1
        told = read(Path(given["out"]))
        told.pop("seen")
        assert told == whole[0]
        finished += 1
    assert killed == KILLS


def test_a_second_process_waits_for_the_first_and_names_it(
    nursery: Nursery, whole: tuple[dict[str, Any], float, Path], tmp_path: Path
) -> None:
    given = begin(tmp_path, whole[2])
    nursery.run("train_tiny", die_at="epoch", step=0, **given)
    lock = next((tmp_path / "trainings").rglob("*.lock"))
    with hold(lock, lambda owner: None):
        assert nursery.run("train_tiny", 2 + whole[1], **given)[0] == KILLED, "it waited"
    assert f"tiny: process {os.getpid()} on" in nursery.log.read_text()
    assert not Path(given["out"]).exists()


def keep(cache: Path, save: bool = True, **decides: Any) -> State | None:
    """What is found under these words; then a state is stored under them, and the training fails."""
    with pytest.raises(RuntimeError), keep_trainings(cache, "train") as trainings:
        kept = trainings.keep("baseline", decides)
        if save:
            kept.save(State([np.zeros(2)], history=[{"step": 0}]))
        raise RuntimeError
    return kept.state


def test_other_films_params_code_and_threads_start_anew_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert keep(tmp_path, params=1, films="a") is None
    assert capsys.readouterr().out == ""
    assert keep(tmp_path, params=1, films="a") is not None
    assert "baseline: continues an interrupted training after epoch 1" in capsys.readouterr().out
    for decides, changed in (
        ({"params": 2, "films": "a"}, "params"),
        ({"params": 1, "films": "b"}, "films"),
        ({"params": 2, "films": "b"}, "params, films"),
    ):
        assert keep(tmp_path, save=False, **decides) is None
        assert capsys.readouterr().out.rstrip().endswith(f"was of other {changed}")
    with monkeypatch.context() as patch:
        patch.setattr(kept_trainings, "machine", lambda: "[7]")
        assert keep(tmp_path, save=False, params=1, films="a") is None
    assert capsys.readouterr().out.rstrip().endswith("was of other threads or processor")
    with monkeypatch.context() as patch:
        patch.setattr(code_version.metadata, "version", lambda name: "0")
        assert keep(tmp_path, save=False, params=1, films="a") is None
    assert capsys.readouterr().out.rstrip().endswith("was of other code or libraries")
    assert keep(tmp_path, params=1, films="a") is not None, "one that was interrupted may be returned to"


def test_the_number_of_threads_is_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = kept_trainings.machine()
    monkeypatch.setattr(kept_trainings.tf.config.threading, "get_intra_op_parallelism_threads", lambda: 63)
    assert json.loads(kept_trainings.machine())[0] == 63 != json.loads(before)[0]


def test_states_end_with_their_stage_and_stale_ones_are_dropped(tmp_path: Path) -> None:
    folder = tmp_path / "trainings" / "train" / "baseline"
    for number in range(OTHERS + 2):
        keep(tmp_path, params=number)
        newest = max(folder.glob("*.state"), key=lambda file: file.stat().st_mtime_ns)
        os.utime(newest, (time.time() - 1000 + number,) * 2)
    assert len(list(folder.glob("*.state"))) == OTHERS + 1
    assert keep(tmp_path, save=False, params=0) is None, "the oldest was dropped"
    for file in folder.glob("*.state"):
        os.utime(file, (time.time() - STALE - 1,) * 2)
    with keep_trainings(tmp_path, "train") as trainings:
        trainings.keep("finetuned", {"params": 1}).save(State([np.zeros(2)]))
        assert [file.parent.name for file in (tmp_path / "trainings").rglob("*.state")] == ["finetuned"]
    assert not list((tmp_path / "trainings").rglob("*.state"))


def test_one_process_at_a_time_has_a_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order: list[str] = []

    def first() -> None:
        with keep_trainings(tmp_path, "train") as trainings:
            hold_a_moment(trainings, order)

    with keep_trainings(tmp_path, "train") as trainings:
        trainings.keep("baseline", {"params": 1})
        other = threading.Thread(target=first)
        other.start()
        time.sleep(0.5)
        order.append("this one ends")
    other.join()
    assert order == ["this one ends", "the other begins"]
    assert f"baseline: process {os.getpid()} on" in capsys.readouterr().out


def test_what_is_kept_of_parts_goes_with_the_last_stage_that_wants_it(tmp_path: Path) -> None:
    order: list[str] = []

    def work(name: str) -> None:
        with keep_trainings(tmp_path, "train") as trainings:
            trainings.hold("baseline", "key", lambda: order.append(f"{name} forgets"))
            order.append(f"{name} ends")

    with keep_trainings(tmp_path, "train") as trainings:
        trainings.hold("baseline", "key", lambda: order.append("the first forgets"))
        other = threading.Thread(target=work, args=("the second",))
        other.start()
        time.sleep(0.5)
        order.append("the first ends")
    other.join()
    assert order == ["the first ends", "the second ends", "the second forgets"]
    work("another")
    assert order[3:] == ["another ends", "another forgets"]
    with pytest.raises(RuntimeError), keep_trainings(tmp_path, "train") as trainings:
        trainings.hold("baseline", "key", lambda: order.append("after an error"))
        raise RuntimeError
    assert order[5:] == []


def test_a_record_of_another_host_stops_a_stage_and_not_the_training_of_a_part(tmp_path: Path) -> None:
    with keep_trainings(tmp_path, "train") as trainings:
        trainings.hold("baseline", "key", lambda: None)
    with keep_trainings(tmp_path, "train/baseline", of_parts=True) as trainings:
        trainings.keep("repeat-1", {"params": 1})
    for lock in (tmp_path / "trainings").rglob("*.lock"):
        lock.write_text(replace(this_process(), host="ward7", boot="another").record())
    with keep_trainings(tmp_path, "train/baseline", of_parts=True) as trainings:
        trainings.keep("repeat-1", {"params": 1})
    with pytest.raises(ValueError, match="on ward7"), keep_trainings(tmp_path, "train") as trainings:
        trainings.hold("baseline", "key", lambda: None)


def hold_a_moment(trainings: KeptTrainings, order: list[str]) -> None:
    trainings.keep("baseline", {"params": 1})
    order.append("the other begins")
