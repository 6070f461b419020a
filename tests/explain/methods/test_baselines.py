import numpy as np
import pytest

from hilum.explain.methods.baselines import BASELINES, baseline_of

FILM = np.random.default_rng(0).uniform(0, 255, (40, 30)).astype(np.float32)


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_has_the_size_and_range_of_the_film(name):
    got = baseline_of(name, FILM)
    assert got.shape == FILM.shape
    assert got.dtype == np.float32
    assert got.min() >= 0
    assert got.max() <= 255


def test_black_mean_and_blurred_by_their_names():
    assert not baseline_of("black", FILM).any()
    assert np.allclose(baseline_of("mean", FILM), FILM.mean())
    blurred = baseline_of("blurred", FILM)
    assert blurred.std() < 0.2 * FILM.std()
    step = np.where(np.arange(30) < 15, 0, 200).astype(np.float32)[np.newaxis].repeat(40, axis=0)
    seen = baseline_of("blurred", step)
    assert seen[0, 0] < 10 < 190 < seen[0, -1], "light stays on its side"


def test_an_unknown_baseline_names_the_legal_ones():
    with pytest.raises(ValueError, match="black, mean, blurred, got 'white'"):
        baseline_of("white", FILM)
