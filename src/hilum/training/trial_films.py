"""The films and seeds of the trainings in one trial: the training and validation parts, repeats of them, or folds of both."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from hilum.data.folds import hold_out_patients
from hilum.data.prepared.loading import SplitFilms, load_split, read_linked_patients, read_manifest
from hilum.data.splits import group_patients
from hilum.settings.meaning import list_networks, seeds_of
from hilum.settings.params import Params
from hilum.settings.training import Arm
from hilum.training.learning.arms import Task, weights_of
from hilum.training.task import load_task, make_task
from hilum.workspace import Workspace


def make_tasks(params: Params, arm: Arm, workspace: Workspace, versions: dict[str, Any]) -> list[Callable[[Arm], Task]]:
    """One function for each training of a trial, from the arm with its values, without spaces. The test films are not read.

    Folds are of patients: those who share a film or are linked are in the same fold, as `split` keeps them in the same part.

    Raises:
        ValueError: too few patients of a class for `tune.folds`.
    """
    if params.tune.folds:
        films = _join(*(load_split(workspace.prepared, workspace.split, part, versions["classes"]) for part in ("train", "val")))
        grouped = films.table.assign(group=_group(films.table, workspace))
        drawn = hold_out_patients(grouped, params.tune.folds, params.tune.seed, "tune.folds").values()
        return [partial(_of_fold, films, out.to_numpy(), params, workspace, versions) for out in drawn]
    task = load_task(params, list_networks(arm)[0], workspace, versions)
    seeds = seeds_of(params.train.model_copy(update={"repeats": params.tune.repeats}))
    return [partial(_of_seed, task, seed, workspace) for seed in seeds]


def _of_seed(task: Task, seed: int, workspace: Workspace, arm: Arm) -> Task:
    return replace(task, seed=seed, weights=weights_of(arm, workspace.pretrained, workspace.at_home))


def _of_fold(
    films: SplitFilms, held_out: np.ndarray, params: Params, workspace: Workspace, versions: dict[str, Any], arm: Arm
) -> Task:
    """held_out: (N,) which films the fold validates on."""
    train, val = (films.take(np.flatnonzero(rows)) for rows in (~held_out, held_out))
    return make_task(train, val, arm, params, workspace, versions)


def _group(table: pd.DataFrame, workspace: Workspace) -> np.ndarray:
    """A number per film (N,), the same for films that `split` keeps in one part."""
    manifest = read_manifest(workspace.prepared / "manifest.csv")
    groups = group_patients(manifest, read_linked_patients(workspace.prepared))
    return groups[pd.Index(manifest["image_id"]).get_indexer(pd.Index(table["image_id"]))]


def _join(one: SplitFilms, other: SplitFilms) -> SplitFilms:
    table = pd.concat([one.table, other.table], ignore_index=True)
    return SplitFilms(table, np.concatenate([one.labels, other.labels]), one.stored)
