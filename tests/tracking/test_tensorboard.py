"""Curves are event files that TensorBoard itself reads."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from event_files import read_curves

from hilum.tracking.tensorboard import name_curves, with_curves

ROWS = [
    {"train/learning_rate": 1e-3, "train/loss": 0.9, "val/log_loss": 0.8},
    {"train/learning_rate": 5e-4, "train/loss": 0.7, "val/log_loss": math.nan},
    {"train/learning_rate": 1e-4, "train/loss": 0.5, "val/log_loss": 0.6},
]


def test_every_epoch_is_a_point_of_each_curve_and_can_be_read_before_the_end(tmp_path: Path) -> None:
    logged: list[int] = []
    with with_curves(lambda metrics, step: logged.append(step), tmp_path / "arm" / "run") as log:
        for step, row in enumerate(ROWS):
            log(row, step)
            assert len(read_curves(tmp_path / "arm" / "run")["train/loss"]) == step + 1
    assert logged == [0, 1, 2]
    curves = read_curves(tmp_path / "arm" / "run")
    assert curves["train/loss"] == [(step, np.float32(row["train/loss"])) for step, row in enumerate(ROWS)]
    assert [step for step, _ in curves["val/log_loss"]] == [0, 2], "an undefined value is no point"


def test_a_continued_training_has_each_epoch_once(tmp_path: Path) -> None:
    with with_curves(lambda metrics, step: None, tmp_path) as log:
        log(ROWS[0], 0)
        log(ROWS[1], 1)  # after the last stored state
    history = pd.DataFrame([{"step": 0, "phase": 0, "epoch": 0, **ROWS[0]}])
    with with_curves(lambda metrics, step: None, tmp_path, history) as log:
        log(ROWS[2], 1)
    curves = read_curves(tmp_path)
    assert curves["train/learning_rate"] == [(0, np.float32(1e-3)), (1, np.float32(1e-4))]
    assert set(curves) == set(ROWS[0])


def test_a_folder_that_cannot_be_written_ends_no_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "arm").write_text("a file, no folder")
    logged: list[int] = []
    with with_curves(lambda metrics, step: logged.append(step), tmp_path / "arm" / "run") as log:
        for step, row in enumerate(ROWS):
            log(row, step)
    assert logged == [0, 1, 2]
    said = capsys.readouterr().out
    assert said.count("curves for TensorBoard cannot be written") == 1 and str(tmp_path / "arm" / "run") in said


def test_a_training_whose_store_gave_no_run_is_named_by_its_time() -> None:
    assert name_curves("abc") == "abc"
    assert name_curves("").startswith("20")
