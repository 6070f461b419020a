"""A client of MLflow whose process dies after its k-th write: nothing that it would do later reaches the store."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hilum.ownership import this_process
from hilum.tracking import store as module
from hilum.tracking.store import Store

WRITES = ("create", "set", "delete", "log", "update")  # first words of the client's methods that write


class Dead(BaseException):
    """Raised by every call of a dead process, also by those that would tidy up."""


class MortalClient:
    """Passes calls on until `deaths` writes were made; counts them once `counts` is true."""

    def __init__(self, client: Any, deaths: int, counts: Callable[[], bool]) -> None:
        self._client, self.deaths, self.counts, self.writes = client, deaths, counts, list[str]()

    @property
    def dead(self) -> bool:
        return len(self.writes) >= self.deaths

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)

        def mortal(*arguments: Any, **named: Any) -> Any:
            if self.dead:
                raise Dead
            result = call(*arguments, **named)
            if name.startswith(WRITES) and self.counts():
                self.writes.append(name)
                if self.dead:
                    raise Dead
            return result

        return mortal


def make_mortal(store: Store, deaths: int, counts: Callable[[], bool], patch: pytest.MonkeyPatch) -> Store:
    """The store as a process sees it that will die; afterwards its owner tags are of a process that has ended."""
    patch.setattr(module, "this_process", lambda: replace(this_process(), started=1))
    return replace(store, client=MortalClient(store.client, deaths, counts))
