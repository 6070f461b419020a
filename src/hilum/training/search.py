"""The search of an arm's spaces: an Optuna study in a database, continued to N trials, each trial a short training."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import DatabaseError

from hilum.settings.search_space import Choices, Range

Values = dict[str, Any]
Train = Callable[[Values, Callable[[int, dict[str, float]], None]], dict[str, float]]


@dataclass(frozen=True)
class Watch:
    """Plain callbacks of a search: begun(number, values), epoch(number, step, metrics), ended(number, state, metrics)."""

    begun: Callable[[int, Values], None]
    epoch: Callable[[int, int, dict[str, float]], None]
    ended: Callable[[int, str, dict[str, float]], None]


@dataclass(frozen=True)
class Found:
    """best: value per space; trials: one row per trial (number, state, value, values, metrics); history: one row per epoch."""

    best: Values
    trials: pd.DataFrame
    history: pd.DataFrame


def study_name(arm: str, made_of: Mapping[str, Any]) -> str:
    """The arm and a hash of all that decides a trial's outcome: other spaces, settings, data or weights are another study."""
    return f"{arm}-{hashlib.sha256(json.dumps(made_of, sort_keys=True, default=str).encode()).hexdigest()[:16]}"


def search(
    name: str,
    spaces: Mapping[str, Range | Choices],
    trials: int,
    startup_trials: int,
    seed: int,
    database: Path,
    train: Train,
    watch: Watch,
) -> Found:
    """Bring the study to `trials` finished trials and return what it found; every value's `start` if trials is 0.

    Trial 0 is `start`. The sampler is seeded by seed and trial number, so that a search that was interrupted and continued finds
    what an uninterrupted one does. A trial that was cut off is run again with its values.
    train: from values and a report per epoch to validation metrics, the selecting one under `select` (higher is better); the
    report raises where the pruner ends the trial.
    """
    start = {key: space.start for key, space in spaces.items()}
    if not trials or not spaces:
        return Found(start, pd.DataFrame(columns=["number", "state", "value"]), pd.DataFrame(columns=["trial", "step"]))
    database.parent.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=startup_trials, n_warmup_steps=3)
    try:
        study = optuna.create_study(
            storage=f"sqlite:///{database}", study_name=name, load_if_exists=True, direction="maximize", pruner=pruner
        )
    except DatabaseError as error:
        raise ValueError(f"studies must be readable, got {error.orig} for {database}; delete it to search anew") from error
    for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params, user_attrs={"again": trial.number})
    if not study.get_trials(deepcopy=False):
        study.enqueue_trial(start)
    for number, trial in enumerate(_done(study)):  # of an earlier, interrupted call: shown again, so that one record holds all
        _replay(number, trial, watch)
    while len(_done(study)) < trials:
        _run(study, spaces, seed, train, watch)
    done = _done(study)
    if not any(trial.state == TrialState.COMPLETE for trial in done):
        raise ValueError(f"a search must finish a trial, but all {len(done)} of {name} were pruned; raise tune.startup_trials")
    return Found(dict(study.best_trial.params), _trials(done), _history(done))


def _run(study: optuna.Study, spaces: Mapping[str, Range | Choices], seed: int, train: Train, watch: Watch) -> None:
    # Numbered by finished trials, so that a repeated trial draws what the one it stands for drew.
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(_done(study)), n_startup_trials=5)
    trial = study.ask()
    values = {key: _suggest(trial, key, space) for key, space in spaces.items()}
    number = len(_done(study))
    watch.begun(number, values)
    history: list[dict[str, float]] = []

    def on_epoch(step: int, metrics: dict[str, float]) -> None:
        history.append({"step": step, **metrics})
        watch.epoch(number, step, metrics)
        trial.report(metrics["select"], step)
        if trial.should_prune():
            raise optuna.TrialPruned

    try:
        metrics = train(values, on_epoch)
        # A training that diverged has no value to compare, which Optuna's database allows of pruned trials only.
        state = TrialState.COMPLETE if math.isfinite(metrics["select"]) else TrialState.PRUNED
    except optuna.TrialPruned:
        metrics, state = {key: value for key, value in history[-1].items() if key != "step"}, TrialState.PRUNED
    trial.set_user_attr("history", history)
    trial.set_user_attr("metrics", metrics)
    study.tell(trial, metrics["select"] if state == TrialState.COMPLETE else None, state=state)
    watch.ended(number, state.name, metrics)


def _suggest(trial: optuna.Trial, key: str, space: Range | Choices) -> Any:
    if isinstance(space, Choices):
        return trial.suggest_categorical(key, space.choices)
    if key.endswith("epochs"):
        return trial.suggest_int(key, int(space.low), int(space.high), log=space.log)
    return trial.suggest_float(key, space.low, space.high, log=space.log)


def _done(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=[TrialState.COMPLETE, TrialState.PRUNED])


def _replay(number: int, trial: FrozenTrial, watch: Watch) -> None:
    watch.begun(number, dict(trial.params))
    for row in trial.user_attrs["history"]:
        watch.epoch(number, row["step"], {key: value for key, value in row.items() if key != "step"})
    watch.ended(number, trial.state.name, trial.user_attrs["metrics"])


def _trials(done: list[FrozenTrial]) -> pd.DataFrame:
    rows = [
        {"number": i, "state": t.state.name, "value": t.user_attrs["metrics"]["select"], **t.params, **t.user_attrs["metrics"]}
        for i, t in enumerate(done)
    ]
    return pd.DataFrame(rows).drop(columns="select")


def _history(done: list[FrozenTrial]) -> pd.DataFrame:
    rows = [{"trial": i, **row} for i, trial in enumerate(done) for row in trial.user_attrs["history"]]
    return pd.DataFrame(rows).drop(columns="select")
