import numpy as np
import pytest

from hilum.reading.novelty import find_threshold, learn_space


def test_distance_by_hand() -> None:
    """Two classes with one spread: 2 in x, 1 in y, uncorrelated; far from shrinkage, since there are many films."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, [2, 1], (20_000, 2))
    labels = np.arange(20_000) % 2
    space = learn_space(noise + 10 * labels[:, None], labels, 2)
    found = space.distances(np.array([[0, 0], [10, 10], [4, 0], [0, 2], [12, 10]]))
    assert found == pytest.approx([0, 0, 2, 2, 1], abs=0.05)


def test_more_features_than_films() -> None:
    rng = np.random.default_rng(1)
    space = learn_space(rng.normal(size=(20, 300)), np.zeros(20, np.int64), 3)  # two classes have no film
    assert space.mean.shape == (1, 300) and np.isfinite(space.precision).all()
    assert (space.distances(rng.normal(5, 1, (4, 300))) > space.distances(rng.normal(size=(4, 300)))).all()


def test_constant_features_are_no_fault() -> None:
    space = learn_space(np.ones((5, 3)), np.zeros(5, np.int64), 1)
    assert space.distances(np.ones((1, 3)))[0] == 0 and np.isfinite(space.distances(np.zeros((1, 3)))).all()


@pytest.mark.parametrize("films", [40, 99, 400])
def test_the_threshold_is_exceeded_at_its_rate(films: int) -> None:
    """Over many sets of validation films; each alone is off by chance."""
    rng = np.random.default_rng(films)
    shares = [(rng.normal(size=200) > find_threshold(rng.normal(size=films))).mean() for _ in range(2_000)]
    assert 0.035 < np.mean(shares) <= 0.0505


def test_few_films_give_their_largest_distance() -> None:
    assert find_threshold(np.array([3.0, 1.0, 2.0])) == 3.0
