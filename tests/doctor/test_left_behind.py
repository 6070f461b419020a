"""A `mlflow run` and a `dvc repro` that are killed: the next call reports what they left, with the remedy."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import psutil
import pytest
from left_behind import leave_stage, wait_for
from mlflow.entities import RunStatus

from project import SMALL, Project, clean_environment, make_project

SLOW = "import os, time; open({begun!r}, 'w').write(str(os.getpid())); time.sleep(600)"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project", SMALL)


def leave_copy(project: Project) -> str:
    """What SIGKILL of all processes of a `mlflow run` leaves: the copy of its experiment and its run; returns the run's id."""
    client = mlflow.MlflowClient(project.store)
    run_id = client.create_run("0", run_name="left-run", tags={"mlflow.project.entryPoint": "main"}).info.run_id
    begun = project.root.parent / "begun"
    (project.root / "slow.py").write_text(SLOW.format(begun=str(begun)))
    (project.root / "dvc.yaml").write_text("stages:\n  check:\n    cmd: python slow.py\n    params: [tune.trials]\n")
    project.run("git", "add", "-A")
    project.run("git", "commit", "-q", "-m", "slow")
    program = subprocess.Popen(
        [sys.executable, "src/hilum", "experiment", "--set", "tune.trials=5"],
        **{"cwd": project.root, "env": clean_environment(MLFLOW_RUN_ID=run_id), "start_new_session": True},
    )
    wait_for(begun, program)
    os.killpg(program.pid, signal.SIGKILL)
    program.wait()
    wait_until_gone(int(begun.read_text()))
    return run_id


def wait_until_gone(pid: int) -> None:
    """Until a killed process has ended; whoever inherited it may never collect it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are read from /proc")
def test_the_next_call_reports_the_copy_and_the_run_of_a_killed_experiment(project: Project) -> None:
    run_id = leave_copy(project)
    (copy,) = (project.root / ".dvc/tmp/exps").glob("*/tmp*")
    name = copy.relative_to(project.root)
    told = project.hilum("check").stdout
    assert f"{name} (" in told and f"unused; rm -r {name}" in told
    assert f"run left-run ({run_id[:8]}) is RUNNING, but no process works for that `mlflow run`" in told
    assert "hilum doctor --mend" in told
    own = project.hilum("check", MLFLOW_RUN_ID=run_id).stdout
    assert "is RUNNING" not in own, "that is the run of this very call"
    mended = project.hilum("doctor", "--mend", check=False)
    assert mlflow.MlflowClient(project.store).get_run(run_id).info.status == RunStatus.to_string(RunStatus.KILLED), mended.stdout
    assert not copy.exists()
    told = project.hilum("check").stdout
    assert "unused" not in told and "RUNNING" not in told


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are read from /proc")
def test_the_next_call_reports_a_stage_that_works_on(project: Project) -> None:
    pid = leave_stage(project)
    try:
        told = project.hilum("check").stdout
        assert f"process {pid} works on at check" in told and f"kill {pid} (or wait for it), then dvc repro" in told
    finally:
        os.kill(pid, signal.SIGKILL)
    wait_until_gone(pid)
    assert "works on" not in project.hilum("check").stdout
