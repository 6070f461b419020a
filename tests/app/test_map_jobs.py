"""Maps made in a thread: in order, with a sentence for what fails, and cancelled at once."""

import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from hilum.app.film_maps import FilmMap, MapOrder
from hilum.app.map_jobs import MapJob
from hilum.app.served_models import ServedModel, WatchedPredict
from hilum.data.prepared.geometry import fit_square
from hilum.explain.explained_model import ExplainedModel
from hilum.records import Attribution

ORDERS = [MapOrder("model", name, 0) for name in ("gradcam", "lime", "rise")]
PATIENCE = 60.0  # seconds, on a busy machine


def served() -> ServedModel:
    watched = WatchedPredict(lambda images: np.full((len(images), 2), 0.5))
    return ServedModel("model", ExplainedModel(watched), {"classes": ["a", "b"]}, {}, "", watched)


def map_of(order: MapOrder) -> FilmMap:
    found = Attribution(np.ones((1, 8, 8), np.float32), order.method, np.array([0]), False, {})
    return FilmMap(order, found, fit_square(8, 8, 8, "pad"), 0.1)


@dataclass
class Made:
    """A job and what its methods wait for."""

    job: MapJob
    model: ServedModel
    begun: threading.Event
    go_on: threading.Event


def started(make: Any, orders: list[MapOrder] = ORDERS) -> Made:
    model, begun, go_on = served(), threading.Event(), threading.Event()
    job = MapJob("film", orders, {"model": model}, lambda order: make(order, model, begun, go_on))
    return Made(job.start(), model, begun, go_on)


def test_maps_are_made_in_order_and_a_refusal_becomes_a_sentence() -> None:
    def make(order: MapOrder, *_: Any) -> FilmMap:
        if order.method == "lime":
            raise ValueError("lime cannot explain this model")
        return map_of(order)

    job = started(make).job
    job.wait(PATIENCE)
    assert [one.order.method for one in job.made] == ["gradcam", "rise"] and not job.running
    assert job.faults == {ORDERS[1]: "lime cannot explain this model"}
    assert job.tell() == (1.0, "finishing")


def test_it_says_which_map_is_being_made_and_how_many_copies_were_evaluated() -> None:
    def make(order: MapOrder, model: ServedModel, begun: threading.Event, go_on: threading.Event) -> FilmMap:
        model.explained.predict(np.zeros((128, 8, 8, 1), np.float32))
        begun.set()
        assert go_on.wait(PATIENCE)
        return map_of(order)

    made = started(make)
    assert made.begun.wait(PATIENCE)
    share, text = made.job.tell()
    assert share == 0 and text.startswith("Grad-CAM: map 1 of 3, ") and text.endswith("128 copies of the film evaluated")
    made.go_on.set()
    made.job.wait(PATIENCE)
    assert len(made.job.made) == 3


@pytest.mark.parametrize("asks_the_model", [True, False])
def test_a_cancelled_method_ends_whether_it_asks_the_model_or_not(asks_the_model: bool) -> None:
    def make(order: MapOrder, model: ServedModel, begun: threading.Event, go_on: threading.Event) -> FilmMap:
        if order.method == "gradcam":
            return map_of(order)
        begun.set()
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if asks_the_model:
                model.explained.predict(np.zeros((1, 8, 8, 1), np.float32))
            else:
                time.sleep(0.01)
        return map_of(order)

    made = started(make)
    assert made.begun.wait(PATIENCE)
    assert made.job.cancel() == ORDERS[1:] and not made.job.running
    made.job.cancel()
    made.job.wait(PATIENCE)
    assert [one.order for one in made.job.made] == ORDERS[:1], "what was made is kept"
    assert made.model.busy.acquire(timeout=PATIENCE), "the next job can run"
    assert not made.job.want(ORDERS), "another job is needed"


def test_other_maps_can_be_wanted_meanwhile() -> None:
    def make(order: MapOrder, model: ServedModel, begun: threading.Event, go_on: threading.Event) -> FilmMap:
        begun.set()
        assert go_on.wait(PATIENCE)
        return map_of(order)

    made = started(make)
    assert made.begun.wait(PATIENCE)
    other = MapOrder("model", "occlusion", 0)
    assert made.job.want([ORDERS[0], other])
    made.go_on.set()
    made.job.wait(PATIENCE)
    assert [one.order for one in made.job.made] == [ORDERS[0], other]


def test_the_thread_of_another_session_is_not_stopped() -> None:
    watched, seen = WatchedPredict(lambda images: np.zeros((len(images), 2))), []
    watched.watch(seen.append)
    other = threading.Thread(target=watched, args=(np.zeros((3, 8, 8, 1), np.float32),))
    other.start()
    other.join()
    assert seen == []
    watched(np.zeros((2, 8, 8, 1), np.float32))
    assert seen == [2]
