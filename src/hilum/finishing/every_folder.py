"""Files that the folder of every model has, whether it was trained here, given, or is an ensemble."""

from pathlib import Path

import pandas as pd

from hilum.evaluation.scoring.calibration import Calibration, describe_calibration, flat_calibration, tabulate_reliability
from hilum.evaluation.scoring.epochs import WATCHED
from hilum.results import read_json, write_json, write_table


def write_calibration(folder: Path, calibration: Calibration, classes: list[str]) -> None:
    """calibration.json, the points of its drawing, and its numbers among the metrics of the training."""
    write_table(folder / "calibration.csv", pd.DataFrame(tabulate_reliability(calibration)))
    write_json(folder / "calibration.json", describe_calibration(calibration, classes))
    write_json(folder / "metrics.json", {**read_json(folder / "metrics.json"), **flat_calibration(calibration, classes)})


def write_no_epochs(folder: Path) -> None:
    """The history of a model that was not trained here: its columns without a row."""
    epochs = ["phase", "epoch", "step", "train/loss", *(f"val/{name}" for name in WATCHED)]
    write_table(folder / "history.csv", pd.DataFrame(columns=epochs))
