"""A search that is killed at random instants, the driver or a worker, ends in what one that nobody disturbed gives."""

import os
import signal
import sqlite3
import time
from collections import Counter

import pytest
import yaml
from empty_store import forget_environment
from search_kills import SETTINGS, begin, finish, forget, kill_searches, ran, stored, studied
from stepping import take_steps

from hilum.results import folder_digest
from hilum.stages import check
from hilum.workspace import Workspace

TRIALS = 30
KILLS = int(os.environ.get("HILUM_KILLS", "4"))  # each takes some 10 s
SEED = 11


@pytest.fixture
def project(own_copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    forget_environment(monkeypatch)
    values = take_steps(yaml.safe_load(own_copy.params.read_text()))
    values["tune"].update(trials=TRIALS, **SETTINGS)
    values["arms"]["baseline"]["weights"] = "none"
    own_copy.params.write_text(yaml.safe_dump(values, sort_keys=False))
    check.run()
    return own_copy


@pytest.mark.slow
def test_random_kills_change_nothing(project: Workspace) -> None:
    found = kill_searches(project, TRIALS, KILLS, SEED)
    assert found.equal == found.whole == found.searches, "also where the kill came after the search had ended"
    assert set(found.trials) <= {"COMPLETE", "PRUNED"} and set(found.runs) == {"FINISHED"}
    assert min(found.killed["driver"], found.killed["worker"]) >= 1


def test_what_was_finished_does_not_run_again(project: Workspace) -> None:
    """The driver is killed while a batch is half done: the workers' finished trials of it are kept."""
    forget(project)
    program = begin(project)
    while not (project.root / "ran.txt").is_file() or sum(ran(project).values()) < 6:
        assert program.poll() is None
        time.sleep(0.005)
    os.kill(program.pid, signal.SIGKILL)
    program.communicate()
    kept = sum(studied(project).values())
    assert kept >= 4
    before = ran(project)
    told = finish(begin(project))
    assert sum(studied(project).values()) == TRIALS
    again = [number for number, times in ran(project).items() if times > 1]
    assert len(again) <= sum(before.values()) - kept, "only trials whose result the driver had not stored"
    assert "is continued" in told


def test_a_search_killed_after_its_end_is_there_once(project: Workspace) -> None:
    """DVC has not noted it and calls the stage again: the run of before is taken, whichever of its last tags it has."""
    forget(project)
    values = yaml.safe_load(project.params.read_text())
    values["tune"].update(trials=6, executor="serial", workers=1)
    project.params.write_text(yaml.safe_dump(values, sort_keys=False))
    once = Counter(FINISHED=6 + 1), 6
    for die_at in ("terminated", "ended"):
        program = begin(project, 0.0, die_at)
        told, _ = program.communicate(timeout=300)
        assert program.returncode == -signal.SIGKILL, told[-4000:]
        assert stored(project) == once
    whole = folder_digest(project.arm("baseline", "tuning"))
    told = finish(begin(project, 0.0))
    assert stored(project) == once and "is continued" in told
    assert folder_digest(project.arm("baseline", "tuning")) == whole and set(ran(project).values()) == {1}
    with sqlite3.connect(project.home / "mlflow.db") as store:
        points = store.execute("SELECT COUNT(*) FROM metrics GROUP BY run_uuid, key, step").fetchall()
        tags = {key for (key,) in store.execute("SELECT key FROM tags")}
    assert set(points) == {(1,)} and "owner" not in tags


def test_a_second_process_waits_and_names_the_first(project: Workspace) -> None:
    forget(project)
    first = begin(project, seconds=0.5)
    while not (project.root / "ran.txt").is_file():
        assert first.poll() is None
        time.sleep(0.01)
    second = begin(project)
    told = finish(second)
    finish(first)
    assert f"process {first.pid} on" in told and "searches the same study" in told
    assert sum(ran(project).values()) == TRIALS == sum(studied(project).values())
