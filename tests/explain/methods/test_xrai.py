import numpy as np
import pytest
from two_squares import AGAINST, FOR, SETTINGS, SIZE, draw_films, explained_of

from hilum.explain.methods import xrai

FILMS = draw_films(1, seed=8)


def test_by_hand_the_densest_new_part_comes_first():
    pixels = np.float32([[9, 9, 1, 1], [0, 0, -2, -2]])
    upper = np.array([[1, 1, 1, 1], [0, 0, 0, 0]], bool)  # mean 5
    left = np.array([[1, 1, 0, 0], [1, 1, 0, 0]], bool)  # mean 4.5; 0 once the upper row is covered
    right = np.array([[0, 0, 1, 1], [0, 0, 1, 1]], bool)  # mean -0.5; -2 once the upper row is covered
    heat, turns = xrai.rank_regions(pixels, np.stack([left, right, upper]), least=1)
    assert heat.tolist() == [[5, 5, 5, 5], [0, 0, -2, -2]]
    assert turns.tolist() == [[0, 0, 0, 0], [1, 1, 2, 2]]


def test_by_hand_small_new_parts_are_left_to_the_rest():
    pixels = np.float32([[9, 1, 1, 5]])
    regions = np.array([[[1, 1, 0, 0]], [[0, 1, 1, 0]]], bool)
    heat, turns = xrai.rank_regions(pixels, regions, least=2)
    assert heat.tolist() == [[5, 5, 3, 3]]
    assert turns.tolist() == [[0, 0, 1, 1]]


def test_the_map_keeps_the_sum_of_the_pixels_that_it_ranks():
    pixels = np.random.default_rng(0).normal(size=(SIZE, SIZE)).astype(np.float32)
    heat, _ = xrai.rank_regions(pixels, xrai.segment(FILMS[0, ..., 0], 2), least=5)
    assert heat.sum() == pytest.approx(pixels.sum(), abs=1e-2)


def test_segmentations_go_from_fine_to_coarse_and_each_covers_the_film():
    masks = xrai.segment(FILMS[0, ..., 0], 0)
    assert masks.shape[1:] == (SIZE, SIZE)
    assert (masks.sum(axis=0) == len(xrai.SCALES)).all()
    wide = xrai.segment(FILMS[0, ..., 0], 2)
    assert len(wide) == len(masks)
    assert (wide.sum(axis=(1, 2)) >= masks.sum(axis=(1, 2))).all()
    assert wide.sum() > masks.sum()


def test_every_part_of_the_square_comes_before_the_rest():
    got = xrai.explain(explained_of(1.0), FILMS, np.array([1]), SETTINGS["xrai"], 0, lambda i, n: None)
    assert got.values[0][FOR].min() > 10 * np.abs(got.values[0][~FOR & ~AGAINST]).max()
    assert got.regions[0][FOR].max() < got.regions[0][~FOR].min()
    assert got.numbers["regions"][0] == got.regions.max() + 1
