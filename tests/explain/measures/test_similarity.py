import numpy as np
import pytest

from hilum.explain.measures.similarity import block_means, own_values, rank_correlation, structural_similarity
from hilum.explain.methods.cams import resize_cells
from hilum.records import Attribution, Cells

TARGET = np.array([0])


def test_rank_correlation_by_hand():
    assert rank_correlation(np.array([1, 2, 3, 4]), np.array([10, 20, 40, 30])) == pytest.approx(0.8)
    assert rank_correlation(np.eye(3), -np.eye(3)) == pytest.approx(-1)
    assert np.isnan(rank_correlation(np.zeros(4), np.arange(4)))


def test_equal_maps_of_any_scale_are_alike_and_a_constant_one_is_no_evidence():
    maps = np.random.default_rng(0).normal(size=(2, 16, 16)).astype(np.float32)
    np.testing.assert_allclose(structural_similarity(maps, 5 * maps), [1, 1], atol=1e-5)
    assert structural_similarity(maps, -maps).max() < 0.5
    assert np.isnan(structural_similarity(maps, np.zeros_like(maps))).all()


def test_block_means_by_hand():
    values = np.arange(16, dtype=float).reshape(4, 4)
    assert block_means(values, (2, 2)).tolist() == [[2.5, 4.5], [10.5, 12.5]]
    assert block_means(np.ones((7, 5)), (3, 2)).tolist() == [[1, 1]] * 3


def test_a_method_is_compared_on_what_it_found():
    regions = np.array([[[0, 0, 1], [2, 1, 1]]], np.int32)
    painted = np.array([[[5, 5, -1], [0, -1, -1]]], np.float32)
    lime = Attribution(painted, "lime", TARGET, True, {}, regions=regions)
    assert own_values(lime, painted, 0).tolist() == [5, -1, 0]
    blocks = np.float32([[1, 2], [3, 4]]).repeat(4, 0).repeat(4, 1)[np.newaxis]
    rise = Attribution(blocks, "rise", TARGET, True, {}, cells=Cells(2, 2))
    assert own_values(rise, blocks, 0).tolist() == [1, 2, 3, 4]
    assert own_values(Attribution(blocks, "shap", TARGET, True, {}), blocks, 0).size == 64


@pytest.mark.parametrize("grid", [(4, 4), (3, 5), (8, 8)])
def test_the_cells_of_an_enlarged_map_come_back_and_zeros_stay_equal(grid):
    """As Grad-CAM's own resize makes it, half of the cells zero."""
    cells = np.maximum(np.random.default_rng(1).normal(size=(1, *grid)), 0).astype(np.float32)
    painted = resize_cells(cells, (32, 40))
    gradcam = Attribution(painted, "gradcam", TARGET, False, {}, cells=Cells(*grid, "conv"))
    found = own_values(gradcam, painted, 0).reshape(grid)
    np.testing.assert_allclose(found, cells[0], atol=1e-5 * cells.max())
    assert rank_correlation(found, cells[0]) == pytest.approx(1)
    assert ((found == 0) == (cells[0] == 0)).all()
    assert (own_values(gradcam, np.zeros_like(painted), 0) == 0).all()
