import numpy as np
import pytest

from hilum.explain.measures import area_of, blur_films, deletion_and_insertion, reference_maps, relevance_ranks, share_inside

FILMS = np.random.default_rng(3).uniform(0, 255, (2, 10, 10, 1)).astype(np.float32)
BLURRED = blur_films(FILMS)
ONES = np.array([1, 1])


def two_classes(one):
    return np.stack([1 - one, one], axis=1)


def reads_pixel(row, column):
    """Class 1 is certain while this pixel of the film is sharp."""
    return lambda images: two_classes((images[:, row, column, 0] == FILMS[:, row, column, 0]).astype(np.float64))


def sharp_share(images):
    return two_classes((images == FILMS).mean(axis=(1, 2, 3)))


def brightness(images):
    return two_classes(images.astype(np.float64).mean(axis=(1, 2, 3)) / 255)


def test_a_model_of_one_pixel_falls_at_the_first_step_if_the_map_is_right():
    maps = np.zeros((2, 10, 10), np.float32)
    maps[:, 4, 7] = 1
    curves = deletion_and_insertion(reads_pixel(4, 7), FILMS, maps, ONES, steps=10, seed=0)
    assert curves.fractions.tolist() == pytest.approx(np.linspace(0, 1, 11).tolist())
    assert curves.deletion[0].tolist() == [1] + [0] * 10
    assert curves.insertion[0].tolist() == [0] + [1] * 10
    assert curves.deletion_auc.tolist() == pytest.approx([0.05, 0.05])
    assert curves.insertion_auc.tolist() == pytest.approx([0.95, 0.95])


def test_and_at_the_last_step_if_the_map_argues_against_that_pixel():
    maps = np.zeros((2, 10, 10), np.float32)
    maps[:, 4, 7] = -1
    curves = deletion_and_insertion(reads_pixel(4, 7), FILMS, maps, ONES, steps=10, seed=0)
    assert curves.deletion[0].tolist() == [1] * 10 + [0]
    assert curves.deletion_auc.tolist() == pytest.approx([0.95, 0.95])


def test_a_model_that_counts_sharp_pixels_draws_a_straight_line():
    maps = np.random.default_rng(1).normal(size=(2, 10, 10)).astype(np.float32)
    curves = deletion_and_insertion(sharp_share, FILMS, maps, ONES, steps=4, seed=0)
    assert curves.deletion[1].tolist() == pytest.approx([1, 0.75, 0.5, 0.25, 0])
    assert curves.insertion[1].tolist() == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert curves.deletion_auc.tolist() == pytest.approx([0.5, 0.5])


def test_the_deletion_curve_of_a_sum_is_a_cumulative_sum():
    maps = (FILMS - BLURRED)[..., 0]  # what each pixel's blurring takes from the sum
    curves = deletion_and_insertion(brightness, FILMS, maps, ONES, steps=100, seed=0)
    for i in range(2):
        taken = np.concatenate([[0], np.cumsum(np.sort(maps[i].ravel().astype(np.float64))[::-1])])
        np.testing.assert_allclose(curves.deletion[i], (FILMS[i].sum(dtype=np.float64) - taken) / 100 / 255, atol=1e-5)
    # no order can take more sooner
    worse = deletion_and_insertion(brightness, FILMS, -maps, ONES, steps=100, seed=0)
    assert (curves.deletion_auc < worse.deletion_auc).all()


def test_the_target_chooses_the_probability():
    maps = np.zeros((2, 10, 10), np.float32)
    curves = deletion_and_insertion(sharp_share, FILMS, maps, np.array([0, 1]), steps=2, seed=0)
    assert curves.deletion.tolist() == [pytest.approx([0, 0.5, 1]), pytest.approx([1, 0.5, 0])]


def test_ties_are_broken_by_the_seed_and_alike_in_every_film():
    flat = np.zeros((2, 10, 10), np.float32)
    ranks = relevance_ranks(flat, seed=1)
    assert np.array_equal(ranks[0], ranks[1])
    assert np.array_equal(ranks, relevance_ranks(flat, seed=1))
    assert not np.array_equal(ranks, relevance_ranks(flat, seed=2))
    assert not np.array_equal(ranks[0].ravel(), np.arange(100))  # not simply from the upper left corner


def test_ranks_follow_values():
    values = np.array([[[0.1, -3.0], [7.0, 0.2]]], np.float32)
    assert relevance_ranks(values, seed=0).tolist() == [[[2, 3], [0, 1]]]


def test_share_inside_by_hand():
    maps = np.array([[[1, 3], [-8, 0]], [[1, 1], [1, 1]], [[0, 0], [-1, 0]], [[1, 1], [1, 1]]], np.float32)
    masks = np.array([[[1, 0], [1, 0]], [[1, 1], [1, 0]], [[1, 1], [1, 1]], [[0, 0], [0, 0]]], bool)
    got = share_inside(maps, masks)
    assert got[:2].tolist() == pytest.approx([0.25, 0.75])  # what argues against does not count
    assert np.isnan(got[2])  # nothing positive
    assert np.isnan(got[3])  # no mask
    np.testing.assert_array_equal(area_of(masks), [0.5, 0.75, 1.0, np.nan])


def test_reference_maps_know_nothing_and_repeat():
    maps = reference_maps((3, 32, 24), seed=4)
    assert list(maps) == ["random", "centre"]
    for values in maps.values():
        assert values.shape == (3, 32, 24)
        assert values.dtype == np.float32
        assert values.min() >= 0
        assert values.max() <= 1
    assert not np.array_equal(maps["random"][0], maps["random"][1])
    assert np.array_equal(maps["random"], reference_maps((3, 32, 24), seed=4)["random"])
    assert maps["centre"][0, 15:17, 11:13].min() > 0.98 > maps["centre"][0, 0, 0]


def test_a_random_map_has_about_the_area_of_the_mask_inside_it():
    mask = np.zeros((40, 64, 64), bool)
    mask[:, 10:40, 20:50] = True
    share = share_inside(reference_maps((40, 64, 64), seed=0)["random"], mask)
    assert np.mean(share) == pytest.approx(area_of(mask)[0], abs=0.04)


@pytest.mark.parametrize(
    ("maps", "steps", "message"),
    [(np.zeros((2, 9, 10), np.float32), 4, "size of the films"), (np.zeros((2, 10, 10), np.float32), 0, "steps must be")],
)
def test_wrong_sizes_are_refused(maps, steps, message):
    with pytest.raises(ValueError, match=message):
        deletion_and_insertion(brightness, FILMS, maps, ONES, steps, seed=0)


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ValueError, match="shape of the maps"):
        share_inside(np.zeros((1, 4, 4), np.float32), np.zeros((1, 5, 4), bool))
