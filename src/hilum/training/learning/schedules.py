"""The learning rate in the course of a phase: it rises batch by batch, then stays, falls along a cosine, or on a plateau."""

import math

import numpy as np
from numpy.typing import NDArray

from hilum.settings.training import Phase, Schedule


def epoch_rate(phase: Phase, warmup: float, epoch: int) -> float:
    """The learning rate of an epoch, counted from 0; with `decay: cosine` it falls along half a cosine over the phase's epochs.

    warmup: epochs before which it does not fall; see `warm_up`.

    Source: Loshchilov and Hutter 2017, arXiv 1608.03983, without restarts.
    """
    whole = 1.0
    if phase.decay == "cosine":
        whole = 0.5 * (1 + math.cos(math.pi * max(0.0, epoch - warmup) / (int(phase.epochs) - warmup)))  # type: ignore[arg-type]
    return float(phase.learning_rate) * whole  # type: ignore[arg-type]


def warm_up(warmup: float, epoch: int, batches: int) -> NDArray[np.float64]:
    """The share of the learning rate at each batch of an epoch, (batches,): it rises in equal steps over `warmup` epochs to 1.

    Source: Goyal et al. 2017, arXiv 1706.02677, section 2.2.
    """
    if not warmup:
        return np.ones(batches)
    return np.minimum(1.0, (epoch * batches + np.arange(1, batches + 1)) / (warmup * batches))


class Course:
    """The learning rates of one phase, epoch by epoch.

    With `decay: plateau` each `plateau_patience` epochs without improvement multiply the rate by `plateau_factor`; they are
    counted on the validation metric that selects, anew after each improvement and after each reduction.
    """

    def __init__(self, phase: Phase, schedule: Schedule) -> None:
        self.phase, self.schedule = phase, schedule
        self.reduced, self.waited = 1.0, 0

    def rates(self, epoch: int, batches: int) -> NDArray[np.float64]:
        """The learning rate at each batch of an epoch, (batches,)."""
        warmup = self.schedule.warmup
        return self.reduced * epoch_rate(self.phase, warmup, epoch) * warm_up(warmup, epoch, batches)

    def note(self, improved: bool) -> None:
        """Told after each epoch whether the metric that selects was above all before it."""
        self.waited = 0 if improved else self.waited + 1
        if self.phase.decay == "plateau" and self.waited == self.schedule.plateau_patience:
            self.reduced, self.waited = self.reduced * self.schedule.plateau_factor, 0
