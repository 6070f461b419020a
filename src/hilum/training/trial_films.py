"""The films and seeds of the trainings in one trial: the training and validation parts, repeats of them, or folds of both."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold

from hilum.data.prepared.loading import SplitFilms, load_split
from hilum.settings.meaning import seeds_of
from hilum.settings.params import Params
from hilum.settings.training import Arm
from hilum.training.learning.arms import Task
from hilum.training.task import load_task, make_task
from hilum.workspace import Workspace


def make_tasks(params: Params, arm: Arm, workspace: Workspace, versions: dict[str, Any]) -> list[Callable[[], Task]]:
    """One function for each training of a trial, which reads its films. The test films are not read.

    Raises:
        ValueError: too few patients of a class for `tune.folds`.
    """
    if params.tune.folds:
        return [partial(_of_fold, params, arm, workspace, versions, fold) for fold in range(params.tune.folds)]
    task = load_task(params, arm, workspace, versions)
    seeds = seeds_of(params.train.model_copy(update={"repeats": params.tune.repeats}))
    return [partial(replace, task, seed=seed) for seed in seeds]


def _of_fold(params: Params, arm: Arm, workspace: Workspace, versions: dict[str, Any], fold: int) -> Task:
    films = _join(*(load_split(workspace.prepared, workspace.split, part, versions["classes"]) for part in ("train", "val")))
    held_out = draw_trial_folds(films.table, params.tune.folds, params.tune.seed)[fold]
    train, val = (films.take(np.flatnonzero(rows)) for rows in (~held_out, held_out))
    return make_task(train, val, arm, params, workspace, versions)


def draw_trial_folds(table: pd.DataFrame, folds: int, seed: int) -> list[np.ndarray]:
    """The films (N,) that each fold validates on: each film once, patients and equal films together, classes in proportion.

    table: columns patient_id, pixel_sha256, label.

    Raises:
        ValueError: fewer patients of a class than folds.
    """
    groups = _group(table)
    counts = pd.Series(groups).groupby(table["label"].to_numpy()).nunique()
    if (scarce := counts[counts < folds]).size:
        few = ", ".join(f"{label} {count}" for label, count in scarce.items())
        raise ValueError(f"tune.folds must not exceed the patients of a class, got {folds} folds and {few}; lower it")
    drawing = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    return [np.isin(np.arange(len(table)), out) for _, out in drawing.split(table, table["label"], groups)]


def _group(table: pd.DataFrame) -> np.ndarray:
    """A number per film (N,), the same for films of one patient and of patients who share a film."""
    patients, films = (pd.factorize(table[key])[0] for key in ("patient_id", "pixel_sha256"))
    size = int(patients.max()) + 1
    edges = (np.ones(len(table)), (patients, size + films))
    total = size + int(films.max()) + 1
    linked = connected_components(coo_matrix(edges, shape=(total, total)), directed=False)[1]
    return np.asarray(linked[patients])


def _join(one: SplitFilms, other: SplitFilms) -> SplitFilms:
    table = pd.concat([one.table, other.table], ignore_index=True)
    return SplitFilms(table, np.concatenate([one.labels, other.labels]), one.stored)
