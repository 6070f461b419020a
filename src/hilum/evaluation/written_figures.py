"""Figures of one arm, each written into the folder of its evaluation: curves of test films, of learning and of calibration."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hilum.evaluation.figures import calibration_figure, learning_figure, pr_figure, roc_figure, scaling_figure
from hilum.evaluation.scoring.epochs import is_solution, tell_epoch
from hilum.evaluation.statistics import Interval
from hilum.evaluation.style import to_png
from hilum.evaluation.tables import pr_by_class, reliability_table, roc_by_class
from hilum.records import Predictions
from hilum.results import read_json, read_table, write_table
from hilum.settings.params import Evaluate


def draw_curves(folder: Path, predictions: Predictions, found: dict[str, Interval], settings: Evaluate, arm: str) -> None:
    """ROC, precision-recall and calibration of the test films, as pictures and as points."""
    roc, pr = roc_by_class(predictions, found), pr_by_class(predictions, found)
    (folder / "roc.png").write_bytes(to_png(roc_figure(roc, settings.confidence, f"{arm}: ROC, test films")))
    (folder / "pr.png").write_bytes(to_png(pr_figure(pr, settings.confidence, f"{arm}: precision and recall, test films")))
    table = reliability_table(predictions, settings.calibration_bins)
    write_table(folder / "calibration.csv", table)
    (folder / "calibration.png").write_bytes(
        to_png(calibration_figure(table, found["ece"].value, f"{arm}: calibration, test films"))
    )
    points = [
        pd.DataFrame({"class": name, "false_positive_rate": curve.x, "sensitivity": curve.y}) for name, curve in roc.items()
    ]
    write_table(folder / "roc.csv", pd.concat(points))


def draw_learning(folder: Path, history: pd.DataFrame, settings: dict[str, Any], arm: str) -> None:
    """The training's curves with the kept epoch marked, or the kept penalty of a solved head; none of a given model."""
    if history.empty:
        return
    select = f"val/{settings['params']['train.select']}"
    shown = history.assign(phase=history["phase"] + 1, epoch=history["step"] + 1)
    losses = ["train/loss", "val/log_loss"]
    metrics = list(dict.fromkeys(["val/auroc_macro" if select in losses else select, "val/balanced_accuracy"]))
    solved = [is_solution({"train/penalty": one}) for one in history.get("train/penalty", [np.nan] * len(history))]
    axis = "penalties tried, the largest first" if all(solved) else "penalty or epoch" if any(solved) else "epoch"
    title = f"{arm}: the solved head under each penalty" if all(solved) else f"{arm}: learning curves"
    kept = tell_epoch(history.set_index("step", drop=False).loc[settings["best_step"]])
    figure = learning_figure(shown, losses, metrics, settings["best_step"] + 1, title, axis, kept)
    (folder / "curves.png").write_bytes(to_png(figure))


def draw_scaling(folder: Path, training: Path, arm: str) -> None:
    """Validation films before and after calibration, where one was fitted; trainings of earlier versions hold no points."""
    if not (training / "calibration.csv").is_file() or (points := read_table(training / "calibration.csv")).empty:
        return
    told = read_json(training / "calibration.json")
    errors = {state: told[state]["ece"] for state in ("before", "after")}
    save = to_png(scaling_figure(points, errors, f"{arm}: calibration, validation films, cross-fitted"))
    (folder / "scaling.png").write_bytes(save)
