"""The database of studies: one study opened by its owner, and what SQLite refuses told with what helps."""

import fcntl
import sqlite3
from collections.abc import Callable, Iterator
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
REFUSALS = {  # SQLite's primary result code -> what must hold of the file, and what to do
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
    name: str, database: Path, pruner: optuna.pruners.BasePruner, waits: Callable[[Owner], None]
) -> Iterator[optuna.Study]:
    """The study of that name, made if it is new, owned by this process as long as it is open; higher values are better.

    Trials that an owner before was cut off in are failed; studies of one database can be open in several processes at once.
    waits: told of each process that has the study and is waited for.

    Raises:
        ValueError: the study's owner may live on another host, or the database is busy, full, not writable or not readable.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    locks = database.with_suffix("")
    with hold(locks / f"{name}.lock", waits), refusals_told(database):
        with (locks / "schema.lock").open("a") as schema:  # tables are made by one process, and closing the file gives it back
            fcntl.flock(schema, fcntl.LOCK_EX)
            storage = _open_database(database)
            study = optuna.create_study(
                storage=storage, study_name=name, load_if_exists=True, direction="maximize", pruner=pruner
            )
        try:
            for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
                study.tell(trial.number, state=TrialState.FAIL)
            yield study
        finally:
            storage.engine.dispose()


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that ran to their end or were stopped by the pruner, in the order in which they did."""
    return study.get_trials(deepcopy=False, states=[TrialState.COMPLETE, TrialState.PRUNED])


@contextmanager
def refusals_told(database: Path) -> Iterator[None]:
    """Turn what SQLite refuses of that file into a ValueError that says what must hold and what helps."""
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
    except RuntimeError as error:  # written by another version, and Optuna says which
        rule, remedy = NO_DATABASE
        raise ValueError(f"{database} must {rule}, got: {error} Or {remedy}") from error


def _refusal(error: BaseException | None) -> sqlite3.Error | None:
    """The error of SQLite behind one of its wrappers, if it is one that REFUSALS knows."""
    while error is not None:
        refusal = getattr(error, "orig", None)
        if isinstance(refusal, sqlite3.Error) and getattr(refusal, "sqlite_errorcode", 0) & 0xFF in REFUSALS:
            return refusal
        error = error.__cause__
    return None
