"""Connecting to a tracking store within seconds: a server, a database on a network, or a file."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from hilum.addresses import PASSWORD, mask
from hilum.full_disk import ROOM, is_full
from hilum.packages import tell_missing
from hilum.progress import say
from hilum.tracking.contact import FIRST, PUBLISH, TIMEOUT, StoreAwayError, failures, patience, tell
from hilum.tracking.moved_store import move_in
from hilum.tracking.new_database import make_database
from hilum.tracking.store_kinds import DRIVERS, REGISTRY, TRACKING, UNSET, check_kind, tell_drivers

STORES = {TRACKING: "the tracking store", REGISTRY: "the registry of models"}
PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}  # of databases on a network, where their address names none


def connect(uri: str, without: str = PUBLISH) -> Any:
    """MLflow's client of a store that has answered; the artifact paths of a moved or copied project's database are updated.

    without: how to continue where it does not answer.

    Raises:
        ValueError: the store does not answer, or is not a store.
    """
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    check_kind(uri, TRACKING)
    registry = os.environ.get(REGISTRY, "")
    if registry and registry != uri:
        _reach_registry(registry, without)
    with first_contact(uri, without=without):
        plain = without_login(uri)
        _knock(plain)
        if plain.startswith("sqlite:///"):
            for moved in move_in(Path(plain.removeprefix("sqlite:///"))):
                left = f"; {moved.left} that were not copied along are still read there" if moved.left else ""
                say(f"this project was copied or moved from {moved.old.parent}: artifacts of its runs are in {moved.new}{left}")
            make_database(Path(plain.removeprefix("sqlite:///")))
        import mlflow

        logging.getLogger("mlflow.store.db.utils").addFilter(_leave_to_caller)
        mlflow.set_tracking_uri(plain)
        client = mlflow.MlflowClient(plain)
        client.search_experiments(max_results=1)
    return client


def _leave_to_caller(record: logging.LogRecord) -> bool:
    """MLflow prints the traceback of a database's error that it also raises, and that hilum reports in a line."""
    return not record.getMessage().startswith("SQLAlchemy database error")


def _reach_registry(uri: str, without: str) -> None:
    """Check that the model registry answers, where it is another store than that of runs."""
    check_kind(uri, REGISTRY)
    with first_contact(uri, REGISTRY, without):
        _knock(uri)
        import mlflow

        mlflow.MlflowClient(registry_uri=uri).search_registered_models(max_results=1)


@contextmanager
def first_contact(uri: str, variable: str = TRACKING, without: str = PUBLISH) -> Iterator[None]:
    """Contact a store that may be offline, with a short timeout. variable: the one that names it.

    without: how to continue where it does not answer.

    Raises:
        ValueError: it does not answer, or is not a store.
    """
    address, what = mask(uri), STORES[variable]
    try:
        with patience(FIRST):
            yield
    except ModuleNotFoundError as error:
        told, dialect = tell_missing(error.name or ""), urlsplit(uri).scheme.partition("+")[0]
        known = f"; known are {tell_drivers(dialect)}" if dialect in DRIVERS else ""
        raise ValueError(f"{variable} is {address}: {told}{known}; or unset it: then {UNSET[variable]}") from None
    except failures() as error:
        if is_full(error):
            raise ValueError(f"{what} {address} cannot be opened: {ROOM}") from None
        if "database is locked" in str(error):
            raise ValueError(f"{what} {address} is in use by another process, which writes into it; try again later") from None
        if not is_remote(uri):
            raise ValueError(f"{what} must be readable, got {address}: {tell(error)}; repair it or move it away") from None
        raise StoreAwayError(
            f"{what} must answer, got {address}: {tell(error)}; start it, or correct {variable} (unset, {UNSET[variable]}); "
            f"{without}"
        ) from None


def is_remote(uri: str) -> bool:
    """Whether an address is that of a server or of a database on a network."""
    scheme = urlsplit(uri).scheme.partition("+")[0]
    return scheme in ("http", "https") or scheme in PORTS


def is_server(uri: str) -> bool:
    """Whether an address is that of an MLflow server."""
    return uri.startswith(("http://", "https://"))


def without_login(uri: str) -> str:
    """The address of a server without user and password, which MLflow takes from two variables instead: it prints addresses."""
    if not is_server(uri):
        return uri
    parts = urlsplit(uri)
    login, _, host = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    if not login and PASSWORD.search(uri):
        raise ValueError(
            f"a password in an address must have /, ? and # written as %2F, %3F and %23, got {mask(uri)}; correct "
            "MLFLOW_TRACKING_URI"
        )
    if not password:
        return uri
    os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"] = unquote(user), unquote(password)
    return urlunsplit(parts._replace(netloc=host))


def _knock(uri: str) -> None:
    """Open a connection to a database on a network, for which MLflow would wait an hour."""
    parts = urlsplit(uri)
    port = PORTS.get(parts.scheme.partition("+")[0])
    if port is None:
        return
    import sqlalchemy

    engine = sqlalchemy.create_engine(uri)  # a missing driver is reported here
    if parts.hostname:
        socket.create_connection((parts.hostname, parts.port or port), timeout=int(FIRST[TIMEOUT])).close()
    try:
        engine.connect().close()
    finally:
        engine.dispose()
