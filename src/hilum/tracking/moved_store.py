"""A database of runs that was copied or moved with its project: the paths of its artifacts are updated."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

FOLDER = "mlruns"  # of artifacts, beside the database
PLACES = {  # table -> columns with the paths of artifacts; MLflow has no call that changes them
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
}


@dataclass(frozen=True)
class Moved:
    """old, new: folders of artifacts; left: how many paths are still in the old one, because they were not copied along."""

    old: Path
    new: Path
    left: int


def artifacts_beside(database: Path) -> Path:
    """The folder of artifacts beside a database of runs."""
    return database.resolve().parent / FOLDER


def move_in(database: Path) -> list[Moved]:
    """Make the experiments of a database keep artifacts beside it, where the database still names another project's folder.

    An experiment of a project is in `<project>/mlruns/<name or number>`; one that a user placed elsewhere is not changed. The
    artifacts of earlier runs and models are read beside the database too, unless they are only in the old folder.

    Raises:
        sqlite3.Error: the file is not a database, or cannot be written.
    """
    if not database.is_file():
        return []
    with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        if not _columns(connection, "experiments"):
            return []
        new = artifacts_beside(database)
        prefixes = dict.fromkeys(_foreign(connection, new))
        if not prefixes:
            return []
        connection.execute("BEGIN IMMEDIATE")  # if another process was first, nothing is left to do
        return [_rewrite(connection, prefix, new) for prefix in dict.fromkeys(_foreign(connection, new))]


def _foreign(connection: sqlite3.Connection, new: Path) -> Iterator[str]:
    """Prefixes of experiments' paths that are the artifact folder of another project."""
    asked = "SELECT experiment_id, name, artifact_location, experiment_id IN (SELECT experiment_id FROM runs) FROM experiments"
    for number, name, place, used in connection.execute(asked):
        folder = local_folder(place or "")
        if folder is None or folder.parent.name != FOLDER or folder.parent.resolve() == new.resolve():
            continue
        if folder.name == name or (used and folder.name == str(number)):  # MLflow itself names the folder by the number
            yield place.rstrip("/").rpartition("/")[0]


def _rewrite(connection: sqlite3.Connection, prefix: str, new: Path) -> Moved:
    beginning = new.as_uri() if prefix.startswith("file:") else str(new)
    left = 0
    for place in _places(connection, "experiments", "artifact_location", prefix):
        _replace(connection, "experiments", "artifact_location", place, beginning + place[len(prefix) :])
    for table, columns in PLACES.items():
        for column in columns:
            for place in _places(connection, table, column, prefix):
                there, here = local_folder(place), local_folder(beginning + place[len(prefix) :])
                if there and here and there.exists() and not here.exists():
                    left += 1
                else:
                    _replace(connection, table, column, place, beginning + place[len(prefix) :])
    return Moved(local_folder(prefix) or Path(prefix), new, left)


def _places(connection: sqlite3.Connection, table: str, column: str, prefix: str) -> list[str]:
    if column not in _columns(connection, table):
        return []
    asked = f"SELECT DISTINCT {column} FROM {table} WHERE substr({column}, 1, ?) = ?"
    return [place for (place,) in connection.execute(asked, (len(prefix) + 1, f"{prefix}/"))]


def _replace(connection: sqlite3.Connection, table: str, column: str, old: str, new: str) -> None:
    connection.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (new, old))


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def local_folder(place: str) -> Path | None:
    """The folder on this machine of an artifact location: a path or a `file:` address; None for any other address."""
    parts = urlsplit(place)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(place) if place.startswith("/") else None
