"""A search with random kills of its driver and its workers: what they leave in Optuna's database, in MLflow and in the files.

Run: python benchmarks/search_under_kills.py [--kills 50] [--trials 30] [--seed 11] [--minutes 60] [--place FOLDER]

A phantom project of 60 films; what trains a trial is a formula, and processes are forked from one that has imported all they
need, so that searches take seconds. A search is killed and started again until it has ended, then the next one begins, until
there were so many kills. Prints a table in Markdown.
"""

import argparse
import contextlib
import functools
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import yaml
from forked_searches import Forked, Server
from search_kills import SETTINGS, kill_searches
from stepping import take_steps

from hilum.stages import acquire, check, prepare, split
from hilum.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=0.05, help="of each of a trial's four epochs")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--place", type=Path, default=None, help="folder for the project; a disk in memory is faster")
    given = parser.parse_args()
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory(dir=given.place) as temporary:
        project = make_project(Path(temporary) / "project", given.trials)
        with contextlib.chdir(project.root):
            server = Server()
            start = functools.partial(begin_forked, server, given.seconds)
            try:
                found = kill_searches(project, given.trials, given.kills, given.seed, given.minutes, start)
            finally:
                server.close()
    print("| | |\n|---|---|")
    print(f"| kills of the driver, of a worker | {found.killed['driver']}, {found.killed['worker']} |")
    print(f"| searches, started again after each kill until they had ended | {found.searches} |")
    print(f"| searches with {given.trials} trials exactly, each once, in Optuna and in MLflow | {found.whole} |")
    print(f"| searches whose files are those of a search without kills, to the byte | {found.equal} |")
    print(f"| trials in Optuna by state | {', '.join(f'{n} {state}' for state, n in found.trials.items())} |")
    print(f"| runs in MLflow by status, with the parents | {', '.join(f'{n} {state}' for state, n in found.runs.items())} |")


def begin_forked(server: Server, seconds: float, project: Workspace) -> Forked:
    return Forked(server, project.root, seconds)


def make_project(root: Path, trials: int) -> Workspace:
    """A project of small phantom films, split, whose arm `baseline` has two spaces."""
    values = take_steps(yaml.safe_load((ROOT / "params.yaml").read_text()))
    values["acquire"]["sources"]["phantom"].update(films=60, size=64)
    values["prepare"]["size"] = 64
    values["split"].update(explain_films=4, tuning_films=3)
    values["tune"].update(trials=trials, **SETTINGS)
    values["arms"]["baseline"]["weights"] = "none"
    root.mkdir(parents=True)
    (root / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    shutil.copy(ROOT / "dvc.yaml", root / "dvc.yaml")
    with contextlib.chdir(root), contextlib.redirect_stdout(sys.stderr):
        check.run()
        acquire.run(source="phantom")
        prepare.run()
        split.run()
    return Workspace(root.resolve(), root.resolve())


if __name__ == "__main__":
    main()
