"""A search that is killed at random instants, its driver or a worker, until it has ended; and what it left."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from empty_store import make_store
from forked_searches import Forked

from hilum.results import folder_digest
from hilum.workspace import Workspace

Program = subprocess.Popen[str] | Forked
PROGRAM = Path(__file__).resolve().parent / "killed_search.py"
SETTINGS = {"batch": 4, "executor": "processes", "workers": 2, "threads": 1, "startup_trials": 4}  # of `tune`


def begin(workspace: Workspace, seconds: float = 0.02, *die_at: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PROGRAM.parent), *sys.path])}
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), str(workspace.root), str(seconds), *die_at],
        **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "env": environment, "start_new_session": True},
    )


def finish(program: Program) -> str:
    out, _ = program.communicate(timeout=1800)
    assert program.returncode == 0, out[-4000:]
    return out


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


def workers_of(program: Program) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        children = [(one, " ".join(one.cmdline())) for one in psutil.Process(program.pid).children()]
        return [one for one, command in children if "spawn_main" in command or "forked_searches" in command]
    return []


def kill_random(program: Program, rng: np.random.Generator, whole: float, what: str) -> bool:
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


@dataclass
class Kills:
    """What was killed, in how many searches, and what each search left that was killed at least once."""

    killed: Counter[str] = field(default_factory=Counter)
    searches: int = 0
    equal: int = 0  # searches whose files are those of one that nobody disturbed
    trials: Counter[str] = field(default_factory=Counter)  # states in Optuna
    runs: Counter[str] = field(default_factory=Counter)  # states in MLflow
    whole: int = 0  # searches with each trial once, in both


def kill_searches(
    project: Workspace, trials: int, kills: int, seed: int, minutes: float = 60, start: Callable[[Workspace], Program] = begin
) -> Kills:
    """Search undisturbed, then again and again with random kills, every second one of a worker, until there were so many.

    minutes: after which no further kill is made. start: begins a search.
    """
    end = time.monotonic() + 60 * minutes
    forget(project)
    begun = time.monotonic()
    finish(start(project))
    seconds, alone = time.monotonic() - begun, folder_digest(project.arm("baseline", "tuning"))
    assert sum(ran(project).values()) == trials and stored(project) == (Counter(FINISHED=trials + 1), trials)
    rng, found = np.random.default_rng(seed), Kills()
    while sum(found.killed.values()) < kills and time.monotonic() < end:
        forget(project)
        program = start(project)
        while sum(found.killed.values()) < kills and time.monotonic() < end:
            what = ("driver", "worker")[sum(found.killed.values()) % 2]
            if not kill_random(program, rng, seconds, what):
                break
            found.killed[what] += 1
            if what == "driver":
                program = start(project)
        finish(program)
        found.searches += 1
        found.equal += folder_digest(project.arm("baseline", "tuning")) == alone
        states, (runs, names) = studied(project), stored(project)
        found.trials += states
        found.runs += runs
        found.whole += sum(states.values()) == trials and (runs, names) == (Counter(FINISHED=trials + 1), trials)
    return found
