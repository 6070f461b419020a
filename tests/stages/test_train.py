"""What `train` writes beside the model; the stage itself runs in the pipeline's test."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from hilum.data.prepared.examples import Examples
from hilum.results import read_json
from hilum.settings.training import Balance
from hilum.stages import train, tune
from hilum.stages.train import tell_balance, write_training
from hilum.training.fit import Fitted, begin_training
from hilum.training.imbalance import STRATEGIES
from hilum.workspace import Workspace

begin_training(0)  # while tests are collected, before any of them starts TensorFlow: its threads are set once

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
        "smote; normal 9 films in 9 rows (at most 1 of one), viral 4 films in 4 rows (at most 1 of one) and 5 made up"
    )
    assert tell_balance(fitted(best_step=1), LABELS, CLASSES).startswith("oversample; normal 9 films in 9 rows (at most 1")


def test_the_bit_depths_of_the_films_stand_in_model_json(own_copy: Workspace) -> None:
    values = yaml.safe_load(own_copy.params.read_text())
    phase = {"unfreeze": "head", "epochs": 1, "learning_rate": 0.001, "decay": "none", "batch_norm": "auto"}
    values["arms"]["baseline"].update(weights="none", head={"dropout": 0.2, "weight_decay": 0.0}, phases=[phase])
    values["tune"]["trials"] = 0
    own_copy.params.write_text(yaml.safe_dump(values, sort_keys=False))
    tune.run("baseline")
    (own_copy.prepared / "grey_bits.json").write_text('{"phantom": 12, "other": 12}')
    train.run("baseline")
    assert read_json(own_copy.arm("baseline", "training") / "model.json")["grey_bits"] == [12]
