"""crossvalidate: nothing happens without folds; what the folds are is settled by `split`, outside the test part."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from hilum.data.folds import fold_names
from hilum.results import read_json
from hilum.stages import crossvalidate, split
from hilum.workspace import Workspace

SRC = Path(__file__).resolve().parents[2] / "src"


def fold(workspace: Workspace, **changes: object) -> None:
    values = yaml.safe_load(workspace.params.read_text())
    values["split"].update(changes)
    workspace.params.write_text(yaml.safe_dump(values, sort_keys=False))
    split.run()


def test_without_folds_a_word_is_written_and_nothing_heavy_is_loaded(own_copy: Workspace) -> None:
    code = (
        "import sys; from hilum.stages import crossvalidate; crossvalidate.run('baseline'); "
        "sys.exit(' '.join({'tensorflow', 'mlflow', 'sklearn', 'pandas'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(SRC), "PATH": ""}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    folder = own_copy.arm("baseline", "crossvalidation")
    assert [file.name for file in folder.iterdir()] == ["settings.json"]
    assert read_json(folder / "settings.json") == {"arm": "baseline", "folds": []}
    assert not (own_copy.home / "mlflow.db").exists(), "no run"


def test_an_earlier_result_goes_when_folds_are_turned_off(own_copy: Workspace) -> None:
    folder = own_copy.arm("baseline", "crossvalidation")
    folder.mkdir(parents=True)
    (folder / "predictions.csv").write_text("old")
    crossvalidate.run("baseline")
    assert not (folder / "predictions.csv").exists()


def test_folds_hold_every_film_outside_the_test_part_once(own_copy: Workspace) -> None:
    before = read_json(own_copy.split / "versions.json")
    assert len(pd.read_csv(own_copy.split / "folds.csv")) == 0
    fold(own_copy, folds=3)
    table = pd.read_csv(own_copy.split / "folds.csv")
    parts = {name: set(pd.read_csv(own_copy.split / f"{name}.csv")["image_id"]) for name in ("train", "val", "test")}
    assert set(table["image_id"]) == parts["train"] | parts["val"]
    assert not set(table["patient_id"]) & set(pd.read_csv(own_copy.split / "test.csv")["patient_id"])
    names = fold_names(table)
    assert len(names) == 3 and ((table[[f"fold {name}" for name in names]] == "out").sum(axis=1) == 1).all()
    assert read_json(own_copy.split / "versions.json") == before, "folds are no other split"


def test_one_source_cannot_be_held_out_and_the_earlier_split_stays(own_copy: Workspace) -> None:
    before = (own_copy.split / "train.csv").read_bytes()
    with pytest.raises(ValueError, match=r"split\.folds must be the number of prepare\.sources"):
        fold(own_copy, folds=2, fold_by="source")
    assert (own_copy.split / "train.csv").read_bytes() == before
