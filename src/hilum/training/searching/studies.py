"""The database of studies: one study, opened by one process at a time; errors of SQLite come with a remedy.

It holds finished trials alone, each written at once, so that a process that is killed leaves none that runs.
"""

import fcntl
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import DatabaseError

from hilum.ownership import Owner, hold

PATIENCE = 30  # seconds that a write waits while other processes write
AGAIN = "run the same command again: finished trials are kept"
NO_DATABASE = ("hold studies of the installed Optuna", "move it away to search anew: no study in it can be read")
REFUSALS = {  # SQLite's primary result code -> what the file must be, and what to do
    sqlite3.SQLITE_BUSY: ("be free", f"end the program that keeps it, or wait for it, then {AGAIN}"),
    sqlite3.SQLITE_LOCKED: ("be free", f"end the program that keeps it, or wait for it, then {AGAIN}"),
    sqlite3.SQLITE_FULL: ("have room on its disk", f"free some, then {AGAIN}"),
    sqlite3.SQLITE_READONLY: ("be writable, and its folder", f"correct the rights, then {AGAIN}"),
    sqlite3.SQLITE_CANTOPEN: ("be writable, and its folder", f"correct the rights, then {AGAIN}"),
    sqlite3.SQLITE_PERM: ("be writable, and its folder", f"correct the rights, then {AGAIN}"),
    sqlite3.SQLITE_IOERR: ("be on a disk that reads and writes", f"look after the disk or the share, then {AGAIN}"),
    sqlite3.SQLITE_NOTADB: NO_DATABASE,
    sqlite3.SQLITE_CORRUPT: NO_DATABASE,
    sqlite3.SQLITE_ERROR: NO_DATABASE,  # tables of another kind
}


@contextmanager
def open_study(
    name: str,
    database: Path,
    objectives: int,
    waits: Callable[[Owner], None],
    parts: Mapping[str, str],
    differs: Callable[[str], None],
) -> Iterator[optuna.Study]:
    """The study of that name, created if it is new; this process owns it while it is open. Higher values are better.

    Several processes can have studies of one database open. objectives: how many values a trial has. waits: called with each
    process that has the study open and is waited for. parts: part -> hash of what decides its trials. differs: called for a new
    study with what distinguishes it from the newest one of the same arm, if there is one.

    Raises:
        ValueError: the study's owner may run on another host, or the database is busy, full, not writable or not readable.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    locks = database.with_suffix("")
    with hold(locks / f"{name}.lock", waits), refusals_told(database):
        with (locks / "schema.lock").open("a") as schema:  # one process creates the tables; closing the file releases the lock
            fcntl.flock(schema, fcntl.LOCK_EX)
            storage = _open_database(database)
            if difference := _find_difference(storage, name, parts):
                differs(difference)
            study = optuna.create_study(
                storage=storage, study_name=name, load_if_exists=True, directions=["maximize"] * objectives
            )
        try:
            for part in parts.keys() - study.user_attrs.keys():
                study.set_user_attr(part, parts[part])
            yield study
        finally:
            storage.engine.dispose()


def _find_difference(storage: RDBStorage, name: str, parts: Mapping[str, str]) -> str:
    """What distinguishes a new study from the newest one of its arm; empty if there is none, or if it is not new."""
    arm = name.rpartition("-")[0]
    known = {study.study_name: study for study in storage.get_all_studies()}
    same = [study for study in known.values() if study.study_name.rpartition("-")[0] == arm]
    if name in known or not same:
        return ""
    newest = max(same, key=lambda study: study._study_id)
    if not set(parts) <= set(newest.user_attrs):
        return "an earlier version of hilum"
    return ", ".join(part for part, value in parts.items() if newest.user_attrs[part] != value)


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that were completed or stopped by the pruner, oldest first."""
    return study.get_trials(deepcopy=False, states=[TrialState.COMPLETE, TrialState.PRUNED])


@contextmanager
def refusals_told(database: Path) -> Iterator[None]:
    """Turn an error of SQLite about that file into a ValueError with the rule and the remedy."""
    try:
        yield
    except (DatabaseError, StorageInternalError) as error:
        refusal = _refusal(error)
        if refusal is None:
            raise
        rule, remedy = REFUSALS[refusal.sqlite_errorcode & 0xFF]
        raise ValueError(f"{database} must {rule}, got: {refusal}; {remedy}") from error


def _open_database(database: Path) -> RDBStorage:
    try:
        return RDBStorage(f"sqlite:///{database}", engine_kwargs={"connect_args": {"timeout": PATIENCE}})
    except RuntimeError as error:  # written by another version, which Optuna names
        rule, remedy = NO_DATABASE
        raise ValueError(f"{database} must {rule}, got: {error} Or {remedy}") from error


def _refusal(error: BaseException | None) -> sqlite3.Error | None:
    """The error of SQLite inside its wrappers, if REFUSALS lists it."""
    while error is not None:
        refusal = getattr(error, "orig", None)
        if isinstance(refusal, sqlite3.Error) and getattr(refusal, "sqlite_errorcode", 0) & 0xFF in REFUSALS:
            return refusal
        error = error.__cause__
    return None
