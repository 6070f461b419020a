"""Contact with a tracking store as long as it answers; messages about it contain no password."""

import os
import re
import socket
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from hilum.addresses import mask
from hilum.full_disk import ROOM, is_full
from hilum.progress import say

TIMEOUT, RETRIES = "MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"  # respected where the user has set them
FIRST = {TIMEOUT: "5", RETRIES: "1"}  # seconds, and number of retries: an unreachable store is reported within 15 s
LATER = {TIMEOUT: "30", RETRIES: "5"}  # about a minute for a server that restarts; MLflow would wait for 20
DRIVER = re.compile(r"^\(\w+(\.\w+)+\) ")  # class of a driver's error, which SQLAlchemy puts in front
PUBLISH = "results are in files, and `hilum publish` adds later what the store lacks"
READ = "or name a file results/arms/<arm>/training/model.keras, which needs no store"


class StoreAwayError(ValueError):
    """A store does not answer."""


@dataclass
class Contact:
    """Whether a store answers. address: as shown; goes_on: whether work continues when it stops; lost: why it has stopped;
    full: whether the reason is a full disk."""

    address: str
    goes_on: bool
    lost: str = ""
    full: bool = False
    told: bool = False

    @contextmanager
    def asking(self, what: str) -> Iterator[None]:
        """Read from the store or write into it; refused at once if it was lost before.

        what: the thing requested, for an error.

        Raises:
            StoreAwayError: it does not answer.
            ValueError: it refuses the content.
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
            self.lost, self.full = reason, is_full(error)
            raise self._away(what) from None

    @contextmanager
    def while_answered(self) -> Iterator[None]:
        """Do this as long as the store answers. When it stops, one warning is printed, and the caller continues.

        Raises:
            StoreAwayError: it stopped, and work must not continue without it.
        """
        try:
            yield
        except StoreAwayError:
            if not self.goes_on:
                raise
            if not self.told:
                say(f"the tracking store {self.address} no longer answers: {self.lost}; work continues, {PUBLISH}")
            self.told = True

    def _away(self, what: str) -> StoreAwayError:
        if self.full:
            return StoreAwayError(f"{what} must be written into the tracking store {self.address}, but {ROOM}")
        return StoreAwayError(
            f"{what} must be known, but the tracking store {self.address} does not answer: {self.lost}; try again when it answers"
        )


def tell(error: BaseException) -> str:
    """The message of an error of MLflow, SQLAlchemy or a driver, in a line and without passwords."""
    text = DRIVER.sub("", (str(error).strip() or type(error).__name__).splitlines()[0])
    cause = re.search(r"\(Caused by \w+\((.*?)\)+$", text)  # of a request: after the pool's name and the repeated address
    return mask(cause[1].strip("\"'") if cause else text)


@contextmanager
def patience(values: Mapping[str, str]) -> Iterator[None]:
    """Limit how long MLflow waits for a server, unless the user has set it."""
    own = [name for name in values if name not in os.environ]
    os.environ.update({name: values[name] for name in own})
    try:
        yield
    finally:
        for name in own:
            os.environ.pop(name, None)


def failures() -> tuple[type[Exception], ...]:
    """Everything that MLflow, SQLAlchemy, a driver or the network raises when a store is offline or refuses."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, SQLAlchemyError, RequestException, sqlite3.Error, TimeoutError, ConnectionError, socket.gaierror


def _is_refusal(error: Exception) -> bool:
    """Whether a store answers, but refuses the content; a run that was deleted meanwhile counts as lost instead."""
    return getattr(error, "error_code", "") == "INVALID_PARAMETER_VALUE" and "must be in the 'active' state" not in str(error)
