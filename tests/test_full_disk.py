"""A disk that is full, for real: one message with the remedy, and a retry goes on in the run that is there."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import chdir, closing
from pathlib import Path

import pytest
import yaml
from empty_store import forget_environment, make_store
from killed_processes import Nursery
from stepping import take_steps

from hilum.results import folder_digest
from hilum.stages import check, split, tune
from hilum.workspace import Workspace

LEFT = (0, 300, 700)  # KiB that are free when a stage begins: it fails in its store, its files or its upload
METHODS = ["saliency"]


@pytest.fixture
def project(own_copy: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A project of a small arm on a file system of its own."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {made.stderr.strip()}")
    forget_environment(monkeypatch)
    values = take_steps(yaml.safe_load(own_copy.params.read_text()))
    values["tune"]["trials"], values["evaluate"]["bootstrap"] = 0, 20
    values["train"]["augment"]["views"] = 1
    values["arms"] = {"baseline": {**values["arms"]["baseline"], "weights": "none"}}
    values["arms"]["baseline"]["phases"][0]["epochs"] = 2
    values["explain"].update(methods=METHODS, measures=["gini"], bootstrap=20, sheets=[])
    values["explain"]["sanity"].update(films=2, costly_films=2, seeds=1)
    own_copy.params.write_text(yaml.safe_dump(values, sort_keys=False))
    shutil.copytree(own_copy.root, folder / "project")
    small = Workspace((folder / "project").resolve(), (folder / "project").resolve())
    make_store(small.home)
    with chdir(small.root):
        check.run()
        split.run()
        tune.run("baseline")
    small.pretrained.mkdir(exist_ok=True)  # which no arm here reads
    yield small
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(project: Workspace, left: int) -> Path:
    """Leave that many KiB of the disk."""
    ballast = project.root.parent / "ballast"
    free = os.statvfs(project.root)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - left * 1024)
    return ballast


def called(nursery: Nursery, project: Workspace, verb: str) -> tuple[int, str]:
    """The exit status of a verb, and what it printed."""
    before = len(nursery.log.read_text())
    code, _ = nursery.run("call_verb", project=str(project.root), words=[verb, "--arm", "baseline"])
    return code, nursery.log.read_text()[before:]


def states(project: Workspace) -> Counter[str]:
    with closing(sqlite3.connect(project.home / "mlflow.db")) as store:
        return Counter(status for (status,) in store.execute("SELECT status FROM runs"))


def test_retries_on_a_full_disk_leave_one_run(nursery: Nursery, project: Workspace) -> None:
    for verb, folder in (("train", "training"), ("evaluate", "evaluation"), ("explain", "explanations")):
        for left in LEFT:
            ballast = fill(project, left)
            code, told = called(nursery, project, verb)
            ballast.unlink()
            assert code == 1, f"{verb} with {left} KiB: {told}"
            assert "Traceback" not in told and "sqlite3." not in told, told
            assert "the disk is full" in told and "free" in told, told
            assert sum(states(project).values()) <= 1, f"{verb} with {left} KiB"
        code, told = called(nursery, project, verb)
        assert code == 0, told
        assert states(project) == Counter(FINISHED=1), f"{verb}: {told}"
        assert folder_digest(project.arm("baseline", folder))
