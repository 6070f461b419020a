"""Who runs jobs: this process, processes of this machine, or workers of Dask. The job of a worker that is killed runs again.

A job is plain values. A worker is made ready once, by a function that returns what runs one job; both are found by their names.
It works only with the code of the process whose jobs they are: what is kept of them is kept under that code.
"""

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from hilum.progress import lines_to, say
from hilum.settings.tune import Dask
from hilum.training.workers.dask_workers import DEATHS, Prepare, RunJobs, Work, dask
from hilum.training.workers.worker_code import AGAIN, Code, check_code, loaded_code


@contextmanager
def serial(prepare: Prepare, shared: Any, workers: int, where: Dask) -> Iterator[RunJobs]:
    """Run jobs in this process, one after another."""
    ready: list[Work] = []

    def run(jobs: Mapping[int, Any]) -> Iterator[tuple[int, Any]]:
        for number, job in jobs.items():
            if not ready:
                ready.append(prepare(shared))
            yield number, ready[0](job)

    yield run


@contextmanager
def processes(prepare: Prepare, shared: Any, workers: int, where: Dask) -> Iterator[RunJobs]:
    """Run jobs in that many processes, which start when they are needed first and end with this one.

    Raises:
        ValueError: several workers in a row ended without a result for the same job.
    """
    pool = _Pool(prepare, shared, workers)
    try:
        yield pool.run
    finally:
        pool.close()


EXECUTORS: dict[str, Callable[[Prepare, Any, int, Dask], AbstractContextManager[RunJobs]]] = {
    "serial": serial,
    "processes": processes,
    "dask": dask,
}


@dataclass
class _Worker:
    """A process and the number of the job that it works on; None if it is idle."""

    process: BaseProcess
    pipe: Connection
    job: int | None = None


class _Pool:
    def __init__(self, prepare: Prepare, shared: Any, count: int) -> None:
        self.prepare, self.shared, self.count = prepare, shared, count
        self.workers: list[_Worker] = []

    def run(self, jobs: Mapping[int, Any]) -> Iterator[tuple[int, Any]]:
        waiting, deaths = list(jobs), dict.fromkeys(jobs, 0)
        left = len(waiting)
        while left:
            self._hand_out(waiting, jobs)
            busy = {worker.pipe: worker for worker in self.workers if worker.job is not None}
            for pipe in wait(list(busy)):
                worker = busy[pipe]  # type: ignore[index]
                number = worker.job
                assert number is not None
                try:
                    result, fault = worker.pipe.recv()
                except (EOFError, OSError):
                    self._bury(worker, deaths)
                    waiting.insert(0, number)
                    continue
                worker.job = None
                if fault:
                    raise _with_place(*fault)
                left -= 1
                yield number, result

    def _hand_out(self, waiting: list[int], jobs: Mapping[int, Any]) -> None:
        """Give each idle worker a job; start as many workers as there are jobs for."""
        idle = [worker for worker in self.workers if worker.job is None]
        while waiting and (idle or len(self.workers) < self.count):
            worker = idle.pop(0) if idle else self._start()
            number = waiting.pop(0)
            try:
                worker.pipe.send(jobs[number])
                worker.job = number
            except OSError:  # it ended while it was idle
                self._end(worker)
                waiting.insert(0, number)

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
        own, other = context.Pipe()
        process = context.Process(target=_serve, args=(other, self.prepare, self.shared, loaded_code()), daemon=True)
        process.start()
        other.close()
        self.workers.append(_Worker(process, own))
        return self.workers[-1]

    def _bury(self, worker: _Worker, deaths: dict[int, int]) -> None:
        assert worker.job is not None
        code = self._end(worker)
        deaths[worker.job] += 1
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        if deaths[worker.job] == DEATHS:
            raise ValueError(
                f"a worker must finish its job, but {DEATHS} in a row ended in number {worker.job} (the last: {how}); "
                + ("if the machine has too little memory, use fewer workers" if code < 0 else "what it said itself stands above")
            )
        say(f"a worker ended in number {worker.job} ({how}); it runs again")

    def _end(self, worker: _Worker) -> int:
        self.workers.remove(worker)
        worker.pipe.close()
        worker.process.join()
        return worker.process.exitcode or 0

    def close(self) -> None:
        for worker in self.workers:
            worker.process.kill()  # what it works on is not needed, and it writes nothing that could be cut off
        for worker in list(self.workers):
            self._end(worker)


def _serve(pipe: Connection, prepare: Prepare, shared: Any, code: Code) -> None:
    """The life of a worker: it runs jobs until the pipe closes, and ends at once with the process that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the starting process ends this one
    threading.Thread(target=_end_with_parent, daemon=True).start()
    work: Work | None = None
    with lines_to(None):
        while True:
            try:
                job = pipe.recv()
            except EOFError:
                return
            answer: tuple[Any, Any]
            try:
                if work is None:
                    check_code(code, AGAIN)
                    work = prepare(shared)
                answer = (work(job), None)
            except Exception as error:
                answer = (None, (error, traceback.format_exc()))
            _send(pipe, answer)


def _send(pipe: Connection, answer: tuple[Any, Any]) -> None:
    try:
        pipe.send(answer)
    except BrokenPipeError:  # nobody waits for it
        os._exit(1)
    except Exception:  # an error that cannot be sent as it is
        pipe.send((None, (RuntimeError(str(answer[1] and answer[1][0])), str(answer[1] and answer[1][1]))))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _with_place(error: BaseException, place: str) -> BaseException:
    """An error of a worker, with the lines where it happened."""
    error.add_note(f"in a worker:\n{place}")
    return error
