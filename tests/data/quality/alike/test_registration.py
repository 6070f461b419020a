import numpy as np
import pytest

from hilum.data.quality.alike.likeness import CANVAS, Candidates
from hilum.data.quality.alike.registration import register_pairs


def clouds(count: int, seed: int) -> np.ndarray:
    """Smooth random fields (count, 80, 80), of which parts are cut below."""
    rng = np.random.default_rng(seed)
    waves = np.zeros((count, 80, 80))
    y, x = np.mgrid[:80, :80] / 80
    for _ in range(60):
        fx, fy = rng.uniform(-9, 9, (2, count, 1, 1))
        waves += np.cos(2 * np.pi * (fx * x + fy * y + rng.uniform(0, 1, (count, 1, 1))))
    return np.clip(128 + 14 * waves, 0, 255)


def pair(mirrored: bool = False) -> Candidates:
    return Candidates(np.array([0]), np.array([1]), np.array([mirrored]))


def test_a_shift_of_whole_pixels_is_found() -> None:
    field = clouds(1, 0)[0]
    films = np.stack([field[8:72, 8:72], field[6:70, 11:75]]).round().astype(np.uint8)
    laid = register_pairs(films, pair(), workers=1)
    # what lies at pixel i of the first lies at i - 3 of the second along x, and at i + 2 along y
    np.testing.assert_allclose(laid.shift[0] * CANVAS / 2, [-3, 2], atol=0.1)
    np.testing.assert_allclose(laid.scale[0], 1, atol=0.005)
    assert laid.score[0] > 0.99


def test_brightness_contrast_and_a_flip_do_not_count() -> None:
    field = clouds(1, 1)[0][8:72, 8:72]
    films = np.stack([field, 40 + 0.7 * field[:, ::-1]]).round().astype(np.uint8)
    assert register_pairs(films, pair(mirrored=True), workers=1).score[0] > 0.99
    assert register_pairs(films, pair(mirrored=False), workers=1).score[0] < 0.85


def test_films_that_share_nothing_do_not_correlate() -> None:
    films = clouds(2, 2)[:, 8:72, 8:72].round().astype(np.uint8)
    assert register_pairs(films, pair(), workers=1).score[0] < 0.5


@pytest.mark.parametrize("workers", [1, 3])
def test_a_blank_film_gives_a_number(workers: int) -> None:
    films = np.stack([np.full((CANVAS, CANVAS), 90), clouds(1, 3)[0][:CANVAS, :CANVAS]]).round().astype(np.uint8)
    laid = register_pairs(films, Candidates(np.array([0, 0]), np.array([1, 1]), np.array([False, True])), workers)
    assert np.isfinite(laid.score).all()
    assert (laid.score < 0.5).all()


def test_no_pair_is_no_trouble() -> None:
    empty = np.zeros(0, np.int64)
    film = np.zeros((1, CANVAS, CANVAS), np.uint8)
    assert register_pairs(film, Candidates(empty, empty, empty.astype(bool)), 1).score.shape == (0,)
