"""The learning rate during a phase: warm-up batch by batch, then constant, along a cosine, or reduced on a plateau."""

import math

import numpy as np
from numpy.typing import NDArray

from hilum.settings.training import Phase, Schedule


def epoch_rate(phase: Phase, warmup: float, epoch: int) -> float:
    """The learning rate of an epoch, counted from 0; with `decay: cosine` along half a cosine over the phase's epochs.

    warmup: epochs before which it does not fall; see `warm_up`.

    Source: Loshchilov and Hutter 2017, arXiv 1608.03983, without restarts.
    """
    whole = 1.0
    if phase.decay == "cosine" and epoch > warmup:
        whole = 0.5 * (1 + math.cos(math.pi * (epoch - warmup) / (int(phase.epochs) - warmup)))  # type: ignore[arg-type]
    return float(phase.learning_rate) * whole  # type: ignore[arg-type]


def warm_up(warmup: float, epoch: int, batches: int) -> NDArray[np.float64]:
    """The share of the learning rate at each batch of an epoch, (batches,): equal steps up to 1 over `warmup` epochs.

    Source: Goyal et al. 2017, arXiv 1706.02677, section 2.2.
    """
    if not warmup:
        return np.ones(batches)
    return np.minimum(1.0, (epoch * batches + np.arange(1, batches + 1)) / (warmup * batches))


class Course:
    """The learning rates of one phase, epoch by epoch.

    With `decay: plateau` the rate is multiplied by `plateau_factor` after every `plateau_patience` epochs without improvement of
    the selecting validation metric, counted anew after each improvement and each reduction.
    """

    def __init__(self, phase: Phase, schedule: Schedule) -> None:
        self.phase, self.schedule = phase, schedule
        self.reduced, self.waited = 1.0, 0

    def rates(self, epoch: int, batches: int) -> NDArray[np.float64]:
        """The learning rate at each batch of an epoch, (batches,)."""
        warmup = self.schedule.warmup
        return self.reduced * epoch_rate(self.phase, warmup, epoch) * warm_up(warmup, epoch, batches)

    def note(self, improved: bool) -> None:
        """To be called after each epoch; improved: whether the selecting metric was its best so far."""
        self.waited = 0 if improved else self.waited + 1
        if self.phase.decay == "plateau" and self.waited == self.schedule.plateau_patience:
            self.reduced, self.waited = self.reduced * self.schedule.plateau_factor, 0
