"""What `killed_processes` runs: trainings that are continued from a state, and where they kill themselves."""

import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
from tiny_fit import TRAIN, fit
from tiny_task import log_loss, make_model, make_phase, make_settings

from hilum import cli
from hilum.models.classifier import model_sha256
from hilum.settings.params import Tracking
from hilum.settings.training import ConvexPhase
from hilum.stages import audit, compare, crossvalidate, evaluate, explain, external, pretrain, train, tune
from hilum.tracking import kept_parts
from hilum.tracking.open_run import Run
from hilum.tracking.opening import open_store
from hilum.training.kept_trainings import keep_trainings
from hilum.training.learning import kept_state
from hilum.training.learning.fit import begin_training
from hilum.training.learning.imbalance import Sampling
from hilum.workspace import Workspace

PHASES = [
    make_phase("head", 3, rate=3e-2),
    ConvexPhase(unfreeze="head", solver="convex", penalty=0.01),
    make_phase("all", 3, rate=1e-3, batch_norm="train", decay="plateau"),
]
SETTINGS = make_settings(
    optimizer={"name": "adamw", "weight_decay": 0.05, "clip": 0.1},
    batch_size=8,  # so that all batches have one size, and the step is traced once
    schedule={"warmup": 1.5, "plateau_factor": 0.5, "plateau_patience": 1},
    label_smoothing=0.1,
    mixup=0.4,
    averaging=0.9,
)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fickle_score(labels: Any, probabilities: Any) -> dict[str, float]:
    """The last digits of the loss select: a difference in a bit is another best epoch, another rate and another end."""
    loss = log_loss(labels, probabilities)
    return {"val/log_loss": loss, "select": loss * 1e4 % 1}


def train_tiny(folder: str, out: str, die_at: str = "", step: int = -1, interval: float = 0.0, **decides: Any) -> None:
    """Train, and write the hash of the model and the history.

    die_at: `epoch` (before the state of that step is stored), `stored` (right after) or `rename` (written, not yet renamed).
    """
    begin_training(3)
    kept_state.INTERVAL = interval
    plant_death(die_at, step)
    model, seen = make_model(dropout=0.4), []

    def on_epoch(number: int, metrics: dict[str, float]) -> None:
        seen.append(number)
        if die_at == "epoch" and number == step:
            die()

    sample = Sampling("none", np.arange(24), np.linspace(0.5, 1.5, 24))
    with keep_trainings(Path(folder), "train") as trainings:
        kept = trainings.keep("tiny", {"params": 1, **decides})
        fitted = fit(
            *(model, PHASES, Path(folder) / "features", TRAIN),
            **{"settings": SETTINGS, "score": fickle_score, "on_epoch": on_epoch, "shown": sample, "kept": kept},
        )
        told = {"model": model_sha256(model), "history": fitted.history.to_csv(), "best": fitted.best_step, "seen": seen}
        told |= {"trained": fitted.trained, "cuts": fitted.cuts, "penalties": fitted.penalties}
        Path(out).write_text(json.dumps(told))


def plant_death(die_at: str, step: int) -> None:
    """Let this process die while or after it stores the state of that step."""
    write: Callable[..., None] = kept_state.write_state
    rename = Path.replace

    def written(file: Path, state: Any, decides: Any) -> None:
        write(file, state, decides)
        if die_at == "stored" and len(state.history) == step + 1:
            die()

    def renamed(self: Path, target: Any) -> Any:
        if die_at == "rename" and self.suffix == ".writing":
            die()
        return rename(self, target)

    kept_state.write_state = written
    Path.replace = renamed  # type: ignore[method-assign]


def plant_death_after_parts(count: int) -> None:
    """Let this process die once it has stored so many parts."""
    write, stored = kept_parts.write_value, itertools.count(1)

    def written(file: Path, value: Any) -> None:
        write(file, value)
        if next(stored) == count:
            die()

    kept_parts.write_value = written


STAGES: dict[str, Callable[..., Any]] = {
    **{"train": train.run, "crossvalidate": crossvalidate.run, "pretrain": pretrain.run, "tune": tune.run},
    **{"evaluate": evaluate.run, "compare": compare.run, "audit": audit.run, "external": external.run},
    "explain": lambda arm: explain.run(arm, "", "", "", "", ""),
}


def run_stage(project: str, stage: str, arguments: list[str], die_at: str = "", step: int = -1) -> None:
    """Run a stage in a project, storing the state of every epoch and every part.

    die_at: also `part` (once so many more are stored), `upload`, of the results, and `ended`.
    """
    kept_state.INTERVAL, kept_parts.LEAST = 0.0, 0.0
    plant_death(die_at, step)
    if die_at == "part":
        plant_death_after_parts(step)
    if die_at == "upload":
        Run.log_folder = lambda *_: die()  # type: ignore[method-assign]
    with chdir(project):
        STAGES[stage](*arguments)
    if die_at == "ended":
        die()


def run_stage_and_pause(project: str, stage: str, arguments: list[str], folder: str) -> None:
    """Run a stage that makes the file `begun` in a folder once it trains, and trains on when `go` is there."""
    begun, go = Path(folder) / "begun", Path(folder) / "go"
    write: Callable[..., None] = kept_state.write_state

    def written(file: Path, state: Any, decides: Any) -> None:
        write(file, state, decides)
        begun.touch()
        while not go.exists():
            time.sleep(0.05)

    kept_state.write_state = written
    run_stage(project, stage, arguments)


def open_new_store(folder: str) -> None:
    """Open the store of a project that has none."""
    open_store(Workspace(Path(folder), Path(folder)), Tracking(experiment="hilum", model="hilum", tensorboard=False))


def call_verb(project: str, words: list[str]) -> None:
    """Call a verb as a person does; its exit status is the process's."""
    with chdir(project):
        status = cli.main(words)
    sys.stdout.flush()
    os._exit(status)
