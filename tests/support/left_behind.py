"""Processes that are killed in the middle of their work, and what they leave in a real store and a real database of studies."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from project import Project, clean_environment

OPENS = """
import time
from pathlib import Path
from hilum.settings.params import Tracking
from hilum.tracking.opening import open_store
from hilum.training.searching.studies import open_study
from hilum.workspace import find_workspace

workspace = find_workspace(Path.cwd())
store = open_store(workspace, Tracking(experiment="hilum", model="hilum", tensorboard=False))
store.client.create_run(store.experiment, run_name="mlflow-run", tags={"mlflow.project.entryPoint": "main"})
with store.start("baseline", {"role": "arm", "arm": "baseline"}):
    with open_study("baseline-1", workspace.cache / "studies.db", 1, print, {"code": "1"}, print) as study:
        study.ask()
        Path("begun").touch()
        time.sleep(600)
"""


def wait_for(file: Path, program: subprocess.Popen, seconds: float = 900) -> None:
    """Wait until a program has made a file."""
    end = time.monotonic() + seconds
    while not file.exists():
        if program.poll() is not None or time.monotonic() > end:
            program.kill()
            raise AssertionError(f"no {file}: the program ended with {program.wait()}")
        time.sleep(0.05)


def kill(program: subprocess.Popen) -> None:
    os.kill(program.pid, signal.SIGKILL)
    program.wait()


def leave_open(project: Project) -> None:
    """A run and a trial of a killed process, and a run that `mlflow run` opened and no process works for."""
    environment = clean_environment(PYTHONPATH=str(project.root / "src"))
    program = subprocess.Popen([sys.executable, "-c", OPENS], cwd=project.root, env=environment)
    wait_for(project.root / "begun", program)
    kill(program)
    (project.root / "begun").unlink()


def leave_hardlink_lock(project: Project) -> None:
    """DVC's own lock under `core.hardlink_lock`, taken by a process that was killed."""
    (project.root / ".dvc" / "tmp").mkdir(exist_ok=True)
    (project.root / ".dvc" / "tmp" / "lock").unlink(missing_ok=True)  # of DVC's other kind of lock
    code = (
        "import time; from pathlib import Path; from dvc.lock import make_lock\n"
        "lock = make_lock('.dvc/tmp/lock', tmp_dir='.dvc/tmp', hardlink_lock=True); lock.lock()\n"
        "Path('begun').touch(); time.sleep(600)\n"
    )
    program = subprocess.Popen([sys.executable, "-c", code], cwd=project.root, env=clean_environment())
    wait_for(project.root / "begun", program)
    kill(program)
    (project.root / "begun").unlink()


def leave_stage(project: Project) -> int:
    """A stage that works on though the dvc that started it was killed; returns its process."""
    code = "import os, time; open('begun', 'w').write(str(os.getpid())); time.sleep(600)"
    (project.root / "slow.py").write_text(code)
    (project.root / "dvc.yaml").write_text(
        "stages:\n  check:\n    cmd: exec python slow.py src/hilum check\n    always_changed: true\n"
    )
    program = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "-q"], cwd=project.root, env=clean_environment(), stderr=subprocess.DEVNULL
    )
    wait_for(project.root / "begun", program)
    time.sleep(0.2)
    kill(program)
    return int((project.root / "begun").read_text())
