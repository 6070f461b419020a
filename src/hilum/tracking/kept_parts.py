"""What a stage of an unfinished run has computed so far, kept below `.hilum` until its run is complete.

A stage that was killed goes on in its run, and takes from here what it had finished. The folder is named after the key of the run
(`stage_keys`) and the machine, which decide every part; parts of other keys stay for a while.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from hilum.processors import processor_name, usable_processors
from hilum.progress import say, tell_seconds
from hilum.records import T
from hilum.results import digest
from hilum.tracking.kept_values import read_value, write_value

LEAST = 30.0  # seconds that parts took together when they are written: no more than that of finished work is lost
OTHERS = 3  # folders of other keys that stay: of settings that a user may return to
DAY = 24 * 3600  # seconds
STALE = 7 * DAY  # since it was written, after which none stays
TELLING = (
    "TF_",
    "XLA_",
    "OMP_",
    "KMP_",
    "MKL_",
    "DNNL_",
    "ONEDNN_",
    "CUDA_",
    "NVIDIA_",
    "HIP_",
    "ROCR_",
)  # TensorFlow, how to compute
SILENT = ("TF_CPP_MIN_LOG_LEVEL", "TF_CPP_MAX_VLOG_LEVEL")  # what it prints
ENDING = ".part"


@dataclass
class KeptParts:
    """The kept parts of one stage. folder: of its key."""

    folder: Path
    _taken: dict[str, float] = field(default_factory=dict)  # names of parts -> seconds that they took when they were made
    _unwritten: list[tuple[Path, float, object]] = field(default_factory=list)
    _refused: bool = False

    def keep(self, name: str, make: Callable[[], T], lasting: Callable[[T], bool] = lambda value: True) -> T:
        """The part of this name: the one that an interrupted run of the stage left, or else what `make` returns.

        name: fits into a file's name. lasting: whether a value is to be kept. What was made since parts were last written is
        written once it has taken LEAST together. A disk that refuses it is reported once, and the stage continues.
        """
        file = self.folder / f"{name}{ENDING}"
        found = self._read(file)
        if found is not None:
            self._taken[name] = found[0]
            return cast(T, found[1])
        self.tell_taken()
        start = time.perf_counter()
        value = make()
        if lasting(value):
            self._unwritten.append((file, time.perf_counter() - start, value))
        if sum(seconds for _, seconds, _ in self._unwritten) >= LEAST:
            for place, seconds, one in self._unwritten:
                self._write(place, (seconds, one))
            self._unwritten.clear()
        return value

    def tell_taken(self) -> None:
        """Say which parts were taken since this was last said."""
        if self._taken:
            seconds = tell_seconds(sum(self._taken.values()))
            say(f"taken from the interrupted run, where it took {seconds}: {', '.join(self._taken)}")
            self._taken.clear()

    def forget(self) -> None:
        """Delete all parts once the results are complete."""
        self.tell_taken()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self, file: Path) -> tuple[float, Any] | None:
        """Seconds and value; None where there is no such file or, with a message, where it is damaged."""
        if not file.is_file():
            return None
        try:
            seconds, value = read_value(file)
        except ValueError as fault:
            say(f"{fault}; it is made again")
        except (OSError, AttributeError, KeyError, TypeError) as fault:
            say(f"{file} cannot be read ({fault}); it is made again")
        else:
            return seconds, value
        return None

    def _write(self, file: Path, value: object) -> None:
        try:
            write_value(file, value)
        except (OSError, TypeError, MemoryError) as error:
            if not self._refused:
                why = error.strerror if isinstance(error, OSError) else error
                say(
                    f"the parts of this stage cannot be kept ({why or type(error).__name__} for {file}): it continues, but makes "
                    f"them again if it is interrupted; make room on that disk or make {file.parent} writable"
                )
            self._refused = True


@contextmanager
def keep_parts(root: Path, place: str, key: str) -> Iterator[KeptParts]:
    """The kept parts of a stage, deleted at the end unless that is an error or an interruption.

    root: of all stages. place: of this stage and its arm, `<stage>/<arm>`. key: of all that decides its results but the machine.
    """
    parts = KeptParts(root / place / digest([key, *_machine()])[:32])
    _drop_stale(root, parts.folder)
    yield parts
    parts.forget()


def _machine() -> list[Any]:
    """What else decides the last bits of a sum: the processor, and what TensorFlow is told and finds of devices and threads."""
    told = {name: value for name, value in os.environ.items() if name.startswith(TELLING) and name not in SILENT}
    devices = sorted(file.name for file in Path("/dev").glob("nvidia*"))
    return [processor_name(), usable_processors(), told, devices]


def _drop_stale(root: Path, own: Path) -> None:
    """Delete all parts that are older than STALE, and of this stage and arm those older than a day but the newest OTHERS.

    Younger ones may be those of a living process.
    """
    now = time.time()
    others = sorted((_written(one), one) for one in own.parent.glob("*") if one != own)
    stale = [one for written, one in others[:-OTHERS] if written < now - DAY]
    stale += [one for one in root.glob("*/*/*") if one != own and _written(one) < now - STALE]
    for one in stale:
        shutil.rmtree(one, ignore_errors=True)


def _written(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:  # deleted meanwhile
        return time.time()
