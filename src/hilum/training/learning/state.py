"""All that a training carries from one epoch to the next, in one place: what must be stored to continue it to the same bytes."""

from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from hilum.training.learning.averaging import Averaging
from hilum.training.learning.schedules import Course

Arrays = list[NDArray[np.generic]]


@dataclass
class State:
    """A training between two epochs.

    history, penalties: as in `Fitted`. best, best_step, best_weights: value, step and weights of the best epoch so far, step -1
    before the first. phase: the one in progress; epoch: how many of its epochs are done; since: how many of these since the last
    improvement. reduced, waited: of its `Course`. averaged: steps in its average.
    seeds: of the layers that draw random numbers (dropout); all other randomness depends on seed and step alone.
    weights, optimizer, averages: of the phase after its last epoch, empty before its first. These, `seeds`, `reduced`, `waited`
    and `averaged` are filled in when a state is stored; the rest is always current.
    """

    best_weights: Arrays
    best: float = -np.inf
    best_step: int = -1
    history: list[dict[str, Any]] = field(default_factory=list)
    penalties: dict[int, float] = field(default_factory=dict)
    phase: int = 0
    epoch: int = 0
    since: int = 0
    reduced: float = 1.0
    waited: int = 0
    averaged: int = 0
    seeds: Arrays = field(default_factory=list)
    weights: Arrays = field(default_factory=list)
    optimizer: Arrays = field(default_factory=list)
    averages: Arrays = field(default_factory=list)

    def begin_phase(self, number: int) -> None:
        """Nothing but the best epoch and the random numbers of layers goes from one phase into the next."""
        self.phase, self.epoch, self.since = number, 0, 0
        self.reduced, self.waited, self.averaged = 1.0, 0, 0
        self.weights, self.optimizer, self.averages = [], [], []


@dataclass(frozen=True)
class Parts:
    """The parts of a phase that change from epoch to epoch."""

    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    course: Course
    average: Averaging | None

    def complete(self, state: State) -> State:
        """The state with their current values."""
        return replace(
            state,
            reduced=self.course.reduced,
            waited=self.course.waited,
            weights=self.model.get_weights(),
            optimizer=[variable.numpy() for variable in self.optimizer.variables],
            averaged=self.average.steps if self.average else 0,
            averages=[average.numpy() for average in self.average.averages] if self.average else [],
        )

    def restore(self, state: State) -> None:
        """Give them the values of a state that `complete` made."""
        self.course.reduced, self.course.waited = state.reduced, state.waited
        self.model.set_weights(state.weights)
        for variable, value in zip(self.optimizer.variables, state.optimizer, strict=True):
            variable.assign(value)
        if self.average:
            self.average.steps = state.averaged
            for average, value in zip(self.average.averages, state.averages, strict=True):
                average.assign(value)


def read_seeds(model: keras.Model) -> Arrays:
    """The state of each random generator of the layers, such as that of dropout: `get_weights` leaves them out."""
    return [variable.numpy() for variable in _seed_variables(model)]


def write_seeds(model: keras.Model, seeds: Arrays) -> None:
    for variable, value in zip(_seed_variables(model), seeds, strict=True):
        variable.assign(value)


def _seed_variables(model: keras.Model) -> list[keras.Variable]:
    weights = {id(weight) for weight in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]
