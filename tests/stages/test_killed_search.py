"""A search that is killed at random instants, the driver or a worker, ends in what one that nobody disturbed gives."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import yaml
from empty_store import forget_environment, make_store
from stepping import take_steps

from hilum.results import folder_digest
from hilum.stages import check
from hilum.workspace import Workspace

PROGRAM = Path(__file__).resolve().parents[1] / "support" / "killed_search.py"
TRIALS = 30
KILLS = int(os.environ.get("HILUM_KILLS", "4"))  # each takes some 10 s
SEED = 11


def begin(workspace: Workspace, seconds: float = 0.02, *die_at: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PROGRAM.parent), *sys.path])}
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), str(workspace.root), str(seconds), *die_at],
        **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "env": environment, "start_new_session": True},
    )


def finish(program: subprocess.Popen[str]) -> str:
    out, _ = program.communicate(timeout=300)
    assert program.returncode == 0, out[-4000:]
    return out


@pytest.fixture
def project(own_copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    forget_environment(monkeypatch)
    values = take_steps(yaml.safe_load(own_copy.params.read_text()))
    values["tune"].update(trials=TRIALS, batch=4, executor="processes", workers=2, threads=1, startup_trials=4)
    values["arms"]["baseline"]["weights"] = "none"
    own_copy.params.write_text(yaml.safe_dump(values, sort_keys=False))
    check.run()
    return own_copy


def forget(workspace: Workspace) -> None:
    """An empty store and no study."""
    shutil.rmtree(workspace.cache / "studies", ignore_errors=True)
    left = [*workspace.cache.glob("studies.db*"), *workspace.home.glob("mlflow.db*"), workspace.root / "ran.txt"]
    for file in left:  # with the journals of killed processes
        file.unlink(missing_ok=True)
    make_store(workspace.home)


def ran(workspace: Workspace) -> Counter[int]:
    """Number of a trial -> how often a worker ended it."""
    lines = (workspace.root / "ran.txt").read_text().splitlines()
    return Counter(int(line.split()[1]) for line in lines if line.startswith("ended"))


def studied(workspace: Workspace) -> Counter[str]:
    with sqlite3.connect(workspace.cache / "studies.db") as database:
        return Counter(state for (state,) in database.execute("SELECT state FROM trials"))


def stored(workspace: Workspace) -> tuple[Counter[str], int]:
    """The states of all runs, and how many distinct trials there are."""
    with sqlite3.connect(workspace.home / "mlflow.db") as store:
        runs: list[Any] = store.execute("SELECT name, status FROM runs WHERE lifecycle_stage = 'active'").fetchall()
    return Counter(status for _, status in runs), len({name for name, _ in runs if name.startswith("trial-")})


def workers_of(program: subprocess.Popen[str]) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return [one for one in psutil.Process(program.pid).children() if "spawn_main" in " ".join(one.cmdline())]
    return []


def kill_random(program: subprocess.Popen[str], rng: np.random.Generator, whole: float, what: str) -> bool:
    """Wait a random while, and for a worker to be there, then kill the driver or a worker; returns whether it had not ended."""
    end = time.monotonic() + float(rng.uniform(0, whole))
    while program.poll() is None and (time.monotonic() < end or (what == "worker" and not workers_of(program))):
        time.sleep(0.01)
    workers = workers_of(program)
    if program.poll() is not None or (what == "worker" and not workers):
        return False
    if what == "worker":
        workers[int(rng.integers(len(workers)))].kill()
    else:
        os.kill(program.pid, signal.SIGKILL)
        program.communicate()
    return True


@pytest.mark.slow
def test_random_kills_change_nothing(project: Workspace) -> None:
    forget(project)
    begun = time.monotonic()
    finish(begin(project))
    seconds, whole = time.monotonic() - begun, folder_digest(project.arm("baseline", "tuning"))
    assert sum(ran(project).values()) == TRIALS and stored(project) == (Counter(FINISHED=TRIALS + 1), TRIALS)
    rng, killed, searches = np.random.default_rng(SEED), Counter[str](), 0
    while sum(killed.values()) < KILLS:
        forget(project)
        searches += 1
        program = begin(project)
        while sum(killed.values()) < KILLS:
            what = ("driver", "worker")[sum(killed.values()) % 2]
            if not kill_random(program, rng, seconds, what):
                break
            killed[what] += 1
            if what == "driver":
                program = begin(project)
        finish(program)
        assert folder_digest(project.arm("baseline", "tuning")) == whole
        assert sum(studied(project).values()) == TRIALS and set(studied(project)) <= {"COMPLETE", "PRUNED"}
        assert stored(project) == (Counter(FINISHED=TRIALS + 1), TRIALS), "also where the kill came after the search had ended"
    print(f"{dict(killed)} in {searches} searches")
    assert min(killed["driver"], killed["worker"]) >= 1


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
