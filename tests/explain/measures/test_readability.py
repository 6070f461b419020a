import numpy as np
import pytest
import reference_measures as reference

from hilum.explain.measures.readability import entropy, gini

MAPS = np.random.default_rng(4).normal(size=(3, 9, 11)).astype(np.float32)


def test_by_hand():
    one, even, empty = np.zeros((3, 2, 2), np.float32)
    one[0, 1], even[:] = -3, 2
    sparse, spread, nothing = gini(np.stack([one, even, empty]))
    assert (sparse, spread) == pytest.approx((3 / 4, 0)) and np.isnan(nothing)
    sparse, spread, nothing = entropy(np.stack([one, even, empty]))
    assert (sparse, spread) == pytest.approx((0, np.log(4))) and np.isnan(nothing)


def test_gini_is_that_of_the_plain_definition():
    assert gini(MAPS).tolist() == pytest.approx([reference.gini(heat) for heat in MAPS], abs=1e-5)


def test_entropy_is_that_of_the_plain_definition():
    assert entropy(MAPS).tolist() == pytest.approx([reference.entropy(heat) for heat in MAPS], abs=1e-3)


def test_neither_depends_on_the_scale():
    np.testing.assert_allclose(gini(MAPS), gini(1000 * MAPS), rtol=1e-6)
    np.testing.assert_allclose(entropy(MAPS), entropy(-MAPS), rtol=1e-6)
