"""crossvalidate: refused without folds; what the folds are is settled by `split`, outside the test part."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from hilum.data.folds import fold_names
from hilum.evaluation.scoring.calibration import find_scaling
from hilum.results import read_json
from hilum.settings.params import read_params
from hilum.stages import crossvalidate, split
from hilum.stages.crossvalidate import judge_fold
from hilum.workspace import Workspace


def fold(workspace: Workspace, **changes: object) -> None:
    values = yaml.safe_load(workspace.params.read_text())
    values["split"].update(changes)
    values["crossvalidate"]["arms"] = list(values["arms"])
    workspace.params.write_text(yaml.safe_dump(values, sort_keys=False))
    split.run()


def test_by_hand_without_folds_it_is_refused_and_an_earlier_result_stays(own_copy: Workspace) -> None:
    folder = own_copy.arm("baseline", "crossvalidation")
    folder.mkdir(parents=True)
    (folder / "predictions.csv").write_text("old")
    with pytest.raises(ValueError, match=r"split\.folds must be 2 or more, got 0; set it and crossvalidate\.arms"):
        crossvalidate.run("baseline")
    assert (folder / "predictions.csv").exists()


def test_folds_hold_every_film_outside_the_test_part_once(own_copy: Workspace) -> None:
    before = read_json(own_copy.split / "versions.json")
    assert len(pd.read_csv(own_copy.split / "folds.csv")) == 0
    fold(own_copy, folds=3)
    table = pd.read_csv(own_copy.split / "folds.csv")
    parts = {name: set(pd.read_csv(own_copy.split / f"{name}.csv")["image_id"]) for name in ("train", "val", "test")}
    assert set(table["image_id"]) == parts["train"] | parts["val"]
    assert not set(table["patient_id"]) & set(pd.read_csv(own_copy.split / "test.csv")["patient_id"])
    names = fold_names(table)
    assert len(names) == 3 and ((table[[f"fold {name}" for name in names]] == "held_out").sum(axis=1) == 1).all()
    assert read_json(own_copy.split / "versions.json") == before, "folds are no other split"


def test_one_source_cannot_be_held_out_and_the_earlier_split_stays(own_copy: Workspace) -> None:
    before = (own_copy.split / "train.csv").read_bytes()
    with pytest.raises(ValueError, match=r"split\.folds must be the number of prepare\.sources"):
        fold(own_copy, folds=2, fold_by="source")
    assert (own_copy.split / "train.csv").read_bytes() == before


def test_a_fold_is_calibrated_and_decided_as_train_does() -> None:
    params = read_params(Path(__file__).resolve().parents[2] / "params.yaml")
    train = params.train.model_copy(update={"decision": "balanced"})
    classes = ["normal", "bacterial", "viral"]
    judging = judge_fold(params.model_copy(update={"train": train}), classes)
    rng, prior = np.random.default_rng(1), np.array([0.6, 0.3, 0.1])
    labels = np.resize([0, 0, 0, 1, 1, 2], 120)
    logits = 3.0 * (np.eye(3)[labels] + rng.normal(0, 1.0, (120, 3)))
    temperature, biases = judging.calibrate(logits, labels, prior)
    assert temperature == find_scaling("temperature", logits, labels, prior).temperature > 1.5 and not biases.any()
    answers = rng.dirichlet([1.0, 1.0, 1.0], 50)
    np.testing.assert_array_equal(judging.decide(answers, None, prior), (answers / prior).argmax(axis=1))
    two = judge_fold(params, classes[:2])
    np.testing.assert_array_equal(two.decide(answers[:, :2], 0.3, prior[:2]), answers[:, 1] >= 0.3)
