"""Examining the database of studies without opening it for writing: trials and locks that ended processes left."""

import fcntl
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from hilum.ownership import Owner, has_ended, read_owner


@dataclass(frozen=True)
class LeftTrial:
    """A trial that is RUNNING though no living process searches its study. id: of the database; number: within its study."""

    id: int
    study: str
    number: int


def lock_of(database: Path, study: str) -> Path:
    return database.with_suffix("") / f"{study}.lock"


def find_left_trials(database: Path) -> list[LeftTrial]:
    """The trials that nobody finishes.

    Raises:
        sqlite3.Error: the file is no database of studies.
    """
    with closing(sqlite3.connect(f"file:{quote(str(database.resolve()))}?mode=ro", uri=True, timeout=10)) as connection:
        query = "SELECT trial_id, study_name, number FROM trials JOIN studies USING (study_id) WHERE state = 'RUNNING'"
        running = [LeftTrial(*row) for row in connection.execute(query)]
    return [trial for trial in running if not is_held(lock_of(database, trial.study))]


def is_held(lock: Path) -> bool:
    """Whether a living process searches the study of this lock, or one that cannot be seen from here may."""
    if not lock.is_file():
        return False
    owner = read_owner(lock.read_text(errors="replace"))
    if owner is not None:
        return not has_ended(owner)
    descriptor = os.open(lock, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def find_strange_locks(database: Path, host: str) -> list[tuple[Path, Owner | None]]:
    """Locks of studies that a process of another host took, or whose record cannot be read: a search refuses them."""
    found = []
    for lock in sorted(database.with_suffix("").glob("*.lock")):
        text = lock.read_text(errors="replace")
        owner = read_owner(text)
        if text and (owner is None or owner.host != host):
            found.append((lock, owner))
    return found


def fail_trials(database: Path, left: Sequence[LeftTrial]) -> str:
    """Mark trials as failed, which earlier versions stored when they began; returns what was done, in words."""
    from optuna.storages import RDBStorage
    from optuna.trial import TrialState

    storage = RDBStorage(f"sqlite:///{database}")
    try:
        for trial in left:
            storage.set_trial_state_values(trial.id, TrialState.FAIL)
    finally:
        storage.engine.dispose()
    return f"{len(left)} trials are marked as failed"
