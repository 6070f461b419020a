"""Workers of Dask: how they are found or started, given jobs, and replaced."""

import random
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from hilum.progress import lines_to, say
from hilum.settings.tune import Dask
from hilum.training.workers.worker_code import RESTART, Code, check_code, differing, loaded_code

Work = Callable[[Any], Any]  # job -> result
Prepare = Callable[[Any], Work]  # called in a worker with what all jobs share
RunJobs = Callable[[Mapping[int, Any]], Iterator[tuple[int, Any]]]  # number -> job; results in the order in which they come
WAIT = 600  # seconds until a queue must have started a worker
SILENCE = 30  # seconds without a result after which it is asked whether Dask has a worker left
DEATHS = 5  # workers that one job may end before it is given up
_ready: dict[str, Work] = {}  # of a worker: what it is ready for
_used: list[str] = []  # of a worker: what it was ever made ready for, perhaps in vain


@contextmanager
def dask(prepare: Prepare, shared: Any, workers: int, where: Dask) -> Iterator[RunJobs]:
    """Run jobs on Dask's workers of one thread each: of this machine, of a queue, or of a scheduler that runs already.

    Workers start with the first jobs; those of a scheduler that have worked before are started anew.

    Raises:
        ValueError: several workers in a row ended without a result for the same job, or workers have several threads, other code
            than this process, or another number of threads for TensorFlow and cannot be started anew.
    """
    from distributed import wait as wait_for
    from distributed.scheduler import KilledWorker

    name, code = uuid.uuid4().hex, loaded_code()
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
                client.submit(_run_job, name, code, prepare, shared, job, key=f"{name}-{uuid.uuid4().hex}", pure=False): number
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
                        if not client.nthreads():
                            renew()  # none is left that could make it again
                        left.append(future)  # its worker ended with the result: it is waited for again
                    else:
                        yield sent.pop(future), result  # not kept: its worker is idle for other calls then

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
                _start_anew(client)
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


def _start_anew(client: Any) -> None:
    """Let idle workers of a scheduler that have worked before, with other code or threads perhaps, begin as new processes.

    A worker that works for another call, or keeps a result for it, or that nothing would start again, is left as it is.
    """
    told = client.run(_state, loaded_code(), on_error="return")
    busy = {address for held in (client.processing(), client.has_what()) for address, keys in held.items() if keys}
    watched = {address for address, known in client.scheduler_info(n_workers=-1)["workers"].items() if known["nanny"]}
    used = [address for address, state in told.items() if state != (False, [])]
    if again := [address for address in used if address in watched - busy]:
        say(f"{len(again)} of {len(told)} workers of Dask have worked before and start anew")
        client.restart_workers(again, timeout=WAIT)


def _state(code: Code) -> tuple[bool, list[str]]:
    """Of a worker: whether it has worked before, and the files of its code that are others."""
    return bool(_used), differing(code)


def _run_job(name: str, code: Code, prepare: Prepare, shared: Any, job: Any) -> Any:
    """In a worker of Dask, which is made ready once. code: of the process whose job it is."""
    with lines_to(None):
        if name not in _ready:
            check_code(code, RESTART)
            before = bool(_used)
            _ready.clear()
            _used.append(name)
            try:
                _ready[name] = prepare(shared)
            except RuntimeError as error:
                if before:
                    raise ValueError(f"a worker must be new or fit its next call, got: {error}; {RESTART}") from error
                raise
            if "keras" in sys.modules:
                _keep_draws_apart()
        return _ready[name](job)


def _keep_draws_apart() -> None:
    """Give Keras a generator of its own: it draws seeds of layers from Python's, which other threads of Dask draw from too."""
    from keras.src.random import seed_generator
    from keras.src.utils import rng_utils

    seed_generator.python_random = rng_utils.random = random.Random()
