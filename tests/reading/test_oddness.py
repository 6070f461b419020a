"""A film spoilt in each way is named, and a good one is not; the references hold other films."""

import numpy as np
import pytest
from spoilt_films import CHANGES, NO_CHEST, spoil

from hilum.data.phantom.phantom import draw_films
from hilum.data.phantom.population import draw_population
from hilum.data.prepared.geometry import fit_square
from hilum.data.quality.trunk import draw_projections
from hilum.reading.oddness import crop_film, flatten_films, learn_usual, tell_blank, tell_odd

SIZE = 96


@pytest.fixture(scope="module")
def chests() -> list[np.ndarray]:
    shares = {"normal": 0.36, "bacterial": 0.36, "viral": 0.28}
    rows = draw_population(np.random.default_rng(8), films=160, findings=shares, shortcut_finding="viral", shortcut_strength=0.0)
    return [film for i in range(0, 160, 2) for film in draw_films(rows.iloc[i : i + 2], size=SIZE, shortcut_kind="none").films]


@pytest.fixture(scope="module")
def usual(chests: list[np.ndarray]):  # type: ignore[no-untyped-def]
    return learn_usual(flatten_films(chests[:100]), flatten_films(chests[100:120]))


def test_good_films_are_not_named(chests: list[np.ndarray], usual) -> None:  # type: ignore[no-untyped-def]
    assert [tell_odd(usual, film) for film in chests[120:]] == [None] * 40


@pytest.mark.parametrize("change", CHANGES)
def test_spoilt_films_are_named(chests: list[np.ndarray], usual, change: str) -> None:  # type: ignore[no-untyped-def]
    places = np.arange(10)
    spoilt = spoil(np.stack(chests[120:140]), change, places)
    reasons = [found.reason if (found := tell_odd(usual, spoilt[place])) else "" for place in places]
    assert all(reasons)
    if change not in NO_CHEST:  # a painted lateral film is also unlike a frontal one
        assert reasons.count(change) >= (5 if change == "lateral" else 10), reasons


def test_drawn_lateral_films_are_named(usual) -> None:  # type: ignore[no-untyped-def]
    """Of other people than those in the references; for real lateral films there is no measurement."""
    films = (255 * draw_projections(5, 20, lateral=True)).astype(np.uint8)
    assert sum(getattr(tell_odd(usual, film), "reason", "") == "lateral" for film in films) >= 18


def test_a_blank_film_needs_no_references() -> None:
    found = tell_blank(np.full((30, 30), 70, np.uint8))
    assert found and found.reason == "blank" and "0 of 255" in found.detail
    assert tell_blank(np.random.default_rng(0).integers(0, 256, (30, 30)).astype(np.uint8)) is None


def test_padding_is_cut_away() -> None:
    film = np.zeros((20, 20), np.uint8)
    film[5:15] = 9
    assert (crop_film(film, fit_square(80, 40, 20, "pad")) == 9).all()
