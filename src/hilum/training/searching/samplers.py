"""Who proposes the values of a trial, and who stops one: Optuna's samplers and pruners by the words of `tune`."""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from hilum.settings.meaning import is_whole
from hilum.settings.search_space import Choices, Range
from hilum.settings.tune import Tune

Spaces = Mapping[str, Range | Choices]


def suggest(trial: optuna.Trial, key: str, space: Range | Choices) -> Any:
    """The value of a space in a trial."""
    if isinstance(space, Choices):
        return trial.suggest_categorical(key, space.choices)
    if is_whole(key):
        return trial.suggest_int(key, int(space.low), int(space.high), log=space.log, step=int(space.step or 1))
    return trial.suggest_float(key, space.low, space.high, log=space.log, step=space.step)


def distribution_of(key: str, space: Range | Choices) -> BaseDistribution:
    """What `suggest` draws from, for a trial that is made from a table."""
    if isinstance(space, Choices):
        return CategoricalDistribution(space.choices)
    if is_whole(key):
        return IntDistribution(int(space.low), int(space.high), log=space.log, step=int(space.step or 1))
    return FloatDistribution(space.low, space.high, log=space.log, step=space.step)


def grid_points(key: str, space: Range | Choices, count: int) -> list[Any]:
    """The values of a space on the grid: all choices or steps, else `count` points from low to high, both included."""
    if isinstance(space, Choices):
        return list(space.choices)
    if space.step is not None:
        count = round((space.high - space.low) / space.step) + 1
    drawn = (np.geomspace if space.log else np.linspace)(space.low, space.high, count)
    drawn[[0, -1]] = space.low, space.high  # without rounding
    return sorted({round(value) for value in drawn.tolist()}) if is_whole(key) else drawn.tolist()


def most_trials(tune: Tune, spaces: Spaces) -> int:
    """How many trials a search has at most: `tune.trials`; on a grid no more than `start` and its points."""
    if tune.sampler != "grid":
        return tune.trials
    return min(tune.trials, 1 + math.prod(len(grid_points(key, space, tune.grid)) for key, space in spaces.items()))


def make_sampler(tune: Tune, spaces: Spaces, number: int) -> BaseSampler:
    """The sampler of one trial: seeded by its number, so that it proposes the same after an interruption.

    Raises:
        ImportError: the sampler needs a package that is not installed.
    """
    with _known_experiments():
        return SAMPLERS[tune.sampler](tune, spaces, tune.seed + number)


def make_pruner(tune: Tune) -> BasePruner:
    """The pruner that `tune` names."""
    with _known_experiments():
        return PRUNERS[tune.pruner](tune)


@contextmanager
def _known_experiments() -> Iterator[None]:
    """Brute force and the Wilcoxon pruner, which Optuna warns of as experimental: its version is pinned."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


def _tpe(tune: Tune, spaces: Spaces, seed: int) -> BaseSampler:
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=tune.sampler_startup)


def _cmaes(tune: Tune, spaces: Spaces, seed: int) -> BaseSampler:
    return optuna.samplers.CmaEsSampler(seed=seed, n_startup_trials=tune.sampler_startup, warn_independent_sampling=False)


def _random(tune: Tune, spaces: Spaces, seed: int) -> BaseSampler:
    return optuna.samplers.RandomSampler(seed=seed)


def _grid(tune: Tune, spaces: Spaces, seed: int) -> BaseSampler:
    points = {key: grid_points(key, space, tune.grid) for key, space in spaces.items()}
    return optuna.samplers.GridSampler(points, seed=tune.seed)  # the order of the grid must be one for all trials


def _brute_force(tune: Tune, spaces: Spaces, seed: int) -> BaseSampler:
    return optuna.samplers.BruteForceSampler(seed=seed)


def _gp(tune: Tune, spaces: Spaces, seed: int) -> BaseSampler:
    return optuna.samplers.GPSampler(seed=seed, n_startup_trials=tune.sampler_startup)


SAMPLERS: dict[str, Callable[[Tune, Spaces, int], BaseSampler]] = {
    "tpe": _tpe,
    "cmaes": _cmaes,
    "random": _random,
    "grid": _grid,
    "brute_force": _brute_force,
    "gp": _gp,
}
EXHAUSTIVE = ("brute_force",)  # end when they propose what was tried
PRUNERS: dict[str, Callable[[Tune], BasePruner]] = {
    "none": lambda tune: optuna.pruners.NopPruner(),
    "median": lambda tune: optuna.pruners.MedianPruner(
        n_startup_trials=tune.startup_trials, n_warmup_steps=0 if tune.parts > 1 else 3
    ),
    "hyperband": lambda tune: optuna.pruners.HyperbandPruner(),
    "wilcoxon": lambda tune: optuna.pruners.WilcoxonPruner(),
}
