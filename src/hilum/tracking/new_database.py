"""The first opening of a store in a SQLite file: its tables are made under another name, so that a kill leaves no half of them.

MLflow makes them in place, in many transactions: a database that lacks some is refused by every later call.
"""

import fcntl
from contextlib import suppress
from pathlib import Path


def make_database(database: Path) -> None:
    """Make an empty store of the installed MLflow, unless the file is there; of several processes at once, one makes it.

    Where the folder cannot be written to or has no locks nothing is done: MLflow reports the one, and the other is its own way.
    """
    if database.exists():
        return
    partial = database.with_name(f"{database.name}-new")
    with suppress(OSError):
        database.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("ab") as held:
            fcntl.flock(held, fcntl.LOCK_EX)  # closing the file releases it
            if database.exists():  # another process made it meanwhile
                partial.unlink(missing_ok=True)
                return
            held.truncate(0)  # what a killed process left
            partial.with_name(f"{partial.name}-journal").unlink(missing_ok=True)
            _make_tables(partial)
            partial.rename(database)


def _make_tables(database: Path) -> None:
    from mlflow.store.tracking import DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(f"sqlite:///{database}", DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH).engine.dispose()
