"""One trial of a search: a short training with given values for an arm's spaces, or several whose mean counts."""

from collections.abc import Callable, Sequence

import numpy as np

from hilum.records import Score
from hilum.settings.meaning import settle
from hilum.settings.training import Arm
from hilum.training.learning.arms import Task, train_arm
from hilum.training.learning.fit import OnEpoch, OnFilm
from hilum.training.searching.pruning import Report, Values
from hilum.training.task import FIT_CODE, FIT_LIBRARIES

# What decides the trials of a study and their results.
TRIAL_CODE = (
    *FIT_CODE,
    *(f"training/searching/{name}.py" for name in ("proposals", "pruning", "samplers", "search", "studies")),
    *("training/trial.py", "training/trial_films.py", "data/folds.py", "data/splits.py"),
)
TRIAL_LIBRARIES = (*FIT_LIBRARIES, "optuna")


def train_trial(arm: Arm, task: Task, phases: int, score: Score, on_epoch: OnEpoch, on_film: OnFilm) -> dict[str, float]:
    """The best epoch's validation metrics, the selecting one also as `select` (higher is better).

    arm: without spaces, from `settle`. phases: how many of its phases are trained.
    """
    seen: dict[int, dict[str, float]] = {}

    def note(step: int, metrics: dict[str, float]) -> None:
        seen[step] = metrics
        on_epoch(step, metrics)

    _, fitted = train_arm(arm, task, phases, score, note, on_film)
    best = seen[fitted.best_step]
    return {key: float(value) for key, value in best.items() if key.startswith("val/") or key == "select"}


def train_parts(
    arm: Arm,
    values: Values,
    tasks: Sequence[Callable[[Arm], Task]],
    phases: int,
    score: Score,
    report: Report,
    on_film: OnFilm,
) -> dict[str, float]:
    """The metrics of a trial: of its one training, or the means over several, such as repeats.

    arm: with its spaces, one value for each in `values`. report: called with each epoch of one training, or with each of several
    as one step, with the metrics of its best epoch.
    """
    settled = settle(arm, values)
    if len(tasks) == 1:
        return train_trial(settled, tasks[0](settled), phases, score, report, on_film)
    reached = []
    for step, task in enumerate(tasks):
        reached.append(train_trial(settled, task(settled), phases, score, lambda *_: None, on_film))
        report(step, reached[-1])
    return {key: float(np.mean([metrics[key] for metrics in reached])) for key in reached[0]}
