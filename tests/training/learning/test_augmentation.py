import dataclasses
import hashlib

import numpy as np
import pytest
from numpy.typing import NDArray

from hilum.data.prepared.examples import Examples, as_images
from hilum.training.learning.augmentation import Changes, draw_view, draw_views, epoch_order, epoch_views, further_views

NONE = {
    "rotate": 0.0,
    "shift": 0.0,
    "zoom": 0.0,
    "gamma": 0.0,
    "contrast": 0.0,
    "brightness": 0.0,
    "noise": 0.0,
    "erase": 0.0,
    "flip": False,
}
USUAL = Changes(rotate=7.0, shift=0.05, zoom=0.08, gamma=0.15, contrast=0.08, brightness=0.08, noise=0.01, erase=0.0, flip=False)


def changes(**given: float | bool) -> Changes:
    return Changes(**{**NONE, **given})  # type: ignore[arg-type]


def view(film: NDArray[np.uint8], seed: int, **given: float | bool) -> NDArray[np.uint8]:
    return draw_view(film, np.random.default_rng(seed), changes(**given))


def noise_film(size: tuple[int, int] = (40, 40), seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8)


def marked_film() -> NDArray[np.uint8]:
    """A marker in the upper left corner, as a burned-in letter is."""
    film = np.zeros((60, 60), np.uint8)
    film[8:16, 8:16] = 255
    return film


def centroid(film: NDArray[np.uint8]) -> tuple[float, float]:
    """Row and column of the centre of mass."""
    rows, columns = np.indices(film.shape)
    return float((rows * film.astype(float)).sum() / film.sum()), float((columns * film.astype(float)).sum() / film.sum())


def make_rows(count: int) -> Examples:
    films = np.stack([noise_film((24, 24), seed) for seed in range(count)])
    return Examples(films, np.arange(count) % 3, tuple(hashlib.sha256(film.tobytes()).hexdigest() for film in films))


def test_images_are_the_films_as_floats_with_one_channel() -> None:
    films = noise_film((3, 5, 4))
    images = as_images(films)
    assert (images.shape, images.dtype) == ((3, 5, 4, 1), np.float32)
    np.testing.assert_array_equal(images[..., 0], films)


def test_rows_are_taken_by_position_with_copies() -> None:
    taken = make_rows(4).take(np.array([2, 0, 2]))
    assert taken.labels.tolist() == [2, 0, 2]
    assert taken.keys[0] == taken.keys[2] == make_rows(4).keys[2]
    np.testing.assert_array_equal(taken.films[1], make_rows(4).films[0])


@pytest.mark.parametrize("size", [(40, 40), (30, 50)])
def test_without_changes_a_film_stays_as_it_is(size: tuple[int, int]) -> None:
    film = noise_film(size)
    for seed in range(3):
        np.testing.assert_array_equal(view(film, seed), film)


@pytest.mark.parametrize("size", [(40, 40), (30, 50)])
def test_a_view_keeps_type_and_shape_depends_on_its_seed_alone_and_leaves_the_film(size: tuple[int, int]) -> None:
    film = noise_film(size)
    kept = film.copy()
    one, again, other = (draw_view(film, np.random.default_rng(seed), USUAL) for seed in (1, 1, 2))
    assert (one.dtype, one.shape) == (np.uint8, size)
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(film, kept)


@pytest.mark.parametrize("flip", [False, True])
def test_the_marker_never_goes_below_and_crosses_the_midline_only_where_flips_are_asked_for(flip: bool) -> None:
    places = [centroid(view(marked_film(), seed, rotate=7.0, shift=0.05, zoom=0.08, flip=flip)) for seed in range(60)]
    assert all(row < 25 for row, _ in places)
    crossed = sum(column > 30 for _, column in places)
    assert 15 <= crossed <= 45 if flip else crossed == 0


def test_a_flip_alone_is_the_exact_mirror_image() -> None:
    film = noise_film()
    seen = [view(film, seed, flip=True) for seed in range(12)]
    mirrored = [np.array_equal(drawn, film[:, ::-1]) for drawn in seen]
    assert all(m or np.array_equal(drawn, film) for m, drawn in zip(mirrored, seen, strict=True))
    assert 0 < sum(mirrored) < 12


def test_rotation_is_about_the_centre_goes_both_ways_and_stays_within_its_bound() -> None:
    row, column = centroid(marked_film())
    start = np.arctan2(row - 29.5, column - 29.5)
    angles = []
    for seed in range(60):
        row, column = centroid(view(marked_film(), seed, rotate=10.0))
        angles.append(np.rad2deg(np.arctan2(row - 29.5, column - 29.5) - start))
    assert -10.3 < min(angles) < -6
    assert 6 < max(angles) < 10.3


def test_shift_and_zoom_stay_within_their_bounds() -> None:
    row, column = centroid(marked_film())
    shifts = np.array([centroid(view(marked_film(), seed, shift=0.1)) for seed in range(60)]) - (row, column)
    assert 4 < np.abs(shifts).max() < 6.2  # a tenth of 60 pixels
    assert shifts.min() < 0 < shifts.max()
    scales = [np.hypot(*np.subtract(centroid(view(marked_film(), seed, zoom=0.1)), 29.5)) for seed in range(60)]
    ratio = np.array(scales) / np.hypot(row - 29.5, column - 29.5)
    assert 0.885 < ratio.min() < 0.95 < 1.05 < ratio.max() < 1.115


def test_gamma_and_brightness_change_levels_in_order_and_within_their_bounds() -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
    for seed in range(20):
        bright = view(ramp, seed, brightness=0.1)[0].astype(int)
        assert np.abs(bright - np.arange(256)).max() <= 26
        curved = view(ramp, seed, gamma=0.2)[0].astype(int)
        assert (curved[0], curved[-1]) == (0, 255)
        assert (np.diff(curved) >= 0).all()
        lowest, highest = 255 * (128 / 255) ** 1.2, 255 * (128 / 255) ** 0.8
        assert lowest - 1 <= curved[128] <= highest + 1


def test_contrast_turns_the_levels_about_mid_grey_and_within_its_bound() -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
    slopes = []
    for seed in range(40):
        turned = view(ramp, seed, contrast=0.2)[0].astype(int)
        assert abs(turned[127] - 127) <= 1
        slopes.append((turned[180] - turned[80]) / 100)
    assert 0.79 < min(slopes) < 0.9 < 1.1 < max(slopes) < 1.21


def test_noise_has_the_stated_spread_and_no_drift() -> None:
    film = np.full((200, 200), 100, np.uint8)
    difference = view(film, 0, noise=0.02).astype(float) - 100
    assert difference.std() == pytest.approx(255 * 0.02, rel=0.03)
    assert abs(difference.mean()) < 0.15


def test_noise_does_not_wrap_around_at_black_and_white() -> None:
    film = np.zeros((50, 50), np.uint8)
    film[:, 25:] = 255
    drawn = view(film, 0, noise=0.02)
    assert drawn[:, :25].max() < 40
    assert drawn[:, 25:].min() > 215


def test_an_erased_rectangle_has_the_films_mean_grey_and_at_most_its_share_of_the_area() -> None:
    film, shares, sides = noise_film((60, 50)), [], []
    for seed in range(200):
        drawn = view(film, seed, erase=0.2)
        rows, columns = np.nonzero(drawn != film)
        if not len(rows):
            continue
        inside = drawn[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert (inside == round(film.mean())).mean() > 0.99  # of film pixels that have that grey none differ
        shares.append(inside.size / film.size)
        sides.append(inside.shape[0] / inside.shape[1])
    assert 0.17 < max(shares) < 0.215 and np.mean(shares) == pytest.approx(0.1, abs=0.015)
    assert min(sides) < 0.5 and max(sides) > 2
    assert film.tolist() == noise_film((60, 50)).tolist()


def test_erasing_comes_last_and_leaves_the_other_changes_as_they_are() -> None:
    usual = {**vars(USUAL), "erase": 0.3}
    for seed in range(5):
        whole, erased = (draw_view(noise_film(), np.random.default_rng(seed), c) for c in (USUAL, Changes(**usual)))
        same = (whole == erased).mean()
        assert 0.65 < same < 1


def test_what_moves_in_from_outside_is_black() -> None:
    white = np.full((60, 60), 200, np.uint8)
    drawn = view(white, 3, rotate=20.0, shift=0.2, brightness=0.2)
    assert (drawn == 0).sum() > 50


def test_a_view_depends_on_pixels_number_and_seed_alone() -> None:
    rows = make_rows(6)
    all_of_them = draw_views(rows, 2, 5, USUAL)
    assert (all_of_them.dtype, all_of_them.shape) == (np.uint8, rows.films.shape)
    picked = np.array([4, 1])
    np.testing.assert_array_equal(draw_views(rows.take(picked), 2, 5, USUAL), all_of_them[picked])
    np.testing.assert_array_equal(draw_views(rows.take(picked), np.array([2, 0]), 5, USUAL)[0], all_of_them[4])
    assert not np.array_equal(draw_views(rows, 3, 5, USUAL)[0], all_of_them[0])
    assert not np.array_equal(draw_views(rows, 2, 6, USUAL)[0], all_of_them[0])
    assert draw_views(rows.take(np.array([], np.intp)), 2, 5, USUAL).shape == (0, 24, 24)


def test_the_first_views_are_unchanged_where_that_is_asked_for_and_the_others_are_as_before() -> None:
    rows = make_rows(4)
    some = dataclasses.replace(USUAL, unchanged=2)
    for number in (0, 1):
        np.testing.assert_array_equal(draw_views(rows, number, 7, some), rows.films)
        assert (draw_views(rows, number, 7, USUAL) != rows.films).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(draw_views(rows, 2, 7, some), draw_views(rows, 2, 7, USUAL))
    mixed = draw_views(rows, np.array([0, 3, 1, 2]), 7, some)  # of each film another view
    np.testing.assert_array_equal(mixed[[0, 2]], rows.films[[0, 2]])
    np.testing.assert_array_equal(mixed[1], draw_views(rows, 3, 7, USUAL)[1])


def test_two_films_of_equal_pixels_but_another_key_are_changed_differently() -> None:
    rows = make_rows(2)
    twins = Examples(rows.films[[0, 0]], rows.labels, rows.keys)
    one, other = draw_views(twins, 0, 5, USUAL)
    assert not np.array_equal(one, other)


def test_an_epochs_order_is_a_permutation_that_seed_and_epoch_fix() -> None:
    order = epoch_order(50, 3, 4)
    assert sorted(order) == list(range(50))
    np.testing.assert_array_equal(epoch_order(50, 3, 4), order)
    assert not np.array_equal(epoch_order(50, 3, 5), order)
    assert not np.array_equal(epoch_order(50, 4, 4), order)


@pytest.mark.parametrize("views", [1, 3, 4])
def test_every_row_walks_through_all_its_views(views: int) -> None:
    keys = make_rows(9).keys
    seen = np.stack([epoch_views(keys, views, epoch) for epoch in range(5, 5 + views)])
    for row in seen.T:
        assert sorted(row) == list(range(views))
    np.testing.assert_array_equal(epoch_views(keys, views, 5 + views), seen[0])


def test_an_epoch_does_not_show_every_row_in_the_same_view() -> None:
    assert len(set(epoch_views(make_rows(20).keys, 4, 0))) == 4


def test_copies_of_one_film_get_different_views() -> None:
    keys = make_rows(3).keys
    numbers = epoch_views((keys[0], keys[1], keys[0], keys[0], keys[2], keys[0]), 4, 7)
    assert sorted(numbers[[0, 2, 3, 5]]) == [0, 1, 2, 3]
    assert numbers[1] == epoch_views(keys, 4, 7)[1]


def test_a_film_with_more_copies_than_views_gets_a_view_of_its_own_for_each() -> None:
    keys = make_rows(3).keys
    sample = np.array([0, 1, 0, 0, 2, 0, 0])
    shown = tuple(keys[i] for i in sample)
    for epoch in range(7):
        numbers = epoch_views(shown, 2, epoch)
        assert sorted(numbers[sample == 0]) == [0, 1, 2, 3, 4]
        assert max(numbers[sample != 0]) < 2
    films, views = further_views(sample, shown, 2)
    assert (films.tolist(), views.tolist()) == ([0, 0, 0], [2, 3, 4])
    assert [len(part) for part in further_views(sample, shown, 5)] == [0, 0]


def test_no_two_copies_are_alike_in_pixels() -> None:
    rows = make_rows(2).take(np.array([0] * 9))
    drawn = draw_views(rows, epoch_views(rows.keys, 4, 3), 5, USUAL)
    assert len({film.tobytes() for film in drawn}) == 9
