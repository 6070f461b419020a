"""The trainings of one trial: the two parts, repeats with other seeds, or folds by patient."""

import pandas as pd
import pytest
import yaml

from hilum.data.prepared.loading import read_manifest
from hilum.results import read_json
from hilum.settings.params import check_params
from hilum.training.trial_films import make_tasks
from hilum.workspace import Workspace


def tasks(workspace: Workspace, **tune: int) -> list:
    values = yaml.safe_load(workspace.params.read_text())
    values["tune"].update(tune)
    params, versions = check_params(values), read_json(workspace.split / "versions.json")
    arm = params.arms["finetuned"]
    return [make(arm) for make in make_tasks(params, arm, workspace, versions)]


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


def fold_of_patients(workspace: Workspace) -> pd.Series:
    """Patient -> the fold that validates on all films of that patient."""
    parts = [pd.read_csv(workspace.split / f"{part}.csv", dtype=str) for part in ("train", "val")]
    patient_of = pd.concat(parts).drop_duplicates("pixel_sha256").set_index("pixel_sha256")["patient_id"]
    folds = [set(patient_of[list(task.val.keys)]) for task in tasks(workspace, folds=3)]
    assert sum(map(len, folds)) == len(set.union(*folds)), "a patient is in one fold"
    return pd.Series({patient: number for number, patients in enumerate(folds) for patient in patients}).sort_index()


def test_linked_patients_are_in_the_same_fold(own_copy: Workspace) -> None:
    before = fold_of_patients(own_copy)
    one = str(before.index[0])
    others = before.index[before != before[one]]
    assert len(others) > 1
    for other in others[:5]:
        pd.DataFrame({"patient_id": [one], "other": [other]}).to_csv(own_copy.prepared / "linked_patients.csv", index=False)
        after = fold_of_patients(own_copy)
        assert after[one] == after[other]


@pytest.mark.parametrize("column", ["sha256", "pixel_sha256"])
def test_patients_with_equal_films_are_in_the_same_fold(column: str, own_copy: Workspace) -> None:
    before = fold_of_patients(own_copy)
    one = str(before.index[0])
    other = str(before.index[before != before[one]][0])
    file = own_copy.prepared / "manifest.csv"
    manifest = read_manifest(file)
    films = [manifest.index[manifest["patient_id"] == patient][0] for patient in (one, other)]
    manifest.loc[films[1], column] = manifest.loc[films[0], column]
    manifest.to_csv(file, index=False)
    after = fold_of_patients(own_copy)
    assert after[one] == after[other]


def test_too_few_patients_are_refused_before_a_film_is_read(split_project: Workspace) -> None:
    values = yaml.safe_load(split_project.params.read_text())
    values["tune"].update(folds=20)
    params, versions = check_params(values), read_json(split_project.split / "versions.json")
    with pytest.raises(ValueError, match=r"patient of every class for each, got 20 folds and [a-z]+ \d+.*; lower `tune\.folds`"):
        make_tasks(params, params.arms["finetuned"], split_project, versions)
