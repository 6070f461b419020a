"""One trial of a search: a short training with given values for an arm's spaces."""

from hilum.records import Score
from hilum.settings.meaning import settle
from hilum.settings.training import Arm
from hilum.training.learning.arms import Task, train_arm
from hilum.training.learning.fit import OnEpoch, OnFilm
from hilum.training.search import Values
from hilum.training.task import FIT_CODE, FIT_LIBRARIES

# What decides the trials of a study and their results.
TRIAL_CODE = (*FIT_CODE, "training/search.py", "training/studies.py", "training/trial.py")
TRIAL_LIBRARIES = (*FIT_LIBRARIES, "optuna")


def train_trial(
    arm: Arm, values: Values, task: Task, phases: int, score: Score, on_epoch: OnEpoch, on_film: OnFilm
) -> dict[str, float]:
    """The best epoch's validation metrics, the selecting one also as `select` (higher is better).

    arm: with its spaces, one value for each in `values`. phases: how many of its phases are trained.
    """
    seen: dict[int, dict[str, float]] = {}

    def note(step: int, metrics: dict[str, float]) -> None:
        seen[step] = metrics
        on_epoch(step, metrics)

    _, fitted = train_arm(settle(arm, values), task, phases, score, note, on_film)
    best = seen[fitted.best_step]
    return {key: float(value) for key, value in best.items() if key.startswith("val/") or key == "select"}
