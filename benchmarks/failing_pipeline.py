"""One write, rename or flush of a whole small pipeline fails, at seeded positions: what it says, and what the next call makes.

Run: python benchmarks/failing_pipeline.py [--faults 200] [--seed 19] [--minutes 60] [--place FOLDER]

A library that is loaded before all others (failing_writes.c, compiled with cc) counts what hilum, MLflow, SQLite and HDF5 write
below the project, over all processes, and fails the k-th step as a full disk does. Positions are drawn from all steps of an
undisturbed run. Each begins with the project as it was before the stage that k is in; that stage fails or goes on, and is
called again. Compared with the undisturbed run: bytes of its results, and runs with their status in MLflow. Stages are called as
DVC calls them, in processes forked from one that has imported TensorFlow; DVC itself is not part of it. Prints a table.
"""

import argparse
import mmap
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import numpy as np
import yaml
from killed_processes import Nursery
from stepping import take_steps

from hilum.results import folder_digest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = Path(__file__).with_name("failing_writes.c")
ARM = ["--arm", "baseline"]
STAGES = {  # stage -> the words of its call, and the folder of its results
    "check": (["check"], "data/facts.json"),
    "acquire": (["acquire", "--source", "phantom"], "data/raw/phantom"),
    "prepare": (["prepare"], "data/prepared"),
    "split": (["split"], "data/split"),
    "tune": (["tune", *ARM], "results/arms/baseline/tuning"),
    "train": (["train", *ARM], "results/arms/baseline/training"),
    "evaluate": (["evaluate", *ARM], "results/arms/baseline/evaluation"),
    "explain": (["explain", *ARM], "results/arms/baseline/explanations"),
    "audit": (["audit", *ARM], "results/arms/baseline/audit"),
    "external": (["external", *ARM], "results/arms/baseline/external"),
    "compare": (["compare"], "results/comparison"),
}
OPTIONS = {"blocks": 2, "filters": 4, "growth": 2.0, "kernel": 3, "pooling": "max", "batch_norm": True}
CONTROL = struct.Struct("qqqq4096s256s4096s")  # as in failing_writes.c


@dataclass(frozen=True)
class Undisturbed:
    """A stage of the undisturbed run. steps: how many writes, renames and flushes it took."""

    steps: int
    results: str
    runs: Counter[tuple[str, str]]


class Disk:
    """What the preloaded library reads and counts."""

    def __init__(self, folder: Path) -> None:
        library, control = folder / "failing_writes.so", folder / "control"
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"], check=True)
        control.write_bytes(bytes(CONTROL.size))
        self.mapped = mmap.mmap(os.open(control, os.O_RDWR), CONTROL.size)
        os.environ.update(LD_PRELOAD=str(library), FAILING_WRITES=str(control))  # of the processes that are started from now on

    def begin(self, root: Path, fail_at: int) -> None:
        self.mapped[:] = CONTROL.pack(0, fail_at, 1, 0, f"{root}/".encode(), b"", b"")

    def end(self) -> tuple[int, bool, str]:
        """How many steps there were, whether one failed, and which: the kind of step and the file."""
        count, _, _, failed, root, what, where = CONTROL.unpack(self.mapped[:])
        self.mapped[:] = bytes(CONTROL.size)
        root, what, where = (text.partition(b"\0")[0].decode() for text in (root, what, where))
        return count, bool(failed), f"{what} {where.removeprefix(root)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=19)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--place", type=Path, default=None, help="folder for projects; a disk in memory is faster")
    given = parser.parse_args()
    end = time.monotonic() + 60 * given.minutes
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory(dir=given.place) as temporary:
        place = Path(temporary).resolve()
        disk, project = Disk(place), place / "project"
        nursery = Nursery(place / "log.txt")
        try:
            alone = run_undisturbed(nursery, disk, project, place)
            drawn = np.random.default_rng(given.seed).choice(
                sum(one.steps for one in alone.values()), size=given.faults, replace=False
            )
            found = Counter[tuple[str, str]]()
            for k in drawn.tolist():
                if time.monotonic() > end:
                    break
                stage, step = locate(alone, k)
                result, told = try_fault(nursery, disk, project, place, stage, step, alone[stage])
                found[stage, result] += 1
                print(f"k {k}: {stage}, step {step} of {alone[stage].steps}: {result}: {told}", file=sys.stderr, flush=True)
        finally:
            nursery.close()
    print_table(alone, found)


def make_project(root: Path) -> None:
    """A phantom of 60 films of 64 px and one arm of a small network: two trials of two epochs, one method, 20 audited films."""
    values = take_steps(yaml.safe_load((ROOT / "params.yaml").read_text()))
    values["acquire"]["sources"]["phantom"].update(films=60, size=64)
    values["prepare"]["size"] = 64
    values["split"].update(explain_films=3, tuning_films=2)
    values["tune"].update(trials=2, threads=1)
    values["train"]["augment"]["views"] = 1
    arm: dict[str, Any] = values["arms"]["baseline"]
    arm.update(backbone="small_cnn", options=OPTIONS, weights="none")
    arm["phases"][0]["epochs"] = 2
    values["arms"] = {"baseline": arm}
    values["evaluate"]["bootstrap"] = values["compare"]["bootstrap"] = 20
    values["explain"].update(methods=["gradcam"], measures=["entropy"], sheets=[], bootstrap=20)
    values["explain"]["sanity"].update(films=2, seeds=1)
    values["audit"]["films"] = 20
    root.mkdir()
    (root / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    shutil.copy(ROOT / "dvc.yaml", root / "dvc.yaml")


def run_undisturbed(nursery: Nursery, disk: Disk, project: Path, place: Path) -> dict[str, Undisturbed]:
    """Run every stage once, and keep the project as it is before each."""
    make_project(project)
    found = {}
    for stage in STAGES:
        shutil.copytree(project, place / f"before-{stage}", symlinks=True)
        disk.begin(project, -1)
        code, _ = call(nursery, project, stage)
        steps, _, _ = disk.end()
        if code:
            raise SystemExit(f"{stage}: {nursery.log.read_text()[-3000:]}")
        found[stage] = Undisturbed(steps, results_of(project, stage), runs_of(project))
        print(f"{stage}: {steps} steps", file=sys.stderr, flush=True)
    return found


def locate(alone: dict[str, Undisturbed], k: int) -> tuple[str, int]:
    for stage, one in alone.items():
        if k < one.steps:
            return stage, k
        k -= one.steps
    raise ValueError(f"k must be below the number of steps, got {k} too many")


def try_fault(
    nursery: Nursery, disk: Disk, project: Path, place: Path, stage: str, step: int, alone: Undisturbed
) -> tuple[str, str]:
    """Let the step of the stage fail, call it again, and compare; returns the result and what failed, with the last line."""
    shutil.rmtree(project)
    shutil.copytree(place / f"before-{stage}", project, symlinks=True)
    nursery.log.write_text("")
    disk.begin(project, step)
    code, _ = call(nursery, project, stage)
    _, failed, what = disk.end()
    said = nursery.log.read_text()
    last = (said.strip().splitlines() or [""])[-1][:160]
    if not failed:
        return "not reached", ""
    again, _ = call(nursery, project, stage)
    if again:
        return "the next call fails", f"{what}: {nursery.log.read_text().strip().splitlines()[-1][:300]}"
    if results_of(project, stage) != alone.results:
        return "other bytes", f"{what}: {last}"
    if runs_of(project) != alone.runs:
        return "other runs", f"{what}: {dict(runs_of(project) - alone.runs)} {last}"
    if code:
        return (
            "as undisturbed, after a traceback" if "Traceback" in said else "as undisturbed, after one message"
        ), f"{what}: {last}"
    return "as undisturbed, and the first call went on", what


def call(nursery: Nursery, project: Path, stage: str) -> tuple[int, float]:
    return nursery.run("call_verb", project=str(project), words=STAGES[stage][0])


def results_of(project: Path, stage: str) -> str:
    """Of what the stage writes; a file is read as it is."""
    place = project / STAGES[stage][1]
    return folder_digest(place) if place.is_dir() else place.read_text()


def runs_of(project: Path) -> Counter[tuple[str, str]]:
    """How many runs of MLflow have each name and status."""
    if not (project / "mlflow.db").is_file():
        return Counter()
    with sqlite3.connect(project / "mlflow.db") as store:
        return Counter(store.execute("SELECT name, status FROM runs WHERE lifecycle_stage = 'active'").fetchall())


def print_table(alone: dict[str, Undisturbed], found: Counter[tuple[str, str]]) -> None:
    results = sorted({result for _, result in found})
    print(f"| stage | steps | faults | {' | '.join(results)} |\n|---|---|---|{'---|' * len(results)}")
    for stage, one in alone.items():
        counts = [found[stage, result] for result in results]
        print(f"| {stage} | {one.steps} | {sum(counts)} | {' | '.join(map(str, counts))} |")
    counts = [sum(found[stage, result] for stage in alone) for result in results]
    print(f"| all | {sum(one.steps for one in alone.values())} | {sum(counts)} | {' | '.join(map(str, counts))} |")


if __name__ == "__main__":
    main()
