"""What the driver of a search spends on a trial when there are many: asking, sending, storing, logging.

Run: python benchmarks/many_trials.py [--trials 100 1000 10000] [--samples 20] [--workers 1000] [--jobs 10000]

Trials are no work: the study is filled with random values and results, and then the next ones are timed one part at a time, with
the functions of `tune`. Five spaces, ten epochs a trial. Workers are stand-ins: threads of one process that answer at once, in a
real scheduler of Dask. Times are of processors, so that other work of the machine does not count. Prints two tables in Markdown.
"""

import argparse
import contextlib
import os
import pickle
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np

from hilum.settings.params import read_params
from hilum.settings.search_space import Range
from hilum.settings.tune import Tune
from hilum.training.searching.proposals import Proposals
from hilum.training.searching.pruning import Ask, Outcome, run_trial
from hilum.training.searching.studies import open_study

ROOT = Path(__file__).resolve().parents[1]
EPOCHS = 10
SPACES = {f"space{i}": Range(low=1e-4, high=1e-1, log=True, start=1e-2) for i in range(5)}
WATCHES = {  # that each stand-in would have for itself, in one process
    **{f"distributed.{name}": "1h" for name in ("admin.system-monitor.interval", "admin.tick.interval", "admin.tick.cycle")},
    **{f"distributed.worker.{name}": "1h" for name in ("memory.monitor-interval", "profile.interval", "profile.cycle")},
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.gil.enabled": False,
}
WAYS = {  # sampler, pruner
    "tpe, no pruner": ("tpe", "none"),
    "tpe, median": ("tpe", "median"),
    "random, no pruner": ("random", "none"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 1000, 10000])
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=10000)
    given = parser.parse_args()
    tune = read_params(ROOT / "params.yaml").tune
    columns = ("search", "trials before", "asking, ms a trial", "a trial as it is sent, kB", "sending and reading it, ms")
    print(f"| {' | '.join((*columns, 'pruner of a worker, ms a trial', 'storing it, ms'))} |")
    print("|---|---|---|---|---|---|---|")
    for way, (sampler, pruner) in WAYS.items():
        chosen = tune.model_copy(update={"sampler": sampler, "pruner": pruner, "batch": given.samples})
        for count in given.trials:
            print(f"| {way} | {count:,} | {' | '.join(measure(chosen, count, given.samples))} |", flush=True)
    print("\n| scheduler of Dask with stand-ins | jobs | ms a job | jobs a second |\n|---|---|---|---|")
    for workers in sorted({10, given.workers}):
        seconds = schedule(workers, given.jobs)
        print(
            f"| {workers:,} workers | {given.jobs:,} | {1000 * seconds / given.jobs:.2f} | {given.jobs / seconds:.0f} |",
            flush=True,
        )


def measure(tune: Tune, count: int, samples: int) -> list[str]:
    """The cells of a row."""
    rng = np.random.default_rng(0)
    proposals = Proposals("many", SPACES, tune, {"log_loss": -1})
    with tempfile.TemporaryDirectory() as temporary, quiet_study(Path(temporary)) as study:
        fill(proposals, study, count, rng)
        asked, asking = timed(lambda: proposals.propose(samples))
        sent, sending = timed(lambda: [pickle.loads(pickle.dumps(ask)) for ask in asked])
        outcomes, pruning = timed(lambda: [answer(ask, tune, rng) for ask in sent[:5]])
        frozen = [proposals.freeze(ask.number, outcome) for ask, outcome in zip(asked, outcomes, strict=False)]
        _, storing = timed(lambda: [study.add_trial(trial) for trial in frozen])
    size = len(pickle.dumps(asked[0])) / 1e3
    figures = (asking / samples, None, sending / samples, pruning / len(outcomes), storing / len(frozen))
    return [f"{size:.1f}" if seconds is None else f"{1000 * seconds:.1f}" for seconds in figures]


def fill(proposals: Proposals, study: Any, count: int, rng: np.random.Generator) -> None:
    """Enter trials with random values and results; into the database without their time."""
    import optuna

    trials = []
    for number in range(count):
        values = {key: float(np.exp(rng.uniform(np.log(1e-4), np.log(1e-1)))) for key in SPACES}
        outcome = make_outcome(rng)
        trials.append(
            optuna.trial.create_trial(
                value=-outcome.metrics["val/log_loss"],
                params=values,
                distributions={key: optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True) for key in SPACES},
                intermediate_values=outcome.reached,
                user_attrs={"number": number, "metrics": outcome.metrics, "history": outcome.history},
            )
        )
        proposals.add(trials[-1])
    study.add_trials(trials)


def make_outcome(rng: np.random.Generator) -> Outcome:
    losses = rng.uniform(0.3, 0.9, EPOCHS)
    history = [{"step": float(step), "val/log_loss": float(loss), "select": -float(loss)} for step, loss in enumerate(losses)]
    return Outcome("COMPLETE", {"val/log_loss": float(losses.min()), "select": -float(losses.min())}, history)


def answer(ask: Ask, tune: Tune, rng: np.random.Generator) -> Outcome:
    """What a worker does besides training: the pruner reads all finished trials and each epoch."""

    def train(values: dict[str, Any], report: Callable[[int, dict[str, float]], None]) -> dict[str, float]:
        for step in range(EPOCHS):
            report(step, {"val/log_loss": 0.1 + step / 1000, "select": -0.1 - step / 1000})
        return {"val/log_loss": 0.1, "select": -0.1}

    return run_trial(ask, tune, train)


@contextlib.contextmanager
def quiet_study(folder: Path) -> Any:
    with open_study("many-0", folder / "studies.db", 1, print, {}, print) as study:
        yield study


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    begun = time.process_time()
    result = work()
    return result, time.process_time() - begun


def schedule(workers: int, jobs: int) -> float:
    """How long processors work in a scheduler of Dask and its stand-ins for jobs that are no work."""
    import dask
    from distributed import Client, LocalCluster, wait

    with (
        dask.config.set(WATCHES),
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=False, memory_limit=0, dashboard_address=None, silence_logs=50
        ) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(workers)
        begun = time.process_time()
        wait([client.submit(nothing, number, pure=False) for number in range(jobs)])
        return time.process_time() - begun


def nothing(number: int) -> int:
    return number


if __name__ == "__main__":
    main()
