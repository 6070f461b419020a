"""Two experiments in a fresh clone: the second takes its first stages from the cache, which lacks the folders of dvc.lock."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hilum.stages.experiment import call_dvc
from hilum.workspace import Workspace

STAGES = """
stages:
  check: {cmd: "cp params.yaml facts.yaml", always_changed: true, outs: [facts.yaml]}
  first: {cmd: "cp code first", deps: [code], params: [x], outs: [first]}
  make: {cmd: "mkdir made && cp params.yaml made/a", deps: [first], params: [x], outs: [made]}
  use: {cmd: "cp made/a used", deps: [made/a], outs: [used]}
  last: {cmd: "cp used last", deps: [used], params: [y], outs: [last]}
"""


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=root, check=True, capture_output=True)


@pytest.fixture
def clone(tmp_path: Path) -> Workspace:
    """A project whose outputs of `dvc repro` are in dvc.lock and in no cache."""
    root = tmp_path / "clone"
    root.mkdir()
    git(root, "init", "-q")
    (root / "dvc.yaml").write_text(STAGES)
    (root / "code").write_text("a file of git")
    (root / "params.yaml").write_text("x: 0\ny: 0\n")
    workspace = Workspace(root, root)
    call_dvc(["init", "-q"], workspace)
    call_dvc(["repro", "-q"], workspace)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "all")
    shutil.rmtree(root / ".dvc/cache")
    shutil.rmtree(root / "made")
    for name in ("first", "used", "last", "facts.yaml"):
        (root / name).unlink()
    return workspace


def test_a_second_experiment_in_a_fresh_clone_takes_the_stages_of_the_first(
    clone: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    call_dvc(["exp", "run", "--temp", "-n", "one", "-S", "x=1"], clone)
    capfd.readouterr()
    call_dvc(["exp", "run", "--temp", "-n", "two", "-S", "x=1", "-S", "y=2"], clone)
    told = "".join(capfd.readouterr())
    assert "Stage 'use' is cached" in told and "Running stage 'last'" in told and "Running stage 'make'" not in told
    call_dvc(["get", ".", "last", "--rev", "two"], clone)
    assert (clone.root / "last").read_text() == "x: 1\ny: 0\n"


def test_the_fault_is_still_one_of_dvc(clone: Workspace) -> None:
    """When this fails, DVC has mended it, and `unlisted_folders` can go."""
    run = [sys.executable, "-m", "dvc", "exp", "run", "--temp", "-S", "x=1"]
    subprocess.run(run, cwd=clone.root, check=True, capture_output=True)
    failed = subprocess.run([*run, "-S", "y=2"], cwd=clone.root, capture_output=True, text=True)
    assert failed.returncode and "failed to load directory ('made',)" in failed.stderr
