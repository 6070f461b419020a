"""The search of an arm's spaces: an Optuna study in a database, continued up to N trials, each a short training."""

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

from hilum.ownership import Owner
from hilum.settings.search_space import Choices, Range
from hilum.settings.training import Tune
from hilum.training.studies import finished, open_study

Values = dict[str, Any]
Train = Callable[[Values, Callable[[int, dict[str, float]], None]], dict[str, float]]


@dataclass(frozen=True)
class Watch:
    """Plain callbacks of a search: begun(number, values), epoch(number, step, metrics), ended(number, state, metrics) of trials;
    waits(owner) if another process has the study open."""

    begun: Callable[[int, Values], None]
    epoch: Callable[[int, int, dict[str, float]], None]
    ended: Callable[[int, str, dict[str, float]], None]
    waits: Callable[[Owner], None]


@dataclass(frozen=True)
class Found:
    """best: value per space; trials: one row per trial (number, state, value, best, values, metrics); history: one per epoch."""

    best: Values
    trials: pd.DataFrame
    history: pd.DataFrame


def study_name(arm: str, made_of: Mapping[str, Any]) -> str:
    """The arm and a hash of all that decides a trial's outcome: other spaces, settings, data or weights make another study."""
    return f"{arm}-{hashlib.sha256(json.dumps(made_of, sort_keys=True, default=str).encode()).hexdigest()[:16]}"


def search(name: str, spaces: Mapping[str, Range | Choices], tune: Tune, database: Path, train: Train, watch: Watch) -> Found:
    """Run the study up to `tune.trials` finished trials and return their results; every value's `start` if trials is 0.

    Trial 0 is `start`. N trials are the first N that finished, even if the study holds more. The sampler is seeded by seed and
    trial number, so that a search that was interrupted and continued finds the same as an uninterrupted one: an interrupted
    trial is run again with its values. If another process searches the study, this one waits.
    train: from values and a report per epoch to validation metrics, the selecting one under `select` (higher is better); the
    report raises an exception if the pruner ends the trial.

    Raises:
        ValueError: all trials were pruned, or the study cannot be opened or written (see `open_study`).
    """
    start = {key: space.start for key, space in spaces.items()}
    if not tune.trials or not spaces:
        return Found(start, pd.DataFrame(columns=["number", "state", "value"]), pd.DataFrame(columns=["trial", "step"]))
    pruner = optuna.pruners.MedianPruner(n_startup_trials=tune.startup_trials, n_warmup_steps=3)
    with open_study(name, database, pruner, watch.waits) as study:
        if not finished(study) and not study.get_trials(deepcopy=False, states=[TrialState.WAITING]):
            study.enqueue_trial(start)
        for number, trial in enumerate(finished(study)[: tune.trials]):  # of earlier calls, so that one record holds all
            _replay(number, trial, watch)
        while len(finished(study)) < tune.trials:
            _run(study, spaces, tune, train, watch)
        done = finished(study)[: tune.trials]
    complete = [trial for trial in done if trial.state == TrialState.COMPLETE]
    if not complete:
        raise ValueError(f"a search must finish a trial, but all {len(done)} of {name} were pruned; raise tune.startup_trials")
    best = max(complete, key=lambda trial: trial.user_attrs["metrics"]["select"])
    return Found(dict(best.params), _trials(done, done.index(best), tune.metric), _history(done))


def _run(study: optuna.Study, spaces: Mapping[str, Range | Choices], tune: Tune, train: Train, watch: Watch) -> None:
    number = len(finished(study))  # with this number, a repeated trial draws the same values
    study.sampler = optuna.samplers.TPESampler(seed=tune.seed + number, n_startup_trials=tune.sampler_startup)
    trial = study.ask()
    values = {key: _suggest(trial, key, space) for key, space in spaces.items()}
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
        # A training that diverged has no value to compare, which Optuna's database allows for pruned trials only.
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


def _replay(number: int, trial: FrozenTrial, watch: Watch) -> None:
    watch.begun(number, dict(trial.params))
    for row in trial.user_attrs["history"]:
        watch.epoch(number, row["step"], {key: value for key, value in row.items() if key != "step"})
    watch.ended(number, trial.state.name, trial.user_attrs["metrics"])


def _trials(done: list[FrozenTrial], best: int, metric: str) -> pd.DataFrame:
    """value is the metric itself, whether higher or lower is better; best marks the trial whose values are used."""
    rows = [
        {
            "number": i,
            "state": trial.state.name,
            "value": trial.user_attrs["metrics"][f"val/{metric}"],
            "best": i == best,
            **trial.params,
            **trial.user_attrs["metrics"],
        }
        for i, trial in enumerate(done)
    ]
    return pd.DataFrame(rows).drop(columns="select")


def _history(done: list[FrozenTrial]) -> pd.DataFrame:
    rows = [{"trial": i, **row} for i, trial in enumerate(done) for row in trial.user_attrs["history"]]
    return pd.DataFrame(rows).drop(columns="select")
