"""The metrics of one epoch: what selects is higher where a model is better."""

import numpy as np
import pytest

from hilum.evaluation.scoring.epochs import WATCHED, epoch_line, score_epoch

LABELS = np.array([0, 0, 1, 1])
GOOD, BAD = (np.array([[p, 1 - p], [p, 1 - p], [1 - p, p], [1 - p, p]]) for p in (0.9, 0.3))


@pytest.mark.parametrize("select", ["auroc_macro", "log_loss", "brier"])
def test_a_better_model_has_the_higher_value_of_selection(select: str) -> None:
    measure = score_epoch(select)
    good, bad = measure(LABELS, GOOD), measure(LABELS, BAD)
    assert good["select"] > bad["select"]
    assert set(good) == {f"val/{name}" for name in {*WATCHED, select}} | {"select"}
    assert abs(good["select"]) == pytest.approx(good[f"val/{select}"])


def test_a_line_of_a_solved_head_names_the_penalty() -> None:
    line = epoch_line({"phase": 0, "epoch": 3, "train/penalty": 0.01, "train/loss": 0.5, "val/log_loss": 0.25}, "log_loss")
    assert line == "phase 1 penalty 0.01  loss 0.5000  val/log_loss 0.2500"


def test_a_line_counts_phases_and_epochs_from_one() -> None:
    metrics = {"phase": 0, "epoch": 2, "train/loss": 0.5124, "val/auroc_macro": 0.8741}
    assert epoch_line(metrics, "auroc_macro") == "phase 1 epoch 3  loss 0.5124  val/auroc_macro 0.8741"
