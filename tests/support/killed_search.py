"""A search in a process of its own, with a store and a study, whose trials cost next to nothing: what kills of it leave.

    python tests/support/killed_search.py ROOT SECONDS_PER_EPOCH [DIE_AT]

The stage `tune` searches an arm in a project that has no films: what trains a trial is replaced by a formula, and writes down
into ROOT/ran.txt that it began and that it ended. DIE_AT: it kills itself after a step of the parent run's end, `terminated` (the
run has its status, not yet its last tags) or `ended` (the stage has ended, the process has not).
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hilum.stages import tune
from hilum.tracking import store
from hilum.training.searching.pruning import Ask, Outcome, run_trial

EPOCHS = 4


def note(root: Path, line: str) -> None:
    with (root / "ran.txt").open("a") as file:
        file.write(f"{line}\n")


def prepare_formula(shared: Any) -> Callable[[Ask], Outcome]:
    """In the place of `tune.prepare_trials`: the loss is lowest at a rate of 3e-3 without dropout."""
    root = shared.workspace.root

    def work(ask: Ask) -> Outcome:
        def train(values: dict[str, Any], report: Callable[[int, dict[str, float]], None]) -> dict[str, float]:
            note(root, f"begun {ask.number} {os.getpid()}")
            loss = 0.4 + abs(values["phases.0.learning_rate"] - 3e-3) * 50 + values["head.dropout"] / 10
            for step in range(EPOCHS):
                time.sleep(float(sys.argv[2]))
                reached = loss + 0.1 * (EPOCHS - 1 - step)
                report(step, {"step": step, "phase": 0, "epoch": step, "val/log_loss": reached, "select": -reached})
            return {"val/log_loss": loss, "select": -loss}

        outcome = run_trial(ask, shared.params.tune, train)
        note(root, f"ended {ask.number} {os.getpid()}")
        return outcome

    return work


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def plant_death() -> None:
    """Let this process die once the parent run has its status."""
    end_run = store.end_run

    def ended(client: Any, run_id: str, *more: Any) -> None:
        end_run(client, run_id, *more)
        if client.get_run(run_id).info.run_name == "tune-baseline":
            die()

    store.end_run = ended


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    tune.prepare_trials = prepare_formula
    if "terminated" in sys.argv:
        plant_death()
    tune.run("baseline")
    if "ended" in sys.argv:
        die()
