import numpy as np
import pandas as pd
import pytest

from hilum.explain.measures.agreement import GRID, agreement_by_chance, compare_methods, find_disagreement, top_overlap
from hilum.explain.measures.reference_maps import centre_maps, random_maps

SHAPE = (2, 64, 64)


def test_equal_maps_agree_and_the_sign_of_the_rest_does_not_count():
    blobs = random_maps(SHAPE, np.random.default_rng(0))
    cut = np.maximum(blobs - 0.5, 0)
    pairs = compare_methods({"a": cut, "b": np.where(cut > 0, cut, -3).astype(np.float32)}, ["x", "y"], ["p", "q"])
    assert pairs[["first", "second"]].drop_duplicates().to_numpy().tolist() == [["a", "b"]]
    np.testing.assert_allclose(pairs["spearman"], 1)
    np.testing.assert_allclose(pairs["overlap"], 1)


def test_every_pair_is_there_once():
    maps = {name: random_maps(SHAPE, np.random.default_rng(i)) for i, name in enumerate("abc")}
    pairs = compare_methods(maps, ["x", "y"], ["p", "q"])
    assert len(pairs) == 3 * 2
    assert pairs["spearman"].between(-1, 1).all() and pairs["overlap"].between(0, 1).all()


def test_overlap_by_hand():
    one, other = np.arange(10.0), np.arange(10.0)[::-1]
    assert top_overlap(one, one, 0.3) == 1
    assert top_overlap(one, other, 0.3) == 0
    assert top_overlap(one, np.array([0, 0, 0, 0, 0, 0, 0, 5, 0, 9.0]), 0.2) == pytest.approx(0.5)


def test_ties_share_the_last_places():
    """Two of the second map's four ones are among the first map's two strongest: each is in with probability 1/2."""
    assert top_overlap(np.arange(8.0), np.array([0, 0, 0, 0, 1, 1, 1, 1.0]), 0.25) == pytest.approx(0.5)
    assert np.isnan(top_overlap(np.arange(8.0), np.zeros(8), 0.25))


def test_overlap_of_unrelated_maps_is_the_share():
    rng = np.random.default_rng(1)
    found = [top_overlap(rng.random(GRID), rng.random(GRID), 0.1) for _ in range(300)]
    assert np.mean(found) == pytest.approx(0.1, abs=0.01)


def test_the_level_of_chance_lets_one_pair_in_twenty_pass():
    level = agreement_by_chance((64, 64), seed=0)
    assert 0.15 < level < 0.5
    maps = {"a": random_maps((200, 64, 64), np.random.default_rng(7)), "b": random_maps((200, 64, 64), np.random.default_rng(8))}
    names = [str(i) for i in range(200)]
    assert (compare_methods(maps, names, names)["spearman"] > level).mean() == pytest.approx(0.05, abs=0.05)


def test_films_without_any_agreement_are_found():
    rows = [("x", "a", "b", 0.9), ("x", "a", "c", 0.0), ("y", "a", "b", 0.1), ("y", "a", "c", 0.2), ("z", "a", "b", np.nan)]
    pairs = pd.DataFrame(rows, columns=["image_id", "first", "second", "spearman"])
    disagreeing = find_disagreement(pairs, 0.3)
    assert disagreeing["image_id"].tolist() == ["y", "z"]
    assert disagreeing["best"].tolist()[0] == 0.2 and (disagreeing["chance"] == 0.3).all()


def test_reference_maps_know_nothing_and_repeat():
    for values in (random_maps(SHAPE, np.random.default_rng(4)), centre_maps(SHAPE)):
        assert values.shape == SHAPE and values.dtype == np.float32
        assert values.min() >= 0 and values.max() <= 1
    blobs = random_maps(SHAPE, np.random.default_rng(4))
    assert not np.array_equal(blobs[0], blobs[1])
    assert np.array_equal(blobs, random_maps(SHAPE, np.random.default_rng(4)))
    assert centre_maps(SHAPE)[0, 31:33, 31:33].min() > 0.98 > centre_maps(SHAPE)[0, 0, 0]
