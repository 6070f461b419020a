"""Trainings that were killed, kept below `.hilum` until their stage has written its results, so that they are continued.

A training's state is reused only under the same key: all that decides its result, the code, the libraries, the number of threads
and the processor included. One process at a time works on a key; others wait.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tensorflow as tf

from hilum.code_version import made_by
from hilum.ownership import Owner, hold, share
from hilum.processors import processor_name, usable_processors
from hilum.progress import say
from hilum.results import digest
from hilum.training.learning.kept_state import KeptState, read_decides
from hilum.training.task import FIT_CODE, FIT_LIBRARIES

TRAINING_CODE = (*FIT_CODE, "training/kept_trainings.py")
OTHERS = 3  # states of other keys that are kept of one training: of settings or films that a user may return to
STALE = 7 * 24 * 3600  # seconds since it was stored after which no state is kept
SUFFIX = ".state"
SUFFIXES = (SUFFIX, ".writing")  # the second of a process that was killed while it stored one


@dataclass(frozen=True)
class KeptTrainings:
    """The trainings that one stage works on. folder: of their states, a folder below it for each training.

    of_parts: trainings of folds or repeats, whose stage holds all of them (`hold`), so that a lock alone counts for each. ended:
    called when the results are written.
    """

    folder: Path
    held: ExitStack
    of_parts: bool = False
    ended: list[Callable[[], None]] = field(default_factory=list)

    def hold(self, name: str, key: str, forget: Callable[[], None]) -> bool:
        """Let this stage alone work on its folds or repeats until it ends; returns whether it waited for another that did.

        name: of the arm. key: of all that decides them. forget: deletes what is kept of them at the end, unless another stage
        waits, which takes it.

        Raises:
            ValueError: a process of another host may work on them (see `ownership.hold`).
        """
        file = self.folder / name / f"{key}.lock"
        alone = self.held.enter_context(share(file.with_suffix(".wanted.lock")))
        met: list[Owner] = []

        def tell(owner: Owner) -> None:
            met.append(owner)
            _tell_owner(name, owner)

        self.held.enter_context(hold(file, tell))
        self.ended.append(lambda: forget() if alone() else None)
        return bool(met)

    def keep(self, name: str, decides: Mapping[str, Any]) -> KeptState:
        """The state file of a training, with the state that an interrupted one left; held until the stage ends.

        name: of the training within its stage, such as the arm. decides: everything that determines its result, except code and
        machine; the keys are words for a line that says what has changed. To be called after `begin_training`, which sets the
        threads.

        Raises:
            ValueError: a process of another host may work on it (see `ownership.hold`).
        """
        whole = {**decides, "code or libraries": made_by(TRAINING_CODE, FIT_LIBRARIES), "threads or processor": machine()}
        digests = {part: digest(value) for part, value in whole.items()}
        file = self.folder / name / f"{digest(digests)[:32]}{SUFFIX}"
        self.held.enter_context(hold(file.with_suffix(".lock"), lambda owner: _tell_owner(name, owner), self.of_parts))
        found = KeptState(file, digests)
        self.ended.append(found.forget)
        if found.state:
            count, last = len(found.state.history), found.state.history[-1] if found.state.history else {}
            after = "its solved head" if "train/penalty" in last else f"epoch {count}"
            say(f"{name}: continues an interrupted training after {after}")
        else:
            _tell_other(name, file, digests)
        self._drop_stale(file)
        return found

    def _drop_stale(self, own: Path) -> None:
        """Delete states that are older than STALE, and of this training all of other keys but the newest OTHERS.

        A living process loses no more than what it stored last: it stores again.
        """
        others = sorted((_stored(file), file) for file in own.parent.glob(f"*{SUFFIX}") if file != own)
        stale = [file for _, file in others[:-OTHERS]]
        old = [file for file in self.folder.rglob("*") if file.suffix in SUFFIXES and _stored(file) < time.time() - STALE]
        for file in {*stale, *old} - {own}:
            with suppress(OSError):  # another process deletes as well
                file.unlink()


@contextmanager
def keep_trainings(cache: Path, stage: str, of_parts: bool = False) -> Iterator[KeptTrainings]:
    """The kept trainings of a stage; their states are deleted at the end, when the results are written, unless that fails."""
    with ExitStack() as held:
        trainings = KeptTrainings(cache / "trainings" / stage, held, of_parts)
        yield trainings
        for end in trainings.ended:
            end()


def machine() -> str:
    """What else decides the last bits of a sum: threads of an operation, devices, instructions and caches of the processor."""
    threads = tf.config.threading.get_intra_op_parallelism_threads() or usable_processors()
    devices = [device.device_type for device in tf.config.list_physical_devices()]
    return json.dumps([threads, devices, processor_name(), os.environ.get("TF_ENABLE_ONEDNN_OPTS", "")])


def _tell_owner(name: str, owner: Owner) -> None:
    say(f"{name}: {owner} trains the same; this process goes on when that one has ended (Ctrl-C to stop waiting)")


def _tell_other(name: str, own: Path, digests: dict[str, str]) -> None:
    """Report that there is a state of another key, and what differs: the training starts anew."""
    others = [file for file in own.parent.glob(f"*{SUFFIX}") if file != own]
    if not others:
        return
    newest = max(others, key=_stored)
    known = read_decides(newest)
    changed = [part for part, value in digests.items() if known.get(part) != value]
    say(
        f"{name}: starts anew: the interrupted training of {time.strftime('%Y-%m-%d %H:%M', time.localtime(_stored(newest)))} "
        f"was of other {', '.join(changed)}"
    )


def _stored(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:  # deleted meanwhile
        return 0.0
