"""Maps that take seconds, made in a thread of their own: how far it is, and how it is cancelled."""

import ctypes
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from hilum.app.film_maps import FilmMap, MapOrder
from hilum.app.served_models import ServedModel

Make = Callable[[MapOrder], FilmMap]


class CancelledError(BaseException):
    """The reader has cancelled the maps; not an Exception, which libraries catch and wrap."""


class MapJob:
    """The maps of one film that are being made, one after the other.

    film: SHA-256 of its file. made, faults: what came of each so far, a map or a sentence. make: makes one; a ValueError of it
    becomes a sentence.
    """

    def __init__(self, film: str, orders: Sequence[MapOrder], served: Mapping[str, ServedModel], make: Make) -> None:
        self.film = film
        self.made: list[FilmMap] = []
        self.faults: dict[MapOrder, str] = {}
        self._served, self._make, self._queue = served, make, list(orders)
        self._now: MapOrder | None = None
        self._evaluated, self._begun = 0, time.monotonic()
        self._cancelled, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._run, name="maps", daemon=True)  # the process does not wait for it to end
        self._ended = False

    def start(self) -> "MapJob":
        self._thread.start()
        return self

    def want(self, orders: Sequence[MapOrder]) -> bool:
        """Make these next, and no others after the present one; False if the job has ended and cannot."""
        with self._lock:
            if self._ended or self.cancelled:
                return False
            known = {self._now, *self.faults, *(one.order for one in self.made)}
            self._queue = [one for one in orders if one not in known]
            return True

    def cancel(self) -> list[MapOrder]:
        """End as soon as the library's present call returns; what is made is kept. Returns what was not made.

        Methods of which most do not ask this project's code before each step are stopped by raising an exception in their thread.
        """
        with self._lock:
            first = not self.cancelled
            self._cancelled.set()
            if first and not self._ended and self._thread.ident is not None:
                thread, raised = ctypes.c_ulong(self._thread.ident), ctypes.py_object(CancelledError)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, raised)
            return [*([self._now] if self._now else []), *self._queue]

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    @property
    def running(self) -> bool:
        """False as soon as it is cancelled: the step that runs then ends in the background, and its result is dropped."""
        return not self._ended and not self.cancelled

    def tell(self) -> tuple[float, str]:
        """The share of the maps that is done, and the present step in words."""
        with self._lock:
            done, now = len(self.made) + len(self.faults), self._now
            total = done + len(self._queue) + (now is not None)
        if now is None:
            return done / max(total, 1), "finishing"
        copies = f", {self._evaluated:,} copies of the film evaluated" if self._evaluated else ""
        return done / total, f"{now.title}: map {done + 1} of {total}, {time.monotonic() - self._begun:.0f} s{copies}"

    def wait(self, seconds: float) -> None:
        """Until the thread ends, but no longer than this."""
        self._thread.join(seconds)

    def _next(self) -> MapOrder | None:
        with self._lock:
            self._now = self._queue.pop(0) if self._queue and not self.cancelled else None
            self._ended = self._now is None
            self._evaluated, self._begun = 0, time.monotonic()
            return self._now

    def _run(self) -> None:
        try:
            self._make_all()
        except CancelledError:
            self._ended = True

    def _make_all(self) -> None:
        while (order := self._next()) is not None:
            served = self._served[order.model]
            with served.busy:
                served.watched.watch(self._on_call)
                try:
                    found = self._make(order)
                except ValueError as fault:
                    self.faults[order] = str(fault)
                    continue
                finally:
                    served.watched.watch(None)
            if not self.cancelled:
                self.made.append(found)

    def _on_call(self, films: int) -> None:
        if self.cancelled:
            raise CancelledError
        self._evaluated += films
