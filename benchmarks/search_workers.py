"""Trials a minute with one worker and with two, on trials that leave the machine idle, logging included; the files are the same.

Run: python benchmarks/search_workers.py [--trials 60] [--seconds 2] [--place FOLDER]

The stage `tune` in a phantom project of 60 films; what trains a trial waits so many seconds instead, so that what is measured is
how the driver shares trials out, stores and logs them. From the first trial's begin to the end of the stage. Prints a table.
"""

import argparse
import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import yaml
from search_kills import begin, finish, forget
from search_under_kills import make_project

from hilum.results import folder_digest
from hilum.workspace import Workspace

EPOCHS = 4  # of a trial, as in tests/support/killed_search.py


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=2.0, help="of a trial")
    parser.add_argument("--place", type=Path, default=None, help="folder for the project; a disk in memory is faster")
    given = parser.parse_args()
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        del os.environ[name]
    found, digests = [], set()
    print("| workers | trials | seconds | trials a minute |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(dir=given.place) as temporary:
        project = make_project(Path(temporary) / "project", given.trials)
        for workers in (1, 2):
            seconds = search(project, workers, given.seconds)
            digests.add(folder_digest(project.arm("baseline", "tuning")))
            found.append(60 * given.trials / seconds)
            print(f"| {workers} | {given.trials} | {seconds:.1f} | {found[-1]:.1f} |", flush=True)
    print(f"\nratio {found[1] / found[0]:.2f}; the files are {'the same' if len(digests) == 1 else 'different'}")


def search(project: Workspace, workers: int, seconds: float) -> float:
    """From the begin of the first trial to the end of the stage, in seconds."""
    values = yaml.safe_load(project.params.read_text())
    values["tune"].update(workers=workers, pruner="none")
    project.params.write_text(yaml.safe_dump(values, sort_keys=False))
    with contextlib.chdir(project.root):
        forget(project)
        program = begin(project, seconds / EPOCHS)
        while not (project.root / "ran.txt").is_file():
            if program.poll() is not None:
                raise SystemExit(program.communicate()[0])
            time.sleep(0.01)
        begun = time.monotonic()
        finish(program)
    return time.monotonic() - begun


if __name__ == "__main__":
    main()
