"""Examining a tracking store without opening it for writing: whether it answers, and which runs were left RUNNING."""

import importlib.util
import re
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from hilum.ownership import Owner, read_owner
from hilum.settings.params import Tracking
from hilum.tracking.connection import PORTS, connect, without_login
from hilum.tracking.contact import FIRST, TIMEOUT
from hilum.tracking.opening import read_store, store_uri
from hilum.tracking.store import ADDING, OWNER, end_run
from hilum.tracking.store_kinds import DRIVERS, TRACKING, check_kind
from hilum.workspace import Workspace

OTHER_VERSION = "holds runs of another version of MLflow"
LARGE = 500_000_000  # bytes of a database above which its pages are not all read


@dataclass(frozen=True)
class LeftRun:
    """A run that is RUNNING. owner: None where it has no record, as runs that `mlflow run` opens."""

    id: str
    name: str
    owner: Owner | None
    of_project: bool


def database_of(uri: str) -> Path | None:
    """The file of a SQLite store, None for any other."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def find_store_fault(workspace: Workspace) -> str:
    """Why the store cannot be used; empty if it can, or if its file does not exist yet.

    Raises:
        ValueError: its address names no known kind, or a driver is missing.
    """
    uri = store_uri(workspace)
    file, scheme = database_of(uri), urlsplit(uri).scheme.partition("+")[0]
    if file is not None:
        return find_database_fault(file) if file.exists() else ""
    if scheme in ("http", "https"):
        return _ask(without_login(uri))
    if scheme in DRIVERS and scheme in PORTS:
        connect(uri)  # reports a store that does not answer as a ValueError
        return ""
    check_kind(uri, TRACKING)
    return ""


def find_database_fault(file: Path) -> str:
    """Why a file cannot be a store: no database, damaged, or left half made by a first opening that was ended."""
    try:
        with closing(open_readonly(file)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if file.stat().st_size < LARGE:
                (answer,) = database.execute("PRAGMA quick_check(1)").fetchone()
                if answer != "ok":
                    return f"is damaged ({' '.join(str(answer).split())})"
            version = (
                database.execute("SELECT version_num FROM alembic_version").fetchone() if "alembic_version" in tables else None
            )
    except (sqlite3.Error, OSError) as error:
        return f"is no database that can be read ({error})"
    if not tables or (version and version[0] == head_revision()):
        return ""
    with closing(open_readonly(file)) as database:
        runs = "runs" in tables and database.execute("SELECT 1 FROM runs LIMIT 1").fetchone()
    return OTHER_VERSION if runs else "is half made: its first opening was ended before all tables were there"


def head_revision() -> str:
    """The version of the tables that the installed MLflow writes, read from its migrations, since importing it takes seconds."""
    spec = importlib.util.find_spec("mlflow")
    folders = (spec.submodule_search_locations or []) if spec else []
    texts = [file.read_text() for folder in folders for file in Path(folder).glob("store/db_migrations/versions/*.py")]
    made = {found[1] for text in texts if (found := re.search(r"^revision\b.*?=\s*[\"'](\w+)", text, re.MULTILINE))}
    before = {found[1] for text in texts if (found := re.search(r"^down_revision\b.*?=\s*[\"'](\w+)", text, re.MULTILINE))}
    return next(iter(made - before), "")


def open_readonly(file: Path) -> sqlite3.Connection:
    """A connection that creates and changes nothing."""
    return sqlite3.connect(f"file:{quote(str(file.resolve()))}?mode=ro", uri=True, timeout=10)


def list_running(workspace: Workspace, tracking: Tracking) -> list[LeftRun]:
    """The runs of the project's experiment that are RUNNING; of a SQLite store without loading MLflow."""
    file = database_of(store_uri(workspace))
    if file is None:
        store = read_store(workspace, tracking)
        found = [] if store is None else store.client.search_runs([store.experiment], "attributes.status = 'RUNNING'")
        return [_left(run.info.run_id, run.info.run_name, run.data.tags) for run in found]
    if not file.exists():
        return []
    with closing(open_readonly(file)) as database:
        query = "SELECT run_uuid, name FROM runs WHERE status = 'RUNNING' AND lifecycle_stage = 'active'"
        runs = database.execute(query).fetchall()
        tags = {run: dict(database.execute("SELECT key, value FROM tags WHERE run_uuid = ?", (run,))) for run, _ in runs}
    return [_left(run, name, tags[run]) for run, name in runs]


def end_runs(workspace: Workspace, left: Sequence[LeftRun]) -> str:
    """End runs whose processes have ended: KILLED, or FINISHED where one had finished before something was added to it.

    Returns what was done, in words.
    """
    ended = []
    client = connect(store_uri(workspace))
    for run in left:
        adding = client.get_run(run.id).data.tags.get(ADDING, "")
        why = f"{run.owner} ended without closing it" if run.owner else "its process ended without closing it"
        end_run(client, run.id, "KILLED", adding, why)
        status = "FINISHED" if adding else "KILLED"
        ended.append(f"run {run.name} is ended as {status}")
    return "; ".join(ended)


def _left(run_id: str, name: str, tags: dict[str, Any]) -> LeftRun:
    return LeftRun(run_id, str(name), read_owner(tags.get(OWNER, "")), "mlflow.project.entryPoint" in tags)


def _ask(uri: str) -> str:
    try:
        with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=int(FIRST[TIMEOUT])):
            return ""
    except urllib.error.HTTPError:
        return ""  # it answers; what it refuses is a matter of rights, not of the machine
    except (OSError, ValueError) as error:
        return f"does not answer ({getattr(error, 'reason', error)})"
