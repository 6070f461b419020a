"""Contact with a tracking store: the first in seconds, then as long as it answers; what is told of it holds no password."""

import os
import re
import socket
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from hilum.addresses import PASSWORD, mask
from hilum.moved_store import move_in
from hilum.packages import tell_missing
from hilum.progress import say

TIMEOUT, RETRIES = "MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"  # respected where a person has set them
FIRST = {TIMEOUT: "5", RETRIES: "1"}  # seconds, and how often again: a store that is away is told within 15 s
LATER = {TIMEOUT: "30", RETRIES: "5"}  # about a minute where a server was started anew; MLflow would wait for 20
PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}  # of databases in a network, where their address names none
PUBLISH = "results stand in files, and `hilum publish` brings later what the store lacks"


class StoreAwayError(ValueError):
    """A store does not answer."""


@dataclass
class Contact:
    """Whether a store answers. address: as it is shown; goes_on: whether work goes on when it stops; lost: why it has stopped."""

    address: str
    goes_on: bool
    lost: str = ""
    told: bool = False

    @contextmanager
    def asking(self, what: str) -> Iterator[None]:
        """Ask the store, or write into it; at once refused when it was lost before.

        what: what is asked for, in an error.

        Raises:
            StoreAwayError: it does not answer.
            ValueError: it refuses what it was given.
        """
        if self.lost:
            raise self._away(what)
        try:
            with patience(LATER):
                yield
        except _failures() as error:
            reason = tell(error)
            if _is_refusal(error):
                raise ValueError(f"{what}: the tracking store {self.address} refuses: {reason}") from None
            self.lost = reason
            raise self._away(what) from None

    @contextmanager
    def while_answered(self) -> Iterator[None]:
        """Do this as long as the store answers. When it stops, a person is told once, and what comes after this goes on.

        Raises:
            StoreAwayError: it stopped, and work must not go on without it.
        """
        try:
            yield
        except StoreAwayError:
            if not self.goes_on:
                raise
            if not self.told:
                say(f"the tracking store {self.address} no longer answers: {self.lost}; the work goes on, {PUBLISH}")
            self.told = True

    def _away(self, what: str) -> StoreAwayError:
        return StoreAwayError(
            f"{what} must be known, but the tracking store {self.address} does not tell: {self.lost}; try again when it answers"
        )


def connect(uri: str) -> Any:
    """MLflow's client of a store that has answered; a database whose project was moved or copied is at home there afterwards.

    Raises:
        ValueError: the store does not answer, or is none.
    """
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with first_contact(uri):
        plain = without_login(uri)
        _knock(plain)
        if plain.startswith("sqlite:///"):
            for moved in move_in(Path(plain.removeprefix("sqlite:///"))):
                left = f"; {moved.left} that were not copied along are still read there" if moved.left else ""
                say(f"this project was copied or moved from {moved.old.parent}: artifacts of its runs are in {moved.new}{left}")
        import mlflow

        mlflow.set_tracking_uri(plain)
        client = mlflow.MlflowClient(plain)
        client.search_experiments(max_results=1)
    return client


@contextmanager
def first_contact(uri: str) -> Iterator[None]:
    """Ask a store that may be away, with little patience.

    Raises:
        ValueError: it does not answer, or is none.
    """
    address = mask(uri)
    try:
        with patience(FIRST):
            yield
    except ModuleNotFoundError as error:
        told = tell_missing(error.name or "")
        raise ValueError(f"{address}: {told}, or unset MLFLOW_TRACKING_URI for the store beside params.yaml") from None
    except _failures() as error:
        if not is_remote(uri):
            raise ValueError(
                f"the tracking store must be readable, got {address}: {tell(error)}; mend it or move it away"
            ) from None
        raise StoreAwayError(
            f"the tracking store must answer, got {address}: {tell(error)}; start it, or correct MLFLOW_TRACKING_URI (unset, the "
            f"store is mlflow.db beside params.yaml); {PUBLISH}"
        ) from None


def is_remote(uri: str) -> bool:
    """Whether an address is that of a server or of a database in a network."""
    scheme = urlsplit(uri).scheme.partition("+")[0]
    return scheme in ("http", "https") or scheme in PORTS


def without_login(uri: str) -> str:
    """The address of a server without user and password, which MLflow takes from two variables instead: it prints addresses."""
    if not uri.startswith(("http://", "https://")):
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


def tell(error: BaseException) -> str:
    """What an error of MLflow, SQLAlchemy or a driver says, in a line and without passwords."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    cause = re.search(r"\(Caused by \w+\((.*?)\)+$", text)  # of a request: behind the name of the pool and the address again
    return mask(cause[1].strip("\"'") if cause else text)


@contextmanager
def patience(values: Mapping[str, str]) -> Iterator[None]:
    """Have MLflow wait no longer for a server than this, unless a person has said how long."""
    own = [name for name in values if name not in os.environ]
    os.environ.update({name: values[name] for name in own})
    try:
        yield
    finally:
        for name in own:
            os.environ.pop(name, None)


def _knock(uri: str) -> None:
    """Open a connection to a database in a network, for which MLflow would wait an hour."""
    parts = urlsplit(uri)
    port = PORTS.get(parts.scheme.partition("+")[0])
    if port is None:
        return
    import sqlalchemy

    engine = sqlalchemy.create_engine(uri)  # a missing driver is told here
    if parts.hostname:
        socket.create_connection((parts.hostname, parts.port or port), timeout=int(FIRST[TIMEOUT])).close()
    try:
        engine.connect().close()
    finally:
        engine.dispose()


def _failures() -> tuple[type[Exception], ...]:
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, SQLAlchemyError, RequestException, sqlite3.Error, TimeoutError, ConnectionError, socket.gaierror


def _is_refusal(error: Exception) -> bool:
    """Whether a store answers, but does not take what it was given; a run that somebody deleted meanwhile is lost instead."""
    return getattr(error, "error_code", "") == "INVALID_PARAMETER_VALUE" and "must be in the 'active' state" not in str(error)
