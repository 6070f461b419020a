import numpy as np
import pytest

from hilum.explain.explained_model import ExplainedModel
from hilum.explain.methods import rise

SIZE = 32
FILM = np.full((1, SIZE, SIZE, 1), 200, np.float32)
SETTINGS = {"samples": 600, "cells": 4, "shown": 0.5, "baseline": "black"}


def corner(images):
    one = images[:, :8, :8, 0].mean(axis=(1, 2)).astype(np.float64) / 255
    return np.stack([1 - one, one], axis=1)


def explain(settings=SETTINGS, seed=3, answer=corner):
    return rise.explain(ExplainedModel(answer), FILM, np.array([1]), settings, seed, lambda i, n: None)


@pytest.mark.parametrize(("cells", "side"), [(4, 32), (5, 33), (8, 20)])
def test_masks_are_soft_and_show_the_asked_share(cells, side):
    masks = np.concatenate(list(rise.draw_masks(400, cells, 0.3, (side, side), seed=1)))
    assert masks.shape == (400, side, side)
    assert masks.dtype == np.float32
    assert masks.min() >= 0
    assert masks.max() <= 1
    np.testing.assert_allclose(masks.mean(axis=0), 0.3, atol=0.12)
    assert masks.mean() == pytest.approx(0.3, abs=0.02)


def test_masks_do_not_depend_on_how_many_follow():
    few = next(rise.draw_masks(128, 4, 0.5, (16, 16), seed=1))
    assert np.array_equal(next(rise.draw_masks(500, 4, 0.5, (16, 16), seed=1)), few)


def test_it_is_the_papers_map_by_the_masks_own_coverage_less_the_mean():
    masks = np.concatenate(list(rise.draw_masks(600, 4, 0.5, (SIZE, SIZE), seed=3)))
    answers = corner(masks[..., np.newaxis] * FILM)[:, 1]
    papers = np.tensordot(answers, masks, axes=1) / masks.sum(axis=0)
    np.testing.assert_allclose(explain().values[0], papers - answers.mean(), atol=1e-6)


def test_the_corner_that_is_read_stands_out():
    got = explain()
    assert got.values[0][:8, :8].mean() > 5 * np.abs(got.values[0][16:, 16:]).mean()
    assert explain(seed=4).values.tobytes() != got.values.tobytes()


def test_a_constant_prediction_has_a_zero_map():
    got = explain(answer=lambda images: np.tile([0.3, 0.7], (len(images), 1)))
    assert not got.values.any()
    assert got.numbers["zero"][0] == 1
    assert got.numbers["mean"][0] == pytest.approx(0.7)
