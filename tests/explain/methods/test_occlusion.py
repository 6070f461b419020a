import numpy as np
import pytest

from hilum.explain.explained_model import ExplainedModel
from hilum.explain.methods import occlusion

FILM = np.full((1, 8, 8, 1), 200, np.float32)
SETTINGS = {"patch": 0.25, "stride": 0.25, "baseline": "black"}


def top_left(images):
    """p(1) is the mean of the upper left quarter over 255."""
    one = images[:, :4, :4, 0].mean(axis=(1, 2)).astype(np.float64) / 255
    return np.stack([1 - one, one], axis=1)


def explain(settings=SETTINGS, target=1, film=FILM):
    return occlusion.explain(ExplainedModel(top_left), film, np.array([target]), settings, 0, lambda i, n: None)


def test_by_hand_a_patch_of_the_quarter_takes_a_quarter_of_its_probability():
    got = explain()
    expected = np.zeros((8, 8))
    expected[:4, :4] = 200 / 255 / 4
    np.testing.assert_allclose(got.values[0], expected, atol=1e-6)
    np.testing.assert_allclose(explain(target=0).values[0], -expected, atol=1e-6)
    assert got.numbers["spread"][0] == pytest.approx(200 / 255 / 4)


def test_by_hand_overlapping_patches_are_averaged():
    got = explain(SETTINGS | {"stride": 0.125})
    # the pixel at (4, 0) was hidden by the patches that begin at (3, 0) and (4, 0): half of the first lies in the quarter
    assert got.values[0][4, 0] == pytest.approx((200 / 255 / 8 + 0) / 2, abs=1e-6)


def test_a_patch_that_does_not_divide_the_side_reaches_the_far_edge():
    assert occlusion._starts(10, 4, 4) == [0, 4, 6]
    assert occlusion._starts(8, 8, 3) == [0]


def test_an_even_film_hidden_by_its_mean_has_no_map():
    got = explain(SETTINGS | {"baseline": "mean"})
    assert got.numbers["zero"][0] == 1
