"""A part of another film's surroundings in a film: as it is, fitted in exposure, or its detail alone."""

import numpy as np
import pytest

from hilum.audit.mixtures import Mixtures

SIDE = 60
EVERYWHERE = np.ones((SIDE, SIDE), bool)
WHERE = EVERYWHERE.astype(np.float32)


def films() -> np.ndarray:
    rng = np.random.default_rng(0)
    base = rng.integers(80, 120, (SIDE, SIDE))
    brighter = np.clip(2 * base - 60, 0, 255)  # the same film, taken with another exposure
    marked = base.copy()
    marked[5:8, 50:53] = 250
    return np.stack([base, brighter, marked]).astype(np.uint8)


def test_a_film_as_it_is_takes_the_place_of_the_other() -> None:
    given = films()
    mixed = Mixtures(given, EVERYWHERE).plain(np.array([0]), np.array([1]), WHERE)
    assert np.array_equal(mixed[0, ..., 0], given[1].astype(np.float32))


@pytest.mark.parametrize("way", ["plain", "fitted", "detail"])
def test_mixtures_are_films_as_models_take_them(way: str) -> None:
    mixed = getattr(Mixtures(films(), EVERYWHERE), way)(np.array([0, 1]), np.array([1, 2]), WHERE)
    assert mixed.dtype == np.float32 and mixed.shape == (2, SIDE, SIDE, 1)


def test_a_film_of_another_exposure_is_fitted_to_the_film() -> None:
    given = films()
    mixed = Mixtures(given, EVERYWHERE).fitted(np.array([0]), np.array([1]), WHERE)
    assert np.abs(mixed[0, ..., 0] - given[0]).max() < 2


def test_detail_brings_the_mark_and_leaves_what_is_smooth() -> None:
    given = films()
    shifted = np.stack([given[0], np.clip(given[2].astype(int) + 20, 0, 255).astype(np.uint8)])
    mixed = Mixtures(shifted, EVERYWHERE).detail(np.array([0]), np.array([1]), WHERE)[0, ..., 0]
    assert mixed[5:8, 50:53].mean() > given[0][5:8, 50:53].mean() + 60
    assert np.abs(mixed[20:, :40] - given[0][20:, :40]).mean() < 1


@pytest.mark.parametrize("way", ["plain", "fitted", "detail"])
def test_nothing_changes_where_the_share_is_0_and_each_film_may_have_its_own_place(way: str) -> None:
    given = films()
    places = np.zeros((2, SIDE, SIDE), np.float32)
    places[1, :10] = 1
    mixed = getattr(Mixtures(given, EVERYWHERE), way)(np.array([0, 0]), np.array([2, 2]), places)
    assert mixed.shape == (2, SIDE, SIDE, 1)
    assert np.array_equal(mixed[0, ..., 0], given[0].astype(np.float32))
    assert np.array_equal(mixed[1, 10:, :, 0], given[0, 10:].astype(np.float32))
    assert not np.array_equal(mixed[1, :10, :, 0], given[0, :10].astype(np.float32))
