"""What a worker gets and gives for one trial: plain values, and a pruner that sees the batches that were finished before."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.trial import TrialState, create_trial

from hilum.settings.tune import Tune
from hilum.training.searching.samplers import make_pruner

Values = dict[str, Any]
Report = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Past:
    """What a pruner reads of a finished trial. reached: step -> value; attrs: the pruner's own notes."""

    number: int
    complete: bool
    value: float | None
    reached: Mapping[int, float]
    attrs: Mapping[str, Any]


@dataclass(frozen=True)
class Ask:
    """One trial to run. study: its name; values: one for each space; past: of finished batches, if a pruner reads them."""

    study: str
    number: int
    values: Values
    past: tuple[Past, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What a trial gave. history: a row per reported step; metrics: of its best epoch, the selecting one as `select`.

    state: COMPLETE or PRUNED. attrs: the notes of the pruner.
    """

    state: str
    metrics: dict[str, float]
    history: list[dict[str, float]]
    attrs: dict[str, Any] = field(default_factory=dict)

    @property
    def reached(self) -> dict[int, float]:
        """Step -> selecting value, for a pruner."""
        return {int(row["step"]): float(row["select"]) for row in self.history}


class Pruned(Exception):  # noqa: N818
    """The pruner ends a trial."""


def run_trial(ask: Ask, tune: Tune, train: Callable[[Values, Report], dict[str, float]]) -> Outcome:
    """Train with the values of a trial, and end it early where the pruner says so.

    train: from values and a report per step to validation metrics, the selecting one under `select` (higher is better); the
    report raises an exception if the pruner ends the trial.
    """
    history: list[dict[str, float]] = []
    pruner = _Pruner(ask, tune) if tune.pruner != "none" else None

    def report(step: int, metrics: dict[str, float]) -> None:
        history.append({**metrics, "step": step})
        if pruner and pruner.ends(step, metrics["select"]):
            raise Pruned

    try:
        metrics = train(ask.values, report)
        # A trial without a value of each metric cannot be compared, which Optuna's database allows for pruned trials only.
        state = "COMPLETE" if all(math.isfinite(metrics[f"val/{metric}"]) for metric in tune.metrics) else "PRUNED"
    except Pruned:
        metrics, state = {key: value for key, value in history[-1].items() if key != "step"}, "PRUNED"
    return Outcome(state, metrics, history, pruner.notes() if pruner else {})


class _Pruner:
    """Optuna's pruner over a study in memory: finished trials under their numbers, others as failed ones, which it skips."""

    def __init__(self, ask: Ask, tune: Tune) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # in a worker
        self.study = optuna.create_study(study_name=ask.study, direction="maximize", pruner=make_pruner(tune))
        known = {past.number: past for past in ask.past}
        self.study.add_trials([_frozen(known.get(number)) for number in range(ask.number)])
        self.trial = self.study.ask()

    def ends(self, step: int, value: float) -> bool:
        self.trial.report(value, step)
        return self.trial.should_prune()

    def notes(self) -> dict[str, Any]:
        return dict(self.study.trials[-1].system_attrs)


def _frozen(past: Past | None) -> optuna.trial.FrozenTrial:
    if past is None:
        return create_trial(state=TrialState.FAIL)
    return create_trial(
        state=TrialState.COMPLETE if past.complete else TrialState.PRUNED,
        value=past.value,
        intermediate_values=dict(past.reached),
        system_attrs=dict(past.attrs),
    )
