"""How long a search of a head takes on a project's own films, once the activations of the frozen backbone are cached.

Run: python benchmarks/head_trials.py --project PROJECT [--trials 100] [--workers 2] [--place FOLDER]

PROJECT: a folder where `prepare` and `split` have run, such as one of `-P recipe=pediatric`. Its prepared films are linked into a
project of its own, whose one arm has the first arm's backbone and a head by gradient steps with three spaces. The first trial
caches activations; then the others are searched by workers of one thread, all that `tune` does included. Prints a table.

On a machine that does other work too, the seconds of processors say how long it would take alone.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
HEAD = {
    "dropout": {"low": 0.0, "high": 0.5, "start": 0.2},
    "weight_decay": {"low": 1.0e-6, "high": 1.0e-2, "log": True, "start": 1.0e-4},
}
RATE = {"low": 1.0e-4, "high": 1.0e-2, "log": True, "start": 1.0e-3}
PHASE = {"unfreeze": "head", "epochs": 15, "learning_rate": RATE, "decay": "none", "batch_norm": "auto"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--place", type=Path, default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.place) as temporary:
        root = Path(temporary)
        (root / "data").mkdir()
        for name in ("prepared", "split", "facts.json"):
            (root / "data" / name).symlink_to((given.project / "data" / name).resolve())
        shutil.copy(ROOT / "dvc.yaml", root)
        values = yaml.safe_load((given.project / "params.yaml").read_text())
        print("| what | trials | seconds | of processors | trials a minute |\n|---|---|---|---|---|", flush=True)
        for what, count, trials in (("with activations that are not cached", 1, 1), ("cached", given.trials, given.trials + 1)):
            write_params(root, values, trials, given.workers)
            seconds, used = search(root)
            told = f"{what}, {given.workers} workers of one thread"
            print(f"| {told} | {count} | {seconds:.0f} | {used:.0f} | {60 * count / seconds:.1f} |", flush=True)


def write_params(root: Path, values: dict[str, Any], trials: int, workers: int) -> None:
    (name, first), *_ = values["arms"].items()
    network = {key: first[key] for key in ("backbone", "options", "weights") if first.get(key) is not None}
    values = {**values, "arms": {name: {**network, "head": HEAD, "phases": [PHASE]}}, "ensembles": {}}
    values["compare"] = {**values["compare"], "reference": name}
    values["tune"] = {
        **values["tune"],
        **{"trials": trials, "executor": "processes", "workers": workers, "threads": 1, "batch": 2 * workers},
    }
    (root / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))


def search(root: Path) -> tuple[float, float]:
    """Search in a process of its own; how long it took, and how long processors worked for it and its workers, in seconds."""
    (arm,) = yaml.safe_load((root / "params.yaml").read_text())["arms"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    begun, before = time.monotonic(), used_by_children()
    command = [sys.executable, str(ROOT / "src" / "hilum"), "tune", "--arm", arm]
    subprocess.run(command, cwd=root, env=environment, stdout=sys.stderr, check=True)
    return time.monotonic() - begun, used_by_children() - before


def used_by_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
