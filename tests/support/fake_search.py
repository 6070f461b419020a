"""A search in a process of its own, whose trials cost a wait instead of a training: what other processes do to it can be tested.

    python tests/support/fake_search.py DATABASE STUDY TRIALS SECONDS_PER_EPOCH OUT

Writes OUT/ready, waits while there is a file `hold` beside the database, then writes OUT/asked.jsonl (a line when a trial begins
and one when it ends) and OUT/found.json.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from search_settings import make_tune, run_here

from hilum.settings.search_space import Range
from hilum.training.searching.search import Watch, search

SPACES = {"rate": Range(low=1e-4, high=1e-2, log=True, start=1e-3), "dropout": Range(low=0.0, high=0.5, start=0.2)}
EPOCHS = 4


def begin_search(folder: Path, study: str, trials: int, seconds: float, out: str) -> subprocess.Popen[str]:
    """Start this file; the database is folder/studies.db, what it leaves is below folder/out."""
    command = [sys.executable, __file__, str(folder / "studies.db"), study, str(trials), str(seconds), str(folder / out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def asked(folder: Path, out: str) -> list[dict[str, Any]]:
    """The trials that a process began and ended so far."""
    file = folder / out / "asked.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


def wait_for_trials(folder: Path, out: str, begun: int, process: subprocess.Popen[str]) -> None:
    """Until that process has begun so many trials."""
    while sum(line["what"] == "begun" for line in asked(folder, out)) < begun:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)


def begin_at_once(folder: Path, asked_for: dict[str, str], trials: int, seconds: float) -> list[subprocess.Popen[str]]:
    """Start a process for each out -> study, and let them search only when all are ready."""
    (folder / "hold").touch()
    processes = [begin_search(folder, study, trials, seconds, out) for out, study in asked_for.items()]
    while not all((folder / out / "ready").is_file() for out in asked_for):
        assert all(process.poll() is None for process in processes)
        time.sleep(0.01)
    (folder / "hold").unlink()
    return processes


def run(database: Path, study: str, trials: int, seconds: float, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)

    def note(what: str, values: dict[str, Any]) -> None:
        with (out / "asked.jsonl").open("a") as file:
            file.write(json.dumps({"what": what, "time": time.time(), "values": values}) + "\n")

    def train(values: dict[str, Any], report: Any) -> dict[str, float]:
        note("begun", values)
        height = 0.9 - abs(values["rate"] - 3e-3) * 50 - values["dropout"] / 10
        try:
            for step in range(EPOCHS):
                time.sleep(seconds)
                report(step, {"select": height * (step + 1) / EPOCHS, "val/auroc": height * (step + 1) / EPOCHS})
        finally:  # stopped by the pruner too
            note("ended", values)
        return {"select": height, "val/auroc": height}

    tune = make_tune(trials=trials)
    watch = Watch(silent, lambda owner: print(f"waits for {owner}", flush=True), silent)
    (out / "ready").touch()
    while (database.parent / "hold").exists():
        time.sleep(0.001)
    found = search(study, SPACES, tune, {"auroc": 1}, database, run_here(tune, train), watch, {"code": "1"})
    told = {"best": found.best, "trials": found.trials.to_csv(index=False), "history": found.history.to_csv(index=False)}
    (out / "found.json").write_text(json.dumps(told))


def silent(*_: Any) -> None:
    """A callback that reports to nobody."""


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), Path(sys.argv[5]))
