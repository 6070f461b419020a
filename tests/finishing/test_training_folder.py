"""What a training writes beside its model."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hilum.data.prepared.examples import Examples
from hilum.evaluation.scoring.calibration import calibrate
from hilum.finishing.every_folder import write_calibration, write_no_epochs
from hilum.finishing.training_folder import tell_balance, write_training
from hilum.results import read_json, write_json
from hilum.settings.training import Balance
from hilum.training.learning.fit import Fitted
from hilum.training.learning.imbalance import STRATEGIES

CLASSES = ["normal", "viral"]
LABELS = np.repeat([0, 1], [9, 4])
SETTINGS = Balance(multiplier={}, smote_neighbours=3, smote_above_head="oversample", focal_gamma=2.0)


def fitted(best_step: int) -> Fitted:
    """Two phases: SMOTE above the frozen backbone, copies above."""
    history = pd.DataFrame({"step": [0, 1], "phase": [0, 1], "epoch": [0, 0], "val/auroc_macro": [0.7, 0.8]})
    shown = [STRATEGIES[word](LABELS, CLASSES, SETTINGS, 0) for word in ("smote", "oversample")]
    return Fitted(history, best_step, [["logits"], ["logits"]], ["pool", "pool"], shown)


def rows() -> Examples:
    films = np.random.default_rng(0).integers(0, 256, (13, 4, 4), np.uint8)
    return Examples(films, LABELS, tuple(f"{i:064x}" for i in range(13)))


def test_what_each_phase_showed_is_written_and_the_kept_phases_copies_are_metrics(tmp_path: Path) -> None:
    write_training(tmp_path, fitted(best_step=1), rows(), CLASSES)
    table = pd.read_csv(tmp_path / "imbalance.csv").set_index(["phase", "label"])
    assert table["strategy"].tolist() == ["smote", "smote", "oversample", "oversample"]
    assert table["made_up"].to_dict() == {(0, "normal"): 0, (0, "viral"): 5, (1, "normal"): 0, (1, "viral"): 0}
    assert table["rows"].to_dict() == {(0, "normal"): 9, (0, "viral"): 4, (1, "normal"): 9, (1, "viral"): 9}
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["best/val/auroc_macro"] == 0.8
    assert metrics["imbalance/mean_copies/viral"] == pytest.approx(9 / 4)
    assert metrics["imbalance/most_copies/viral"] == table.loc[(1, "viral"), "most_copies"] > 1
    assert metrics["imbalance/made_up/viral"] == 0


def test_a_line_tells_what_the_kept_phase_showed() -> None:
    told = tell_balance(fitted(best_step=0), LABELS, CLASSES)
    assert told == (
        "smote; normal 9 films in 9 rows (at most 1 of one), viral 4 films in 4 rows (at most 1 of one) and 5 synthesised"
    )
    assert tell_balance(fitted(best_step=1), LABELS, CLASSES).startswith("oversample; normal 9 films in 9 rows (at most 1")


def test_a_model_without_training_has_the_columns_of_a_history_and_its_calibration_among_its_metrics(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 120)
    logits = rng.normal(size=(120, 2)) + np.eye(2)[labels]
    found = calibrate("temperature", logits, labels, np.arange(120).astype(str), np.array([0.5, 0.5]), 0)
    write_no_epochs(tmp_path)
    write_json(tmp_path / "metrics.json", {"kept": 1})
    write_calibration(tmp_path, found, CLASSES)
    history = pd.read_csv(tmp_path / "history.csv")
    assert history.empty and {"phase", "epoch", "step", "train/loss", "val/log_loss"} <= set(history)
    metrics, told = (read_json(tmp_path / f"{name}.json") for name in ("metrics", "calibration"))
    assert metrics["kept"] == 1 and told["temperature"] == pytest.approx(found.scaling.temperature)
    assert told["temperature"] in metrics.values()
    assert not pd.read_csv(tmp_path / "calibration.csv").empty
