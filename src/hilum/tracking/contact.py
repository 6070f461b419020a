"""Contact with a tracking store as long as it answers; what is told of it holds no password."""

import os
import re
import socket
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from hilum.addresses import mask
from hilum.progress import say

TIMEOUT, RETRIES = "MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"  # respected where a person has set them
FIRST = {TIMEOUT: "5", RETRIES: "1"}  # seconds, and how often again: a store that is away is told within 15 s
LATER = {TIMEOUT: "30", RETRIES: "5"}  # about a minute where a server was started anew; MLflow would wait for 20
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
        except failures() as error:
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


def failures() -> tuple[type[Exception], ...]:
    """Whatever a store that is away or refuses makes MLflow, SQLAlchemy, a driver or the network raise."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, SQLAlchemyError, RequestException, sqlite3.Error, TimeoutError, ConnectionError, socket.gaierror


def _is_refusal(error: Exception) -> bool:
    """Whether a store answers, but does not take what it was given; a run that somebody deleted meanwhile is lost instead."""
    return getattr(error, "error_code", "") == "INVALID_PARAMETER_VALUE" and "must be in the 'active' state" not in str(error)
