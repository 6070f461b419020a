"""A dvc.lock that a kill left in pieces: told from a whole one as DVC tells it, and replaced by the last whole one."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
import zc.lockfile

from hilum.project.dvc_lock import find_lock_fault, keep_lock
from hilum.workspace import Workspace
from project import Project, make_checked_project


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which `dvc repro check` has run, dvc.lock committed."""
    return make_checked_project(tmp_path_factory.mktemp("lock"))


@pytest.fixture
def made(healthy: Project, tmp_path: Path) -> Project:
    shutil.copytree(healthy.root, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")


def keep(made: Project, capsys: pytest.CaptureFixture[str]) -> str:
    keep_lock(Workspace(made.root, made.root))
    return capsys.readouterr().out


@pytest.mark.parametrize("share", [0.0, 0.6, 0.97])
def test_a_cut_lock_is_replaced_by_the_last_whole_one_that_hilum_saw(
    share: float, made: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = made.root / "dvc.lock"
    newer = lock.read_bytes().replace(b"cmd: ", b"cmd:  ", 1)  # not that of the commit
    lock.write_bytes(newer)
    assert keep(made, capsys) == "" and (made.root / ".hilum/dvc.lock").read_bytes() == newer
    cut = newer[: int(len(newer) * share)]
    assert find_lock_fault(cut.decode())
    lock.write_bytes(cut)
    told = keep(made, capsys)
    assert "a run was ended while DVC wrote it" in told and "hilum's own copy of the last whole one is in its place" in told
    assert lock.read_bytes() == newer and (made.root / ".hilum/set_aside/dvc.lock-1").read_bytes() == cut
    assert keep(made, capsys) == ""


def test_check_mends_it_before_dvc_reads_it(made: Project) -> None:
    whole = (made.root / "dvc.lock").read_text()
    (made.root / "dvc.lock").write_text("schema: '2.0'\nstages:\n  check:\n")
    refused = subprocess.run([sys.executable, "-m", "dvc", "repro", "check"], cwd=made.root, capture_output=True, text=True)
    assert refused.returncode != 0 and "dvc.lock" in refused.stderr
    assert "that of the last commit is in its place" in made.hilum("check").stdout
    assert (made.root / "dvc.lock").read_text() == whole
    made.run(sys.executable, "-m", "dvc", "repro", "-q", "check")


def test_without_a_whole_one_dvc_writes_a_new_one(made: Project, capsys: pytest.CaptureFixture[str]) -> None:
    made.run("git", "rm", "-q", "--cached", "dvc.lock")
    made.run("git", "commit", "-q", "-m", "no lock")
    (made.root / "dvc.lock").write_text("stages:")
    shutil.rmtree(made.root / ".hilum", ignore_errors=True)
    assert "DVC writes a new one" in keep(made, capsys) and not (made.root / "dvc.lock").exists()


def test_two_versions_of_git_and_what_dvc_is_writing_are_left_alone(made: Project, capsys: pytest.CaptureFixture[str]) -> None:
    lock = made.root / "dvc.lock"
    lock.write_text(conflict := "<<<<<<< HEAD\n=======\n>>>>>>> x\n")
    assert keep(made, capsys) == "" and lock.read_text() == conflict
    lock.write_text("")
    held = zc.lockfile.LockFile(str(made.root / ".dvc/tmp/lock"))  # as DVC holds it
    assert keep(made, capsys) == "" and lock.read_text() == ""
    held.close()
    assert "that of the last commit" in keep(made, capsys)


def test_a_copy_of_the_project_by_dvc_keeps_nothing(made: Project, tmp_path: Path) -> None:
    keep_lock(Workspace(made.root, tmp_path / "home"))
    assert not (tmp_path / "home").exists()


def test_what_dvc_refuses_of_a_cut_lock_is_found(healthy: Project) -> None:
    """DVC's own schema, for every length to which a real dvc.lock may be cut."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from voluptuous import Invalid

    text = (healthy.root / "dvc.lock").read_text()
    md5 = "3c59d9855f57832aacbb97bf76208f50"
    text += f"  acquire@phantom:\n    cmd: python x\n    deps:\n    - path: a\n      hash: md5\n      md5: {md5}\n      size: 1\n"
    text += f"    params:\n      params.yaml:\n        acquire: {{a: 1}}\n    outs:\n    - path: data\n      md5: {md5}.dir\n"
    assert find_lock_fault(text) == ""
    missed = []
    for length in range(len(text)):
        try:
            COMPILED_LOCKFILE_SCHEMA(yaml.safe_load(text[:length]))
        except (Invalid, yaml.YAMLError):
            if not find_lock_fault(text[:length]):
                missed.append(length)
    assert missed == []
