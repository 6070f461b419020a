"""Workers of a scheduler that outlives a call: each call has new processes with code of its own, and disturbs no other call."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from counted_jobs import prepare_counting, prepare_summing

from hilum.settings.tune import Dask
from hilum.training.workers import dask_workers, executors
from hilum.training.workers.dask_workers import Prepare, _run_job
from hilum.training.workers.executors import EXECUTORS

JOBS = "import os\nVALUE = {}\n\n\ndef prepare(shared):\n    return lambda job: (VALUE, os.getpid())\n"
GIVEN = {"threads_per_worker": 1, "protocol": "tcp://", "host": "127.0.0.1", "dashboard_address": None, "silence_logs": 50}


@pytest.fixture
def scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dask]:
    """One worker, which is watched by a process that can start it again; it finds modules in the test's folder."""
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.importorskip("distributed").LocalCluster(n_workers=1, processes=True, **GIVEN) as cluster:
        yield Dask(cluster=cluster.scheduler_address, memory="1GB", job={}, tls={})


def run(where: Dask, prepare: Prepare, shared: Any, executor: str = "dask") -> Any:
    with EXECUTORS[executor](prepare, shared, 1, where) as run_jobs:
        return dict(run_jobs({0: {"number": 0}}))[0]


def test_code_that_was_edited_between_two_calls_is_what_the_second_runs(scheduler: Dask, tmp_path: Path) -> None:
    """Dask hands functions over by name: a worker that goes on has what it imported before."""
    file = tmp_path / "edited_jobs.py"
    file.write_text(JOBS.format(1))
    jobs = importlib.import_module("edited_jobs")
    first = run(scheduler, jobs.prepare, None)
    file.write_text(JOBS.format(22))
    second = run(scheduler, jobs.prepare, None)
    assert (first[0], second[0]) == (1, 22) and first[1] != second[1]


@pytest.mark.slow
def test_a_call_with_other_threads_follows_on_the_same_scheduler(scheduler: Dask) -> None:
    assert [run(scheduler, prepare_summing, threads) for threads in (1, 2)] == [1, 2]


def test_a_worker_that_works_for_another_call_is_left_at_it(scheduler: Dask, tmp_path: Path) -> None:
    with EXECUTORS["dask"](prepare_counting, str(tmp_path), 1, scheduler) as run_jobs:
        results = run_jobs({0: {"number": 0}, 1: {"number": 1, "seconds": 5}})
        assert next(results) == (0, 0)
        with EXECUTORS["dask"](prepare_counting, str(tmp_path), 1, scheduler) as others:
            assert dict(others({5: {"number": 5}})) == {5: 25}
        assert dict(results) == {1: 1}
    assert (tmp_path / "begun.txt").read_text().split() == ["0", "1", "5"], "each once"


def test_a_worker_of_other_code_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That nothing can start again; processes of this machine refuse it too, which start when the stage has run for hours."""
    for module in (dask_workers, executors):
        monkeypatch.setattr(module, "loaded_code", lambda: {"records.py": "edited"})
    told = "must have the code of the process it works for, got other records.py in .*; {}"
    remedies = {"dask": "restart that worker", "processes": "it was edited while this command ran: run the same command again"}
    with pytest.importorskip("distributed").LocalCluster(n_workers=1, processes=False, **GIVEN) as cluster:
        for executor, where in (("dask", cluster.scheduler_address), ("processes", "local")):
            chosen = Dask(cluster=where, memory="1GB", job={}, tls={})
            with (
                pytest.raises(ValueError, match=told.format(remedies[executor])),
                EXECUTORS[executor](prepare_counting, str(tmp_path), 1, chosen) as run_jobs,
            ):
                list(run_jobs({0: {"number": 0}}))
    assert not (tmp_path / "begun.txt").exists()


def test_a_worker_that_tensorflow_has_settled_otherwise_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(shared: str) -> Any:
        raise RuntimeError("Intra op parallelism cannot be modified after initialization.")

    monkeypatch.setattr(dask_workers, "_ready", {})
    monkeypatch.setattr(dask_workers, "_used", [])
    code = dask_workers.loaded_code()
    assert dask_workers._state(code) == (False, [])
    with pytest.raises(RuntimeError, match="Intra op"):
        _run_job("one", code, prepare, "", 0)
    for name in ("two", "three"):  # not ready, yet no new process either: the next call starts it anew
        assert dask_workers._state(code) == (True, []) and not dask_workers._ready
        with pytest.raises(ValueError, match=r"must be new or fit its next call, got: Intra op .*; restart that worker"):
            _run_job(name, code, prepare, "", 0)
