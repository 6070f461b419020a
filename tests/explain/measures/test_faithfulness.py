import numpy as np
import pytest
import reference_measures as reference

from hilum.explain.measures.faithfulness import (
    average_drop_and_gain,
    blur_films,
    deletion_and_insertion,
    draw_subsets,
    mean_films,
    mu_fidelity,
    stretch,
)

FILMS = np.random.default_rng(3).uniform(0, 255, (2, 10, 10, 1)).astype(np.float32)
BLURRED = blur_films(FILMS)
ONES = np.array([1, 1])
WITHOUT_TIES = np.random.default_rng(5).permutation(200).reshape(2, 10, 10).astype(np.float32)


def two_classes(one):
    return np.stack([1 - one, one], axis=1)


def reads_pixel(row, column):
    """Class 1 is certain while this pixel of the film is sharp."""
    return lambda images: two_classes((images[:, row, column, 0] == FILMS[:, row, column, 0]).astype(np.float64))


def sharp_share(images):
    return two_classes((images == FILMS).mean(axis=(1, 2, 3)))


def brightness(images):
    return two_classes(images.astype(np.float64).mean(axis=(1, 2, 3)) / 255)


def curved(images):
    """A prediction that is no sum of pixels."""
    weights = np.random.default_rng(8).normal(size=(10, 10))
    seen = (images[..., 0].astype(np.float64) / 255 * weights).sum(axis=(1, 2))
    return two_classes(1 / (1 + np.exp(-seen - np.sin(3 * seen))))


def curves(predict, maps, steps, replacement=BLURRED, targets=ONES):
    return deletion_and_insertion(predict, FILMS, maps, targets, steps, replacement)


def test_a_model_of_one_pixel_falls_at_the_first_step_if_the_map_is_right():
    maps = WITHOUT_TIES.copy()
    maps[:, 4, 7] = 1000
    found = curves(reads_pixel(4, 7), maps, 10)
    assert found.fractions[0].tolist() == pytest.approx(np.linspace(0, 1, 11).tolist())
    assert found.deletion[0].tolist() == [1] + [0] * 10
    assert found.insertion[0].tolist() == [0] + [1] * 10
    assert found.deletion_auc.tolist() == pytest.approx([0.05, 0.05])
    assert found.insertion_auc.tolist() == pytest.approx([0.95, 0.95])


def test_and_at_the_last_step_if_the_map_argues_against_that_pixel():
    maps = WITHOUT_TIES.copy()
    maps[:, 4, 7] = -1000
    found = curves(reads_pixel(4, 7), maps, 10)
    assert found.deletion[0].tolist() == [1] * 10 + [0]
    assert found.deletion_auc.tolist() == pytest.approx([0.95, 0.95])


def test_ties_change_together_and_the_curve_is_straight_over_them():
    """One pixel, then 99 that the map does not order: three points, whatever the number of steps."""
    maps = np.zeros((2, 10, 10), np.float32)
    maps[:, 4, 7] = 1
    for steps in (4, 10, 100):
        found = curves(brightness, maps, steps)
        assert set(found.fractions[0]) == {0, 0.01, 1}
    ends = found.deletion[:, [0, -1]]
    first = found.deletion[:, 1]
    by_hand = 0.01 * (ends[:, 0] + first) / 2 + 0.99 * (first + ends[:, 1]) / 2
    np.testing.assert_allclose(found.deletion_auc, by_hand, rtol=1e-12)


def test_a_constant_map_is_worth_the_middle_of_both_ends():
    found = curves(brightness, np.full((2, 10, 10), 7, np.float32), 10)
    np.testing.assert_allclose(found.deletion_auc, found.deletion[:, [0, -1]].mean(axis=1))
    np.testing.assert_allclose(found.deletion_auc, found.insertion_auc)


def test_the_deletion_curve_of_a_sum_is_a_cumulative_sum():
    maps = (FILMS - BLURRED)[..., 0]  # what each pixel's blurring takes from the sum
    found = curves(brightness, maps, 100)
    for i in range(2):
        taken = np.concatenate([[0], np.cumsum(np.sort(maps[i].ravel().astype(np.float64))[::-1])])
        np.testing.assert_allclose(found.deletion[i], (FILMS[i].sum(dtype=np.float64) - taken) / 100 / 255, atol=1e-5)
    assert (found.deletion_auc < curves(brightness, -maps, 100).deletion_auc).all()  # no order can take more sooner


def test_the_target_chooses_the_probability():
    found = curves(sharp_share, WITHOUT_TIES, 2, targets=np.array([0, 1]))
    assert found.deletion.tolist() == [pytest.approx([0, 0.5, 1]), pytest.approx([1, 0.5, 0])]


@pytest.mark.parametrize("replace", [blur_films, mean_films])
def test_the_areas_are_those_of_the_plain_definition(replace):
    other = replace(FILMS)
    found = curves(curved, WITHOUT_TIES, 10, other)
    for i in range(2):
        film, heat = FILMS[i], WITHOUT_TIES[i]
        assert found.deletion_auc[i] == pytest.approx(reference.causal_area(curved, film, heat, 1, 10, film, other[i]), abs=1e-5)
        assert found.insertion_auc[i] == pytest.approx(reference.causal_area(curved, film, heat, 1, 10, other[i], film), abs=1e-5)


def test_a_mean_film_has_one_grey_level():
    assert np.ptp(mean_films(FILMS)[0]) == 0
    np.testing.assert_allclose(mean_films(FILMS)[:, 0, 0, 0], FILMS.mean(axis=(1, 2, 3)), rtol=1e-6)


def test_drop_and_gain_by_hand():
    """A film of 2 x 2 pixels at 200; the map shows the left half, so brightness falls from 200/255 to 100/255."""
    film = np.full((2, 2, 2, 1), 200, np.float32)
    maps = np.array([[[5, 1], [5, 1]], [[5, -9], [5, -3]]], np.float32)  # what argues against is not shown either
    drop, gain = average_drop_and_gain(brightness, film, maps, ONES)
    np.testing.assert_allclose(drop, [0.5, 0.5])
    np.testing.assert_allclose(gain, [0, 0])
    drop, gain = average_drop_and_gain(brightness, film, maps, np.array([0, 0]))  # darkness rises from 55/255 to 155/255
    np.testing.assert_allclose(drop, [0, 0])
    np.testing.assert_allclose(gain, [(155 - 55) / 200] * 2)


def test_drop_and_gain_are_those_of_the_plain_definition():
    drop, gain = average_drop_and_gain(curved, FILMS, WITHOUT_TIES, np.array([0, 1]))
    for i in range(2):
        assert (drop[i], gain[i]) == pytest.approx(reference.drop_and_gain(curved, FILMS[i], WITHOUT_TIES[i], i), abs=1e-5)
    assert drop.max() > 0 and gain.max() > 0


def test_a_map_without_positive_values_leaves_nothing_of_the_film():
    assert stretch(np.full((1, 3, 3), -2, np.float32)).max() == 0


def test_fidelity_of_a_sum_is_perfect_for_its_own_map():
    maps = (FILMS - mean_films(FILMS))[..., 0]
    subsets = draw_subsets((10, 10), 60, 5, 0.3, seed=1)
    assert mu_fidelity(brightness, FILMS, maps, ONES, subsets, mean_films(FILMS)).tolist() == pytest.approx([1, 1])
    assert mu_fidelity(brightness, FILMS, -maps, ONES, subsets, mean_films(FILMS)).tolist() == pytest.approx([-1, -1])


def test_fidelity_is_that_of_the_plain_definition_on_the_same_subsets():
    subsets = draw_subsets((10, 10), 150, 9, 0.2, seed=2)
    found = mu_fidelity(curved, FILMS, WITHOUT_TIES, ONES, subsets, mean_films(FILMS))
    for i in range(2):
        grey = FILMS[i].mean()
        assert found[i] == pytest.approx(reference.fidelity(curved, FILMS[i], WITHOUT_TIES[i], 1, subsets, grey), abs=1e-5)


def test_nothing_is_shown_by_a_constant_map():
    subsets = np.ones((4, 10, 10), bool)
    assert mu_fidelity(brightness, FILMS, WITHOUT_TIES, ONES, subsets, BLURRED).tolist() == [0, 0]


def test_subsets_are_cells_of_a_grid():
    subsets = draw_subsets((12, 18), 500, 3, 0.2, seed=0)
    assert subsets.shape == (500, 12, 18)
    assert (subsets[:, :4, :6] == subsets[:, :1, :1]).all()
    assert subsets.mean() == pytest.approx(0.2, abs=0.02)
    assert np.array_equal(subsets, draw_subsets((12, 18), 500, 3, 0.2, seed=0))


@pytest.mark.parametrize(
    ("maps", "steps", "message"),
    [(np.zeros((2, 9, 10), np.float32), 4, "size of the films"), (np.zeros((2, 10, 10), np.float32), 0, "steps must be")],
)
def test_wrong_sizes_are_refused(maps, steps, message):
    with pytest.raises(ValueError, match=message):
        curves(brightness, maps, steps)


def test_subsets_of_another_size_are_refused():
    with pytest.raises(ValueError, match="subsets must have"):
        mu_fidelity(brightness, FILMS, WITHOUT_TIES, ONES, np.ones((2, 5, 5), bool), BLURRED)
