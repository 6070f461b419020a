import numpy as np
import pytest
import reference_measures as reference

from hilum.explain.measures.localization import (
    LEVELS,
    above_level,
    average_precision,
    hit_rate,
    iou,
    otsu_mask,
    relevance_mass,
    to_grey,
    tune_level,
)

HEAT = np.array([[1, 3, -9], [0, 4, 2]], np.float32)
MARK = np.array([[1, 0, 1], [0, 1, 0]], bool)
WITHOUT_TIES = np.random.default_rng(5).permutation(120).reshape(10, 12).astype(np.float32)


def test_the_maximum_hits_or_misses():
    assert hit_rate(HEAT, MARK) == 1
    assert hit_rate(HEAT, ~MARK) == 0


def test_a_shared_maximum_hits_with_its_share():
    flat = np.float32([[2, 2, 0], [2, 2 * (1 - 1e-7), -1]])  # the last differs by what resizing does
    assert hit_rate(flat, np.array([[1, 0, 1], [0, 0, 1]], bool)) == pytest.approx(0.25)


def test_a_map_without_positive_values_points_nowhere():
    assert hit_rate(np.full((2, 3), -1, np.float32), MARK) == 0
    assert np.isnan(relevance_mass(np.full((2, 3), -1, np.float32), MARK))
    assert not otsu_mask(np.zeros((2, 3), np.float32)).any()
    assert not above_level(np.zeros((2, 3), np.float32), 0.5).any()


def test_relevance_mass_by_hand():
    assert relevance_mass(HEAT, MARK) == pytest.approx(5 / 10)  # what argues against does not count


def test_relevance_mass_is_that_of_the_plain_definition_where_nothing_is_negative():
    annotation = WITHOUT_TIES % 3 == 0
    assert relevance_mass(WITHOUT_TIES, annotation) == pytest.approx(reference.relevance_mass(WITHOUT_TIES, annotation), abs=1e-5)


def test_average_precision_by_hand():
    """Ranked 4 (in), 3 (out), 2 (out), 1 (in), then 0 and -9 (both 0 once only the positive part counts; one in)."""
    assert average_precision(HEAT, MARK) == pytest.approx((1 / 1 + 2 / 4 + 3 / 6) / 3)


def test_average_precision_is_that_of_the_plain_definition():
    annotation = np.random.default_rng(0).random((10, 12)) < 0.2
    assert average_precision(WITHOUT_TIES, annotation) == pytest.approx(
        reference.average_precision(WITHOUT_TIES, annotation), abs=1e-5
    )


def test_average_precision_is_that_of_scikit_learn_with_ties_as_well():
    from sklearn.metrics import average_precision_score

    annotation = np.random.default_rng(0).random((10, 12)) < 0.2
    for heat in (WITHOUT_TIES, WITHOUT_TIES // 7, WITHOUT_TIES - 60):
        expected = average_precision_score(annotation.ravel(), np.maximum(heat, 0).ravel())
        assert average_precision(heat, annotation) == pytest.approx(expected, abs=1e-12)


def test_average_precision_of_a_constant_map_is_the_share_of_the_mark():
    assert average_precision(np.ones((2, 3), np.float32), MARK) == pytest.approx(0.5)


def test_iou_by_hand():
    assert iou(np.array([[1, 1, 0], [0, 0, 0]], bool), MARK) == pytest.approx(1 / 4)
    assert iou(MARK, MARK) == 1
    assert np.isnan(iou(np.zeros((2, 3), bool), np.zeros((2, 3), bool)))


def test_otsu_parts_two_levels():
    heat = np.float32([[0.1, 0.2, 0.15], [0.9, 1.0, 0.95]])
    assert otsu_mask(heat).tolist() == [[False] * 3, [True] * 3]


def test_grey_levels_are_rounded_down():
    assert to_grey(np.float32([[1, 2, 3]])).tolist() == [[0, 127, 255]]
    assert to_grey(np.full((1, 2), 3, np.float32)).tolist() == [[0, 0]]


def test_otsus_mask_is_that_of_opencv():
    cv2 = pytest.importorskip("cv2")
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    for _ in range(40):
        heat = gaussian_filter(rng.standard_normal((61, 80)), rng.uniform(0.3, 9)).astype(np.float32)
        grey = to_grey(heat)
        mask = cv2.threshold(grey, 0, int(grey.max()), cv2.THRESH_BINARY + cv2.THRESH_OTSU)[1]
        np.testing.assert_array_equal(otsu_mask(heat), mask > 0)


def test_the_tuned_level_is_the_best_of_all():
    """Marks are what lies above 0.62 of the maximum: the nearest level wins."""
    heats = [np.random.default_rng(seed).random((20, 20)).astype(np.float32) for seed in range(3)]
    annotations = [heat > 0.62 * heat.max() for heat in heats]
    assert tune_level(zip(heats, annotations, strict=True)) == pytest.approx(0.6)
    assert np.isnan(tune_level([]))
    assert LEVELS.tolist() == pytest.approx(np.linspace(0.05, 0.95, 19).tolist())


def test_an_annotation_of_another_size_is_refused():
    with pytest.raises(ValueError, match="size of the map"):
        hit_rate(HEAT, MARK.T)
