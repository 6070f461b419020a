"""The validation metrics of one epoch, and its line in the output."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from hilum.evaluation.scoring.metrics import score, sign_of
from hilum.records import Labels, Probabilities, Score

WATCHED = ("auroc_macro", "balanced_accuracy", "log_loss")


def score_epoch(select: str, *more: str) -> Score:
    """A function from labels and probabilities to metrics; the selecting one also as `select`, higher is better."""

    def measure(labels: Labels, probabilities: Probabilities) -> dict[str, float]:
        metrics = {f"val/{name}": score(name, labels, probabilities) for name in dict.fromkeys((*WATCHED, select, *more))}
        return {**metrics, "select": sign_of(select) * metrics[f"val/{select}"]}

    return measure


def epoch_line(metrics: Mapping[str, float], select: str) -> str:
    """`phase 1 epoch 3  loss 0.512  val/auroc_macro 0.874`; `phase 1 penalty 0.01  ...` for a solved head."""
    shown = f"val/{select}"
    return f"{tell_epoch(metrics)}  loss {metrics['train/loss']:.4f}  {shown} {metrics[shown]:.4f}"


def tell_epoch(row: Mapping[str, float]) -> str:
    """`phase 2 epoch 3`, or `phase 1 penalty 0.01` of a solved head. row: of a history."""
    part = f"penalty {row['train/penalty']:.3g}" if is_solution(row) else f"epoch {row['epoch'] + 1:.0f}"
    return f"phase {row['phase'] + 1:.0f} {part}"


def is_solution(row: Mapping[str, float]) -> bool:
    """Whether a row of a history is a solved head's, of one penalty, and not an epoch's."""
    return bool(np.isfinite(row.get("train/penalty", np.nan)))


def watch_epochs(
    log: Callable[[dict[str, float], int], None], report: Callable[..., None], counts: Sequence[int], select: str
) -> Callable[[int, dict[str, float]], None]:
    """What a training calls with the step and the row of each epoch: the row is logged, and reported as a line.

    log: of metrics and step. report: of the number of epochs done, the line and `quick`. counts: as in `count_done`.
    """

    def on_epoch(step: int, metrics: dict[str, float]) -> None:
        log({key: value for key, value in metrics.items() if key not in ("select", "phase", "epoch", "step")}, step)
        report(count_done(metrics, counts), epoch_line(metrics, select), quick=is_solution(metrics))

    return on_epoch


def count_done(row: Mapping[str, float], counts: Sequence[int]) -> int:
    """How many epochs and penalties are done with this row. counts: of each phase, at most; one may end before its last."""
    return sum(counts[: int(row["phase"])]) + int(row["epoch"]) + 1


def median_repeat(log_losses: Sequence[float]) -> int:
    """The place of the repeat that is median by log loss on validation; of an even number the lower of the two middles.

    Equal losses count in the order of their repeats; an undefined one is worse than all others.

    Raises:
        ValueError: no repeat.
    """
    if not len(log_losses):
        raise ValueError("the median must be of at least one repeat, got none; run `dvc repro`")
    order = np.argsort(np.nan_to_num(np.asarray(log_losses, np.float64), nan=np.inf), kind="stable")
    return int(order[(len(order) - 1) // 2])
