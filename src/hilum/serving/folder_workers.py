"""Workers for the films of a folder: each opens the model once and then predicts batch after batch."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hilum.serving.engines import open_exported
from hilum.serving.folder import Batch, Done, RunBatches, predict_batch
from hilum.serving.model_facts import Told
from hilum.workspace import Workspace

if TYPE_CHECKING:
    from hilum.settings.params import Params
    from hilum.settings.tune import Dask


@dataclass(frozen=True)
class Workers:
    """Who predicts. threads: of each worker, which decide the last bits of a result; 0, for serial alone: every processor."""

    executor: str
    count: int
    threads: int


@dataclass(frozen=True)
class Served:
    """What a worker needs to open the model as the command did. verdicts: method -> the gate's verdict, of those drawn."""

    model: str
    told: Told
    engine: str
    threads: int
    workspace: Workspace
    params: "Params | None"
    verdicts: Mapping[str, str]
    panels: Path


def choose_workers(executor: str, workers: str, threads: str) -> Workers:
    """Who predicts, from the options `--executor`, `--workers` and `--threads`, each empty for its default.

    Several workers are processes of this machine unless Dask is named, and have one thread each unless more are asked for.

    Raises:
        ValueError: an unknown executor, a number that is none, or several workers of a serial run.
    """
    count, each = _read_count("--workers", workers, 1), _read_count("--threads", threads, 0)
    name = executor or ("processes" if count > 1 else "serial")
    if executor and executor not in (legal := list_executors()):
        raise ValueError(f"--executor must be one of {', '.join(legal)}, got {executor!r}")
    if name == "serial" and count > 1:
        raise ValueError(f"--workers must be 1 for --executor serial, got {count}; choose processes or dask")
    return Workers(name, count, each or (0 if name == "serial" else 1))


def list_executors() -> list[str]:
    """Their names."""
    from hilum.training.workers.executors import EXECUTORS  # here: an exported model that one process predicts needs none of them

    return list(EXECUTORS)


def _read_count(option: str, text: str, default: int) -> int:
    if not text:
        return default
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        raise ValueError(f"{option} must be a whole number from 1 to 1000, got {text!r}")
    return int(text)


@contextmanager
def start_workers(chosen: Workers, served: Served, where: "Dask") -> Iterator[RunBatches | None]:
    """What runs batches; None for a serial run, which is this process's own."""
    if chosen.executor == "serial":
        yield None
        return
    from hilum.training.workers import executors  # here: an exported model that one process predicts needs none of it

    with executors.EXECUTORS[chosen.executor](open_in_worker, served, chosen.count, where) as run_batches:
        yield run_batches


def open_in_worker(served: Served) -> Callable[[Batch], Done]:
    """What predicts one batch of films in a worker, once its model is open."""
    if served.params is None:
        predict, described = open_exported(Path(served.model), served.told, served.engine, served.threads)
        return partial(predict_batch, predict, described, None)
    from hilum.serving.folder_panels import Panels
    from hilum.serving.opening import open_served
    from hilum.training.learning.fit import begin_training

    settings = served.params.explain
    begin_training(settings.seed, served.threads)
    with open_served(served.model, served.workspace, served.params, served.told) as (explained, described):
        drawn = served.verdicts
        panels = Panels(served.panels, explained, described, drawn, settings, settings.seed) if drawn else None
        return partial(predict_batch, explained.predict, described, panels)
