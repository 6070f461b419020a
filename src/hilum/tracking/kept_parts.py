"""What a stage of an unfinished run has computed so far, kept below `.hilum` until its run is complete.

A stage that was killed goes on in its run, and takes from here what had taken long. The folder is named after the key of the run
(`stage_keys`) and the machine, which decide every part; parts of other keys stay for a while.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from hilum.processors import processor_name, usable_processors
from hilum.progress import say, tell_seconds
from hilum.records import T
from hilum.results import digest
from hilum.tracking.kept_values import read_value, write_value

LEAST = 30.0  # seconds that a part took, if it is kept
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
    _refused: list[Path] = field(default_factory=list)

    def keep(self, name: str, make: Callable[[], T], lasting: Callable[[T], bool] = lambda value: True) -> T:
        """The part of this name: the one that an interrupted run of the stage left, or else what `make` returns.

        name: fits into a file's name. lasting: whether a value is to be kept. A part that took less than LEAST is made again. A
        disk that refuses one is reported once, and the stage continues.
        """
        file = self.folder / f"{name}{ENDING}"
        if file.is_file():
            with suppress(OSError):
                try:
                    seconds, value = read_value(file)
                except ValueError as fault:
                    say(f"{fault}; it is made again")
                except (AttributeError, KeyError, TypeError) as fault:
                    say(f"{file} cannot be read ({fault}); it is made again")
                else:
                    say(f"{name}: taken from the interrupted run, where it took {tell_seconds(seconds)}")
                    return cast(T, value)
        start = time.perf_counter()
        value = make()
        seconds = time.perf_counter() - start
        if seconds >= LEAST and lasting(value):
            self._write(file, (seconds, value))
        return value

    def forget(self) -> None:
        """Delete all parts once the results are complete."""
        shutil.rmtree(self.folder, ignore_errors=True)

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
            self._refused.append(file)


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
