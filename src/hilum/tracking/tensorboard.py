"""Curves of a training as an event file, which TensorBoard shows; TensorFlow alone writes it."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from hilum.progress import say
from hilum.results import epoch_metrics

VERSION = "brain.Event:2"  # of the format; the first record of a file
Log = Callable[[dict[str, float], int], None]


@contextmanager
def with_curves(log: Log, folder: Path | None, history: pd.DataFrame | None = None) -> Iterator[Log]:
    """A function that calls `log` with the metrics and step of each epoch, and writes them into an event file of the folder.

    folder: of this training alone; event files in it are replaced. None writes no file. history: the epochs that an interrupted
    training had, as in `Fitted`. A disk that refuses the file is reported once, and training continues.
    """
    if folder is None:
        yield log
        return
    file = _EventFile(folder)
    try:
        for row in epoch_metrics(history).to_dict("records") if history is not None else []:
            file.write({str(key): value for key, value in row.items() if key != "step"}, int(row["step"]))

        def log_both(metrics: dict[str, float], step: int) -> None:
            log(metrics, step)
            file.write(metrics, step)

        yield log_both
    finally:
        file.close()


def name_curves(run_id: str) -> str:
    """The folder of a training's curves: the id of its run, or the time where the store gave none."""
    return run_id or time.strftime("%Y%m%dT%H%M%S")


class _EventFile:
    """An event file that is whole after each epoch: it can be read while the training goes on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: Any = None
        with self._if_disk_allows():
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.glob("events.out.tfevents.*"):
                old.unlink()
            self._writer = self._open()

    def _open(self) -> Any:
        import tensorflow as tf
        from tensorflow.core.util.event_pb2 import Event

        writer = tf.io.TFRecordWriter(str(self.folder / f"events.out.tfevents.{time.time():.0f}.hilum"))
        writer.write(Event(wall_time=time.time(), file_version=VERSION).SerializeToString())
        return writer

    def write(self, metrics: Mapping[str, float], step: int) -> None:
        """One point of each curve; values that are not finite (undefined) are left out, as in the run."""
        if self._writer is None:
            return
        from tensorflow.core.framework.summary_pb2 import Summary
        from tensorflow.core.util.event_pb2 import Event

        values = [Summary.Value(tag=key, simple_value=value) for key, value in metrics.items() if math.isfinite(value)]
        with self._if_disk_allows():
            self._writer.write(Event(wall_time=time.time(), step=step, summary=Summary(value=values)).SerializeToString())
            self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            with self._if_disk_allows():
                self._writer.close()

    @contextmanager
    def _if_disk_allows(self) -> Iterator[None]:
        import tensorflow as tf

        try:
            yield
        except (OSError, tf.errors.OpError) as error:
            self._writer = None
            reason = getattr(error, "strerror", None) or getattr(error, "message", None) or error
            say(
                f"curves for TensorBoard cannot be written ({reason}): training continues without them; make room on that disk "
                f"or make {self.folder} writable"
            )
