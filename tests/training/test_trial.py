"""One trial: what its best epoch reached, with the values that the search asks for."""

from pathlib import Path

from tiny_task import CLASSES, make_phase, make_rows, make_settings, score, silent

from hilum.settings.meaning import settle
from hilum.settings.search_space import Range
from hilum.settings.training import Arm, Head
from hilum.training.learning.arms import Task, train_arm
from hilum.training.trial import train_trial

TRAIN, VAL = make_rows(24, seed=1), make_rows(12, seed=2)


def test_a_trial_gives_the_metrics_of_the_epoch_whose_weights_stay(weights: Path, cache: Path) -> None:
    phase = make_phase(epochs=3).model_copy(update={"learning_rate": Range(low=1e-3, high=1e-1, log=True, start=1e-2)})
    arm = Arm(backbone="mobilenet_025", weights="pretrained", head=Head(dropout=0.3, weight_decay=1e-4), phases=[phase, phase])
    task = Task(TRAIN, VAL, CLASSES, weights, make_settings(), 3, cache)
    for rate in (1e-3, 1e-1):
        seen: dict[int, dict[str, float]] = {}
        values = {f"phases.{i}.learning_rate": rate for i in (0, 1)}
        found = train_trial(settle(arm, values), task, 1, score, seen.__setitem__, silent)
        assert list(seen) == [0, 1, 2], "one phase of two"
        settled = Arm(backbone=arm.backbone, weights=arm.weights, head=arm.head, phases=[make_phase(epochs=3, rate=rate)])
        _, fitted = train_arm(settled, task, 1, score, silent, silent)
        best = fitted.history.set_index("step").loc[fitted.best_step]
        assert found == {"val/log_loss": best["val/log_loss"], "select": -best["val/log_loss"]}
        assert found["select"] == max(metrics["select"] for metrics in seen.values())
