"""Folds and repeats by workers: the files of one process with as many threads, also after kills, and each run in the store."""

import json
import re
import shutil
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from empty_store import forget_environment, make_store
from killed_processes import Nursery

from hilum.results import folder_digest
from hilum.settings.params import check_params
from hilum.stages import check, split, tune
from hilum.workspace import Workspace

PARTS = 3  # folds, or repeats
FOLDERS = {"train": "training", "crossvalidate": "crossvalidation"}
SERIAL = {"executor": "serial", "count": 1, "threads": 1}
PHASE = {"unfreeze": "head", "epochs": 1, "learning_rate": 0.001, "decay": "none", "batch_norm": "auto"}


@pytest.fixture
def project(own_copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """One arm of one epoch from random weights, three times, in folds and in repeats."""
    forget_environment(monkeypatch)
    values = yaml.safe_load(own_copy.params.read_text())
    values["arms"]["baseline"].update(weights="none", head={"dropout": 0.2, "weight_decay": 0.0}, phases=[PHASE])
    values["tune"]["trials"] = 0
    values["train"]["repeats"] = values["split"]["folds"] = PARTS
    values["crossvalidate"]["arms"] = ["baseline"]
    values["workers"] = SERIAL
    own_copy.params.write_text(yaml.safe_dump(values, sort_keys=False))
    check.run()
    split.run()
    tune.run("baseline")
    return own_copy


def by(workspace: Workspace, **workers: Any) -> None:
    values = yaml.safe_load(workspace.params.read_text())
    values["workers"] = {**SERIAL, **workers}
    workspace.params.write_text(yaml.safe_dump(values, sort_keys=False))
    for left in workspace.home.glob("mlflow.db*"):
        left.unlink()
    make_store(workspace.home)


def runs_of(workspace: Workspace) -> Counter[str]:
    """How many runs have each name and status."""
    with sqlite3.connect(workspace.home / "mlflow.db") as store:
        return Counter(f"{name} {status}" for name, status in store.execute("SELECT name, status FROM runs"))


@pytest.mark.parametrize("stage", FOLDERS)
def test_workers_give_the_files_of_one_process_also_after_a_kill(project: Workspace, nursery: Nursery, stage: str) -> None:
    given = {"project": str(project.root), "stage": stage, "arguments": ["baseline"]}
    folder = project.arm("baseline", FOLDERS[stage])
    by(project)
    nursery.finish("run_stage", **given)
    alone, logged = folder_digest(folder), runs_of(project)
    assert set(logged.values()) == {1} and len(logged) == PARTS + 1
    by(project, executor="processes", count=2)
    seconds = nursery.finish("run_stage", **given)
    assert folder_digest(folder) == alone and runs_of(project) == logged
    shutil.rmtree(folder)
    by(project, executor="processes", count=2)
    nursery.run("run_stage", after=0.7 * seconds, **given)
    nursery.finish("run_stage", **given)
    assert folder_digest(folder) == alone and runs_of(project) == logged


def wait_until(true: Callable[[], Any], seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("stage", FOLDERS)
def test_an_experiment_beside_one_of_the_same_arm_waits_and_takes_what_that_one_trained(
    project: Workspace, nursery: Nursery, tmp_path: Path, stage: str
) -> None:
    """The second is in a copy of the project, as `hilum experiment` makes one; both keep their parts in one place."""
    by(project)
    copy = project.home / ".dvc" / "tmp" / "exps" / "standalone" / "one"
    left_out = shutil.ignore_patterns(".dvc", ".hilum", "mlflow.db*", "mlartifacts")
    shutil.copytree(project.root, copy, ignore=left_out)
    first = threading.Thread(
        target=nursery.run,
        args=("run_stage_and_pause",),
        kwargs={"project": str(project.root), "stage": stage, "arguments": ["baseline"], "folder": str(tmp_path)},
    )
    first.start()
    wait_until((tmp_path / "begun").exists)
    other = Nursery(tmp_path / "log.txt")
    try:
        second = threading.Thread(
            target=lambda: codes.append(other.run("run_stage", project=str(copy), stage=stage, arguments=["baseline"])[0])
        )
        codes: list[int] = []
        second.start()
        wait_until(lambda: "trains the same" in (tmp_path / "log.txt").read_text() or codes)
        (tmp_path / "go").touch()
        first.join()
        second.join()
        said = (tmp_path / "log.txt").read_text()
    finally:
        other.close()
    assert codes == [0], said[-4000:]
    assert re.search(r"baseline: process \d+ on", said) and said.count("trains the same") == 1
    assert said.count("taken from an earlier") == PARTS and ": phase 1" not in said, "it trained nothing"
    made = copy / project.arm("baseline", FOLDERS[stage]).relative_to(project.root)
    assert folder_digest(made) == folder_digest(project.arm("baseline", FOLDERS[stage]))
    assert not [file for place in ("repeats", "folds") for file in (project.cache / place).glob("baseline/*")]


@pytest.mark.parametrize("stage", FOLDERS)
def test_what_a_worker_left_that_was_killed_on_another_host_holds_up_nobody(
    project: Workspace, nursery: Nursery, stage: str
) -> None:
    """The driver alone is answered for by a record; a worker's job runs again wherever there is another one."""
    by(project)
    given = {"project": str(project.root), "stage": stage, "arguments": ["baseline"]}
    nursery.run("run_stage", die_at="stored", step=0, **given)
    left = [file for file in project.cache.glob(f"trainings/{stage}/baseline/*/*.lock") if file.stat().st_size]
    assert len(left) == 1, "of the first part"
    left[0].write_text(json.dumps({**json.loads(left[0].read_text()), "host": "ward7", "boot": "another"}))
    by(project, executor="processes", count=2)
    nursery.finish("run_stage", **given)
    assert len(runs_of(project)) == PARTS + 1


@pytest.mark.slow
@pytest.mark.parametrize("stage", FOLDERS)
def test_dask_gives_the_files_of_one_process(project: Workspace, nursery: Nursery, stage: str) -> None:
    given = {"project": str(project.root), "stage": stage, "arguments": ["baseline"]}
    found = []
    for executor, count in (("serial", 1), ("dask", 2)):
        by(project, executor=executor, count=count)
        nursery.finish("run_stage", **given)
        found.append((folder_digest(project.arm("baseline", FOLDERS[stage])), runs_of(project)))
    assert found[0] == found[1]


def test_several_workers_of_a_serial_run_and_threads_of_any_machine_are_refused(project: Workspace) -> None:
    values = yaml.safe_load(project.params.read_text())
    for workers, told in (
        ({"executor": "serial", "count": 2, "threads": 1}, "workers.count must be 1 for workers.executor serial, got 2"),
        ({"executor": "dask", "count": 2, "threads": 0}, "workers.threads must be a number for workers.executor dask, got 0"),
    ):
        with pytest.raises(ValueError, match=re.escape(told)):
            check_params({**values, "workers": workers})
