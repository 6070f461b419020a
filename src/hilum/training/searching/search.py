"""The search of an arm's spaces: the driver alone owns the study, draws batches of trials and stores what workers give back."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from hilum.ownership import Owner
from hilum.settings.search_space import Choices, Range
from hilum.settings.tune import Tune
from hilum.training.searching.proposals import HISTORY, METRICS, NUMBER, Proposals, find_front, pick_from_front
from hilum.training.searching.pruning import Ask, Outcome, Values
from hilum.training.searching.samplers import most_trials
from hilum.training.searching.studies import finished, open_study

RunBatch = Callable[[Mapping[int, Ask]], Iterator[tuple[int, Outcome]]]  # outcomes in the order in which they come


@dataclass(frozen=True)
class Watch:
    """Plain callbacks of a search: ended(number, values, outcome) of a trial, of earlier calls too; waits(owner) if another
    process has the study open; differs(text) if there are studies of the same arm, with what is different."""

    ended: Callable[[int, Values, Outcome], None]
    waits: Callable[[Owner], None]
    differs: Callable[[str], None]


@dataclass(frozen=True)
class Found:
    """best: value per space; trials: one row per trial (number, state, value, best, values, metrics); history: one per epoch."""

    best: Values
    trials: pd.DataFrame
    history: pd.DataFrame


def study_name(arm: str, made_of: Mapping[str, Any]) -> str:
    """The arm and a hash of all that decides a trial's outcome: other spaces, settings, data or weights make another study."""
    return f"{arm}-{_hash(made_of)[:16]}"


def study_parts(made_of: Mapping[str, Any]) -> dict[str, str]:
    """Part -> hash of what it is made of, stored with the study, so that a later difference can be named."""
    return {part: _hash(value) for part, value in made_of.items()}


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def search(
    name: str,
    spaces: Mapping[str, Range | Choices],
    tune: Tune,
    signs: Mapping[str, int],
    database: Path,
    run_batch: RunBatch,
    watch: Watch,
    parts: Mapping[str, str],
) -> Found:
    """Run the study up to `tune.trials` finished trials and return their results; every value's `start` if trials is 0.

    Trial 0 is `start`. The values of a batch are drawn from the trials of the batches before, by a sampler that is seeded by the
    trial's number: so trials are the same however many workers run them, after any interruption, and for any `tune.trials`. N
    trials are the first N, even if the study holds more. A trial is stored when it has finished, and not before.
    signs: metric -> 1 where higher is better, else -1; the keys are `tune.metrics`. If another process searches the study, this
    one waits. parts: from `study_parts`.

    Raises:
        ValueError: all trials were pruned, or the study cannot be opened or written (see `open_study`).
    """
    start = {key: space.start for key, space in spaces.items()}
    if not tune.trials or not spaces:
        return Found(start, pd.DataFrame(columns=["number", "state", "value"]), pd.DataFrame(columns=["trial", "step"]))
    proposals = Proposals(name, spaces, tune, signs)
    with open_study(name, database, len(signs), watch.waits, parts, watch.differs) as study:
        known = {trial.user_attrs[NUMBER]: trial for trial in finished(study)}
        done = _run_batches(study, known, proposals, tune, run_batch, watch)
    complete = [i for i, trial in enumerate(done) if trial.state == TrialState.COMPLETE]
    if not complete:
        raise ValueError(f"a search must finish a trial, but {_tell_unfinished(name, len(done), tune)}")
    best = complete[pick_from_front([done[i].values for i in complete])]
    return Found(proposals.complete_values(done[best]), _trials(done, best, proposals), _history(done))


def _tell_unfinished(name: str, trials: int, tune: Tune) -> str:
    """Why no trial has a value, and what helps."""
    metrics = " and ".join(tune.metrics)
    if tune.pruner == "none":
        return f"{metrics} was undefined in all {trials} of {name}; choose log_loss as tune.metric, or lower the learning rate"
    more = "raise tune.startup_trials, or " if tune.pruner == "median" else ""
    return f"all {trials} of {name} were pruned or had no value of {metrics}; {more}choose tune.pruner none"


def _run_batches(
    study: optuna.Study,
    known: dict[int, FrozenTrial],
    proposals: Proposals,
    tune: Tune,
    run_batch: RunBatch,
    watch: Watch,
) -> list[FrozenTrial]:
    """All trials in order. known: number -> trial that an earlier call finished."""
    begun, most, done = time.monotonic(), most_trials(tune, proposals.spaces), list[FrozenTrial]()
    while len(done) < most:
        size = min(tune.batch, most - len(done))
        numbers = range(len(done), len(done) + size)
        new = [number for number in numbers if number not in known]
        if new and tune.minutes and done and time.monotonic() - begun > 60 * tune.minutes:
            break
        for number in numbers:
            if number in known:
                watch.ended(number, proposals.complete_values(known[number]), outcome_of(known[number]))
        if not new:  # drawing its values again would give the same
            for number in numbers:
                proposals.add(known[number])
        else:
            asked = proposals.propose(size)
            values = {ask.number: ask.values for ask in asked}
            for number, outcome in run_batch({ask.number: ask for ask in asked if ask.number in new}):
                known[number] = proposals.freeze(number, outcome)
                study.add_trial(known[number])
                watch.ended(number, values[number], outcome)
            proposals.settle(known[ask.number] for ask in asked)
            if len(asked) < size:  # everything was tried
                return [*done, *(known[ask.number] for ask in asked)]
        done += [known[number] for number in numbers]
    return done


def outcome_of(trial: FrozenTrial) -> Outcome:
    """What a stored trial gave."""
    return Outcome(trial.state.name, trial.user_attrs[METRICS], trial.user_attrs[HISTORY])


def _trials(done: list[FrozenTrial], best: int, proposals: Proposals) -> pd.DataFrame:
    """value is the first metric itself, whether higher or lower is better; best marks the trial whose values are used; front,
    where there are several metrics, those from which it was picked."""
    complete = [i for i, trial in enumerate(done) if trial.state == TrialState.COMPLETE]
    front = {complete[i] for i in find_front([done[i].values for i in complete])}
    several = len(proposals.signs) > 1
    rows = [
        {
            "number": i,
            "state": trial.state.name,
            "value": trial.user_attrs[METRICS][f"val/{next(iter(proposals.signs))}"],
            "best": i == best,
            **({"front": i in front} if several else {}),
            **proposals.complete_values(trial),
            **trial.user_attrs[METRICS],
        }
        for i, trial in enumerate(done)
    ]
    return pd.DataFrame(rows).drop(columns="select")


def _history(done: list[FrozenTrial]) -> pd.DataFrame:
    rows = [{"trial": i, **row} for i, trial in enumerate(done) for row in trial.user_attrs[HISTORY]]
    return pd.DataFrame(rows).drop(columns="select")
