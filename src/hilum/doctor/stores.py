"""Stores: of runs, and of studies; what ended processes left in them."""

import os
import socket
import sqlite3
from functools import partial
from pathlib import Path

from hilum.addresses import mask
from hilum.doctor.finding import Examined, Project
from hilum.doctor.processes import has_open
from hilum.ownership import has_ended
from hilum.project.set_aside import set_aside
from hilum.settings.params import Tracking
from hilum.tracking.left_runs import OTHER_VERSION, LeftRun, database_of, end_runs, find_store_fault, list_running
from hilum.tracking.opening import store_uri
from hilum.tracking.project_run import VARIABLE
from hilum.training.left_trials import fail_trials, find_left_trials, find_strange_locks


def examine_store(project: Project) -> Examined:
    """The tracking store answers, and no run of an ended process is RUNNING in it."""
    found, uri = Examined(), store_uri(project.workspace)
    file = database_of(uri)
    try:
        fault = find_store_fault(project.workspace)
    except ValueError as refusal:
        found.add(mask(str(refusal)), "correct MLFLOW_TRACKING_URI, or: unset MLFLOW_TRACKING_URI")
        return found
    if fault == OTHER_VERSION:
        found.add(
            f"the tracking store {file} {fault} than the installed one", f"mlflow db upgrade {uri} (after a copy of the file)"
        )
    elif fault and file is not None and (users := has_open(file)):
        found.add(
            f"the tracking store {file} {fault}, and process {users[0]} has it open",
            "wait for that process, then hilum doctor",
        )
    elif fault and file is not None:
        found.add(
            f"the tracking store {file} must be a database of MLflow, but it {fault}",
            f"mkdir broken && mv {file}* broken/ && hilum publish (which adds every run that results/ holds)",
            lambda: f"{file} is moved to {set_aside(file, project.workspace.cache)}: run `hilum publish`",
        )
    elif fault:
        found.add(
            f"the tracking store {mask(uri)} {fault}",
            "start it, or: unset MLFLOW_TRACKING_URI; results are kept in files, and `hilum publish` adds later what it lacks",
        )
    else:
        found.facts.append(f"{mask(uri)} answers" if file is None or file.exists() else f"{mask(uri)}: not made yet")
        _examine_runs(project, found)
    return found


def _examine_runs(project: Project, found: Examined) -> None:
    for run in list_running(project.workspace, _tracking_of(project)):
        if why := _why_left(run, project):
            found.add(
                f"run {run.name} ({run.id[:8]}) is RUNNING in the tracking store, but {why}",
                "hilum doctor --mend (ends it as KILLED)",
                partial(end_runs, project.workspace, [run]),
            )
        else:
            found.facts.append(f"run {run.name} is RUNNING ({run.owner or 'its process is not known'})")


def list_left(project: Project) -> list[LeftRun]:
    """Runs in the project's own database that a `mlflow run` opened and no process works for: no later stage ends them."""
    file = database_of(store_uri(project.workspace))
    if file is None or not file.is_file():
        return []
    running = list_running(project.workspace, _tracking_of(project))
    return [run for run in running if run.owner is None and _why_left(run, project)]


def _tracking_of(project: Project) -> Tracking:
    return project.params.tracking if project.params else Tracking(experiment="hilum", model="hilum", tensorboard=False)


def _why_left(run: LeftRun, project: Project) -> str:
    """Why nobody works at a run any more; empty where somebody may."""
    if run.owner is not None:
        return f"{run.owner} has ended" if has_ended(run.owner) else ""
    served = run.id == os.environ.get(VARIABLE) or any(one.variables.get(VARIABLE) == run.id for one in project.processes)
    if run.of_project and project.processes and not served and database_of(store_uri(project.workspace)) is not None:
        return "no process of this machine works for that `mlflow run`"
    return ""


def examine_studies(project: Project) -> Examined:
    """The database of studies can be read, and no trial or lock of an ended process is left."""
    found, file = Examined(), project.workspace.cache / "studies.db"
    if not file.is_file():
        found.facts.append("no search has run yet")
        return found
    try:
        left = find_left_trials(file)
    except sqlite3.Error as error:
        found.add(
            f"{file} must hold Optuna's studies, got what cannot be read ({error})",
            f"mkdir broken && mv {file}* broken/ (searches begin anew)",
            lambda: f"{file} is moved to {set_aside(file, project.workspace.cache)}: searches begin anew",
        )
        return found
    if left:
        names = ", ".join(f"{trial.number} of {trial.study}" for trial in left[:4])
        found.add(
            f"trials are RUNNING in {file.name}, but no living process searches their study: {names}",
            "hilum doctor --mend (marks them as failed)",
            partial(fail_trials, file, left),
        )
    for lock, owner in find_strange_locks(file, socket.gethostname()):
        _add_lock(found, lock, f"names {owner}, which cannot be seen from here" if owner else "cannot be read")
    found.facts.append("studies can be read")
    return found


def _add_lock(found: Examined, lock: Path, what: str) -> None:
    found.add(f"the lock of a study, {lock.name}, {what}: a search of that study refuses to start", f"if it has ended: rm {lock}")
