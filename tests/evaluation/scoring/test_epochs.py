"""The metrics of one epoch: what selects is higher where a model is better."""

import numpy as np
import pytest

from hilum.evaluation.scoring.epochs import WATCHED, count_done, epoch_line, is_solution, score_epoch, tell_epoch

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


def test_a_row_of_a_history_with_both_says_what_it_is() -> None:
    """A table with a solved phase and a trained one has no penalty in the rows of the latter."""
    row = {"phase": 1, "epoch": 2, "train/penalty": float("nan")}
    assert tell_epoch(row) == "phase 2 epoch 3" and not is_solution(row)
    assert tell_epoch({**row, "phase": 0, "train/penalty": 0.0316}) == "phase 1 penalty 0.0316"


def test_epochs_are_counted_over_phases_of_which_one_ended_early() -> None:
    assert [count_done({"phase": p, "epoch": e}, [13, 15, 12]) for p, e in ((0, 0), (0, 12), (1, 4), (2, 0))] == [1, 13, 18, 29]
