"""Executors on jobs that cost nothing: the same results in every one, whatever happens to workers."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from counted_jobs import prepare_counting

from hilum.settings.tune import Dask
from hilum.training.workers import dask_workers
from hilum.training.workers.executors import DEATHS, EXECUTORS

SUPPORT = Path(__file__).resolve().parents[2] / "support"


LOCAL = Dask(cluster="local", memory="1GB", job={}, tls={})
PARALLEL = ["processes", pytest.param("dask", marks=pytest.mark.slow)]


@pytest.fixture(autouse=True)
def with_dask(request: pytest.FixtureRequest) -> None:
    """Dask is an extra: its tests are skipped without it."""
    if "dask" in request.node.name:
        pytest.importorskip("distributed")


def run(executor: str, jobs: dict[int, Any], folder: Path, workers: int = 2, where: Dask = LOCAL) -> dict[int, Any]:
    with EXECUTORS[executor](prepare_counting, str(folder), workers if executor != "serial" else 1, where) as run_jobs:
        return dict(run_jobs(jobs))


def begun(folder: Path) -> list[int]:
    """The numbers of the jobs that workers began, in order."""
    file = folder / "begun.txt"
    return [int(line) for line in file.read_text().split()] if file.is_file() else []


@pytest.mark.parametrize("executor", EXECUTORS)
def test_every_job_gives_its_result_once(executor: str, tmp_path: Path) -> None:
    jobs = {number: {"number": number} for number in range(7)}
    assert run(executor, jobs, tmp_path) == {number: number**2 for number in jobs}
    assert sorted(begun(tmp_path)) == list(jobs)
    assert run(executor, {}, tmp_path) == {}


@pytest.mark.parametrize("executor", EXECUTORS)
def test_no_worker_starts_while_nothing_must_run(executor: str, tmp_path: Path) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    with EXECUTORS[executor](prepare_counting, str(tmp_path), 1, LOCAL) as run_jobs:
        assert dict(run_jobs({})) == {}
        assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


@pytest.mark.parametrize("executor", EXECUTORS)
def test_an_error_of_a_job_reaches_the_caller(executor: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="of job 1") as caught:
        run(executor, {number: {"number": number, "fails": number == 1} for number in range(3)}, tmp_path)
    assert executor != "processes" or "counted_jobs.py" in "".join(getattr(caught.value, "__notes__", []))


def test_the_job_of_a_killed_worker_runs_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = {number: {"number": number, "dies": 1 if number == 2 else 0} for number in range(5)}
    assert run("processes", jobs, tmp_path) == {number: number**2 for number in jobs}
    assert sorted(begun(tmp_path)) == [0, 1, 2, 2, 3, 4]
    assert "a worker ended in number 2 (killed by SIGKILL); it runs again" in capsys.readouterr().out


@pytest.mark.parametrize("executor", PARALLEL)
def test_workers_that_are_killed_at_random_instants_change_no_result(executor: str, tmp_path: Path) -> None:
    rng, killed, kills = np.random.default_rng(5), 0, 20  # of which each takes Dask seconds
    jobs = {number: {"number": number, "seconds": 0.1} for number in range(60)}
    found = {}
    with EXECUTORS[executor](prepare_counting, str(tmp_path), 2, LOCAL) as run_jobs:
        for number, result in run_jobs(jobs):
            found[number] = result
            if killed < kills and number % 3 == 0:
                time.sleep(float(rng.uniform(0, 0.1)))
                workers = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
                serving = [child for child in workers if "spawn_main" in " ".join(child.cmdline())]
                if serving:
                    serving[int(rng.integers(len(serving)))].kill()
                    killed += 1
    assert killed == kills
    assert found == {number: number**2 for number in jobs}


@pytest.mark.slow
def test_workers_of_dask_that_are_killed_while_they_start_are_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dask gives up a worker that ends before it has registered; killed for some seconds, none is left."""
    monkeypatch.setattr(dask_workers, "SILENCE", 2)
    jobs, found = {number: {"number": number, "seconds": 0.1} for number in range(12)}, {}
    with EXECUTORS["dask"](prepare_counting, str(tmp_path), 2, LOCAL) as run_jobs:
        for number, result in run_jobs(jobs):
            found[number] = result
            if len(found) == 2:
                kill_all(4)
    assert found == {number: number**2 for number in jobs}


@pytest.mark.slow
def test_results_that_end_with_their_workers_of_dask_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers hold results until they are fetched; killed for some seconds, none is left that has them or makes them."""
    monkeypatch.setattr(dask_workers, "SILENCE", 2)
    jobs, found = {number: {"number": number} for number in range(6)}, {}
    with EXECUTORS["dask"](prepare_counting, str(tmp_path), 2, LOCAL) as run_jobs:
        for number, result in run_jobs(jobs):
            found[number] = result
            if len(found) == 1:
                wait_until(lambda: len(begun(tmp_path)) == len(jobs))
                time.sleep(1)  # the rest is finished at once
            if len(found) == 2:
                kill_all(10)
    assert found == {number: number**2 for number in jobs}


def kill_all(seconds: float) -> None:
    """Kill every worker as it comes, for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if "spawn_main" in " ".join(child.cmdline()):
                    child.kill()
        time.sleep(0.05)


@pytest.mark.parametrize(("how", "told"), [("dies", "SIGKILL.*use fewer workers"), ("ends", "exit code 1.*stands above")])
def test_a_job_that_ends_every_worker_is_given_up(how: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{DEATHS} in a row ended in number 1 .*{told}"):
        run("processes", {1: {"number": 1, how: 99}}, tmp_path)
    assert begun(tmp_path) == [1] * DEATHS


def wait_until(true: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_the_process_that_started_them(number: signal.Signals, tmp_path: Path) -> None:
    code = (
        "import signal; from counted_jobs import prepare_counting; from hilum.training.workers.executors import EXECUTORS\n"
        "if __name__ == '__main__':\n"
        "    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs ignore\n"
        f"    with EXECUTORS['processes'](prepare_counting, {str(tmp_path)!r}, 2, None) as run:\n"
        "        list(run({i: {'number': i, 'seconds': 600} for i in range(2)}))\n"
    )
    (tmp_path / "driver.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": f"{SUPPORT}:{os.environ.get('PYTHONPATH', '')}"}
    driver = subprocess.Popen([sys.executable, str(tmp_path / "driver.py")], env=environment, stderr=subprocess.DEVNULL)
    wait_until(lambda: len(begun(tmp_path)) == 2)
    workers = psutil.Process(driver.pid).children(recursive=True)
    assert len(workers) >= 2
    os.kill(driver.pid, number)
    driver.wait(timeout=60)
    wait_until(lambda: not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers))
