"""The values of trials, batch by batch: drawn in memory from the trials of finished batches alone, whoever runs them and when."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import optuna
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from hilum.settings.meaning import draw_order, is_searched
from hilum.settings.tune import Tune
from hilum.training.searching.pruning import Ask, Outcome, Past, Values
from hilum.training.searching.samplers import EXHAUSTIVE, Spaces, make_pruner, make_sampler, suggest

METRICS, HISTORY, NUMBER = "metrics", "history", "number"  # attributes of a stored trial


class Proposals:
    """A study in memory, in which trials stand in the order of their numbers.

    signs: metric -> 1 where higher is better, else -1.
    """

    def __init__(self, name: str, spaces: Spaces, tune: Tune, signs: Mapping[str, int]) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.name, self.spaces, self.tune, self.signs = name, spaces, tune, signs
        self.storage = InMemoryStorage()
        pruner = make_pruner(tune)  # some share their trials out, which the sampler must know
        self.study = optuna.create_study(
            study_name=name, storage=self.storage, directions=["maximize"] * len(signs), pruner=pruner
        )

    @property
    def count(self) -> int:
        """How many trials were proposed."""
        return len(self.study.get_trials(deepcopy=False))

    def add(self, trial: FrozenTrial) -> None:
        """Add the next finished trial."""
        self.study.add_trial(trial)

    def propose(self, count: int) -> list[Ask]:
        """The next trials, up to `count`; fewer if the sampler has tried everything.

        Raises:
            ImportError: the sampler needs a package that is not installed.
        """
        past, asked = self._past(), []
        seen = {_as_key(trial.params) for trial in self.study.get_trials(deepcopy=False)}
        for _ in range(count):
            number = self.count
            self.study.sampler = make_sampler(self.tune, self.spaces, number)
            if not number:
                self.study.enqueue_trial({key: space.start for key, space in self.spaces.items()})
            trial = self.study.ask()
            drawn: Values = {}
            for key in draw_order(self.spaces):
                if is_searched(self.spaces[key], drawn):
                    drawn[key] = suggest(trial, key, self.spaces[key])
            if self.tune.sampler in EXHAUSTIVE and _as_key(drawn) in seen:
                break
            seen.add(_as_key(drawn))
            asked.append(Ask(self.name, number, self._complete(drawn), past))
        return asked

    def freeze(self, number: int, outcome: Outcome) -> FrozenTrial:
        """A proposed trial with its outcome, as it is stored."""
        trial = self.study.get_trials(deepcopy=False)[number]
        complete = outcome.state == "COMPLETE"
        return create_trial(
            state=TrialState.COMPLETE if complete else TrialState.PRUNED,
            values=[sign * outcome.metrics[f"val/{metric}"] for metric, sign in self.signs.items()] if complete else None,
            params=trial.params,
            distributions=trial.distributions,
            intermediate_values=outcome.reached if len(self.signs) == 1 else {},
            system_attrs={**trial.system_attrs, **outcome.attrs},
            user_attrs={NUMBER: number, METRICS: outcome.metrics, HISTORY: outcome.history},
        )

    def settle(self, trials: Iterable[FrozenTrial]) -> None:
        """Enter what proposed trials gave, so that the next batch is drawn from it."""
        study_id = self.storage.get_study_id_from_name(self.name)
        for trial in trials:
            own = self.storage.get_trial_id_from_study_id_trial_number(study_id, trial.user_attrs[NUMBER])
            for step, value in trial.intermediate_values.items():
                self.storage.set_trial_intermediate_value(own, step, value)
            for key, note in trial.system_attrs.items():
                self.storage.set_trial_system_attr(own, key, note)
            self.storage.set_trial_state_values(own, trial.state, trial.values)

    def complete_values(self, trial: FrozenTrial) -> Values:
        """A value for each space of a stored trial; `start` for those that were not searched in it."""
        return self._complete(trial.params)

    def _complete(self, drawn: Mapping[str, Any]) -> Values:
        return {key: drawn.get(key, space.start) for key, space in self.spaces.items()}

    def _past(self) -> tuple[Past, ...]:
        if self.tune.pruner == "none":
            return ()
        return tuple(
            Past(
                trial.number,
                trial.state == TrialState.COMPLETE,
                trial.values[0] if trial.values else None,
                trial.intermediate_values,
                trial.system_attrs,
            )
            for trial in self.study.get_trials(deepcopy=False)
        )


def _as_key(values: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(values.items()))


def find_front(points: Sequence[Sequence[float]]) -> list[int]:
    """The positions of the points (higher is better) that no other point dominates: none is as good in all and better in one."""

    def beats(one: Sequence[float], other: Sequence[float]) -> bool:
        return all(a >= b for a, b in zip(one, other, strict=True)) and any(a > b for a, b in zip(one, other, strict=True))

    return [i for i, point in enumerate(points) if not any(beats(other, point) for other in points)]


def pick_from_front(points: Sequence[Sequence[float]]) -> int:
    """The position of the point of the front that is nearest to the best of everything.

    Each objective is scaled so that the front extends from 0 to 1; of equally near points the first one.
    """
    front = find_front(points)
    lows, highs = ([edge(points[i][k] for i in front) for k in range(len(points[0]))] for edge in (min, max))

    def distance(i: int) -> float:
        scaled = [(high - value) / (high - low or 1.0) for value, low, high in zip(points[i], lows, highs, strict=True)]
        return float(sum(part**2 for part in scaled))

    return min(front, key=distance)
