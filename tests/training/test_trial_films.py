"""The trainings of one trial: the two parts, repeats with other seeds, or folds by patient."""

import numpy as np
import pandas as pd
import pytest
import yaml

from hilum.results import read_json
from hilum.settings.params import check_params
from hilum.training.trial_films import draw_trial_folds, make_tasks
from hilum.workspace import Workspace


def tasks(workspace: Workspace, **tune: int) -> list:
    values = yaml.safe_load(workspace.params.read_text())
    values["tune"].update(tune)
    params, versions = check_params(values), read_json(workspace.split / "versions.json")
    return [make() for make in make_tasks(params, params.arms["finetuned"], workspace, versions)]


def test_repeats_differ_in_their_seed_alone(split_project: Workspace) -> None:
    (one,) = tasks(split_project)
    first, second = tasks(split_project, repeats=2)
    assert (first.seed, second.seed) == (one.seed, one.seed + 1)
    assert one.train.keys == first.train.keys == second.train.keys and one.val.keys == second.val.keys


def test_folds_validate_every_film_of_both_parts_once(split_project: Workspace) -> None:
    (one,) = tasks(split_project)
    every = sorted((*one.train.keys, *one.val.keys))
    folds = tasks(split_project, folds=3)
    assert sorted(key for fold in folds for key in fold.val.keys) == every
    for fold in folds:
        assert sorted((*fold.train.keys, *fold.val.keys)) == every
        assert set(fold.val.labels) == set(one.train.labels)


def test_patients_and_equal_films_are_not_divided() -> None:
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"patient_id": rng.integers(0, 30, 90).astype(str), "label": np.resize(["a", "b"], 90)})
    table["label"] = table.groupby("patient_id")["label"].transform("first")
    table["pixel_sha256"] = np.arange(90).astype(str)
    table.loc[[3, 70], "pixel_sha256"] = "twin"
    fold_of = np.argmax(draw_trial_folds(table, 3, 5), axis=0)
    assert (pd.Series(fold_of).groupby(table["patient_id"]).nunique() == 1).all()
    assert fold_of[3] == fold_of[70]
    with pytest.raises(ValueError, match=r"tune\.folds must not exceed the patients of a class, got 20 folds and a \d+, b \d+"):
        draw_trial_folds(table, 20, 5)
