import numpy as np
import pytest

from hilum.explain.measures.stability import max_sensitivity, repeatability

FILMS = np.random.default_rng(0).uniform(50, 200, (2, 6, 6, 1)).astype(np.float32)


def test_a_map_that_ignores_the_film_does_not_move():
    flat = np.ones((2, 6, 6), np.float32)
    assert max_sensitivity(lambda films: flat, FILMS, flat, 5, 4, seed=0).tolist() == [0, 0]


def test_a_map_that_is_the_film_moves_with_the_noise():
    seen = []

    def film_itself(films):
        seen.append(films[..., 0])
        return films[..., 0]

    found = max_sensitivity(film_itself, FILMS, FILMS[..., 0], 5, 3, seed=0)
    for i in range(2):
        changes = [np.linalg.norm(one[i].astype(np.float64) - FILMS[i, ..., 0]) for one in seen]
        assert found[i] == pytest.approx(max(changes) / np.linalg.norm(FILMS[i].astype(np.float64)), abs=1e-5)
    assert all(np.abs(one - FILMS[..., 0]).max() <= 5 for one in seen)


def test_noise_leaves_films_films():
    def check(films):
        assert films.min() >= 0 and films.max() <= 255 and films.dtype == np.float32
        return films[..., 0]

    dark = np.zeros((1, 4, 4, 1), np.float32)
    assert np.isnan(max_sensitivity(check, dark, dark[..., 0], 5, 2, seed=0))[0]  # an all-zero map has no size


def test_repeatability_by_hand():
    first, second, third = [[1, 2, 3, 4]], [[1, 2, 4, 3]], [[4, 3, 2, 1]]
    assert repeatability([first, first])[0] == pytest.approx(1)
    assert repeatability([first, second, third])[0] == pytest.approx((0.8 - 1 - 0.8) / 3)
    with pytest.raises(ValueError, match="two seeds or more"):
        repeatability([first])
