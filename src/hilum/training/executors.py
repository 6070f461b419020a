"""Who runs jobs: this process, processes of this machine, or workers of Dask. The job of a worker that is killed runs again.

A job is plain values. A worker is made ready once, by a function that returns what runs one job; both are found by their names.
"""

import multiprocessing
import os
import random
import signal
import sys
import threading
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from hilum.progress import lines_to, say
from hilum.settings.tune import Dask

Work = Callable[[Any], Any]  # job -> result
Prepare = Callable[[Any], Work]  # called in a worker with what all jobs share
RunJobs = Callable[[Mapping[int, Any]], Iterator[tuple[int, Any]]]  # number -> job; results in the order in which they come
WAIT = 600  # seconds until a queue must have started a worker
SILENCE = 30  # seconds without a result after which it is asked whether Dask has a worker left
_ready: dict[str, Work] = {}  # of a worker of Dask: what it was made ready for
DEATHS = 5  # workers that one job may end before it is given up


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


@contextmanager
def dask(prepare: Prepare, shared: Any, workers: int, where: Dask) -> Iterator[RunJobs]:
    """Run jobs on Dask's workers of one thread each: of this machine, of a queue, or of a scheduler that runs already.

    Workers start with the first jobs.

    Raises:
        ValueError: several workers in a row ended without a result for the same job, or workers have several threads.
    """
    from distributed import wait as wait_for
    from distributed.scheduler import KilledWorker

    name = uuid.uuid4().hex
    opened: list[tuple[Any, Callable[[], None]]] = []  # with the first jobs
    with ExitStack() as held:

        def run(jobs: Mapping[int, Any]) -> Iterator[tuple[int, Any]]:
            if not jobs:
                return
            if not opened:
                opened.append(held.enter_context(_open_client(workers, where)))
            client, renew = opened[0]
            several = {address: count for address, count in client.nthreads().items() if count != 1}
            if several:
                raise ValueError(f"workers must have one thread each, got {several}; start them with --nthreads 1")
            sent = {
                client.submit(_run_job, name, prepare, shared, job, key=f"{name}-{uuid.uuid4().hex}", pure=False): number
                for number, job in jobs.items()
            }
            left = list(sent)
            while left:
                try:
                    done, others = wait_for(left, timeout=SILENCE, return_when="FIRST_COMPLETED")
                except TimeoutError:
                    if not client.nthreads():
                        renew()
                    continue
                left = list(others)
                for future in done:
                    try:
                        result = future.result(timeout=SILENCE)
                    except KilledWorker as error:
                        told = f"a worker must finish its job, but {DEATHS} in a row ended in number {sent[future]} ({error})"
                        raise ValueError(f"{told}; raise memory, or use fewer workers") from None
                    except TimeoutError:
                        if future.status == "error":  # of the job itself
                            raise
                        left.append(future)  # its worker ended with the result: it is waited for again
                    else:
                        yield sent[future], result

        yield run


@contextmanager
def _open_client(workers: int, where: Dask) -> Iterator[tuple[Any, Callable[[], None]]]:
    """A client, and what to call when no worker is left: Dask does not replace one that is killed while it starts.

    Loopback without keys; beyond it TLS, with keys made for this call or the site's own. The dashboard is on loopback.
    """
    import dask
    from distributed import Client, LocalCluster
    from distributed.security import Security

    board = "127.0.0.1:0"
    keys = [where.tls.get(name, "") for name in ("ca", "certificate", "key")]
    roles = {f"tls_{role}_{part}": keys[i] for role in ("client", "scheduler", "worker") for i, part in ((1, "cert"), (2, "key"))}
    own = Security(tls_ca_file=keys[0], require_encryption=True, **roles) if where.tls else None
    with dask.config.set({"distributed.scheduler.allowed-failures": DEATHS - 1, "distributed.worker.daemon": True}):
        if "://" in where.cluster:
            with Client(where.cluster, security=own) as client:
                client.wait_for_workers(1, timeout=WAIT)
                yield client, lambda: client.wait_for_workers(1, timeout=WAIT)
            return
        if where.cluster == "local":
            made = LocalCluster(
                **{"n_workers": workers, "threads_per_worker": 1, "processes": True, "memory_limit": where.memory},
                **{"host": "127.0.0.1", "dashboard_address": board, "silence_logs": 50},
            )
        else:
            import dask_jobqueue

            place = Path.cwd() / ".hilum" / "dask"
            place.mkdir(parents=True, exist_ok=True)
            made = getattr(dask_jobqueue, f"{where.cluster.upper()}Cluster")(
                **{"n_workers": workers, "cores": 1, "processes": 1, "memory": where.memory, "protocol": "tls://"},
                **{"security": own or Security.temporary(), "shared_temp_directory": str(place)},
                **{"scheduler_options": {"dashboard_address": board}, "worker_extra_args": ["--no-dashboard"]},
                **{"local_directory": str(place), "log_directory": str(place), **where.job},
            )
        with made, Client(made) as client:
            client.wait_for_workers(1, timeout=WAIT)

            def renew() -> None:
                made.scale(0)
                made.scale(workers)
                client.wait_for_workers(1, timeout=WAIT)

            yield client, renew


def _run_job(name: str, prepare: Prepare, shared: Any, job: Any) -> Any:
    """In a worker of Dask, which is made ready once."""
    with lines_to(None):
        if name not in _ready:
            _ready.clear()
            _ready[name] = prepare(shared)
            if "keras" in sys.modules:
                _keep_draws_apart()
        return _ready[name](job)


def _keep_draws_apart() -> None:
    """Give Keras a generator of its own: it draws seeds of layers from Python's, which other threads of Dask draw from too."""
    from keras.src.random import seed_generator
    from keras.src.utils import rng_utils

    seed_generator.python_random = rng_utils.random = random.Random()


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
        process = context.Process(target=_serve, args=(other, self.prepare, self.shared), daemon=True)
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
                f"a worker must finish its job, but {DEATHS} in a row ended in number {worker.job} (the last: {how}); if the "
                "machine has too little memory, use fewer workers"
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


def _serve(pipe: Connection, prepare: Prepare, shared: Any) -> None:
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
                work = work or prepare(shared)
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
