"""What a stage of an unfinished run has computed so far, kept below `.hilum` until its run is complete.

A stage that was killed goes on in its run, and takes from here what had taken long. The folder is named after the key of the run
(`stage_keys`) and the processor, which decide every part; parts of other keys stay for a week, the newest few.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from hilum.processors import processor_name, usable_processors
from hilum.progress import say, tell_seconds
from hilum.records import T
from hilum.results import digest
from hilum.tracking.kept_values import read_value, write_value

LEAST = 30.0  # seconds that a part took, if it is kept
OTHERS = 3  # folders of other keys that stay: of settings that a user may return to
STALE = 7 * 24 * 3600  # seconds since it was written after which none stays
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
        except OSError as error:
            if not self._refused:
                say(
                    f"the parts of this stage cannot be kept ({error.strerror or error} for {file}): it continues, but makes "
                    f"them again if it is interrupted; make room on that disk or make {file.parent} writable"
                )
            self._refused.append(file)


@contextmanager
def keep_parts(folder: Path, key: str) -> Iterator[KeptParts]:
    """The kept parts of a stage, deleted at the end unless that is an error or an interruption.

    folder: of all keys of the stage and its arm. key: of all that decides its results, but the processor.
    """
    parts = KeptParts(folder / digest([key, processor_name(), usable_processors()])[:32])
    _drop_stale(folder, parts.folder)
    yield parts
    parts.forget()


def _drop_stale(folder: Path, own: Path) -> None:
    """Delete the parts of other keys that are older than STALE, and all but those of the newest OTHERS."""
    others = sorted((_written(one), one) for one in folder.glob("*") if one != own)
    stale = [one for written, one in others if written < time.time() - STALE]
    for one in {*stale, *(one for _, one in others[:-OTHERS])}:
        shutil.rmtree(one, ignore_errors=True)


def _written(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:  # deleted meanwhile
        return 0.0
