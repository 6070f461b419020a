"""The measures give what xplique and Quantus give where these define the same: values stored by make_references.py.

The arrays have no ties. 1e-5 apart at most; entropy 1e-3, because the packages add a small constant inside the logarithm.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from make_references import FILMS, RADIUS, SIDE, explain, hash_arrays, make_arrays, scale

from hilum.explain.measures.faithfulness import average_drop_and_gain, deletion_and_insertion, mean_films, mu_fidelity
from hilum.explain.measures.localization import hit_rate, relevance_mass
from hilum.explain.measures.readability import entropy, gini
from hilum.explain.measures.similarity import rank_correlation, structural_similarity
from hilum.explain.measures.stability import max_sensitivity

STORED = Path(__file__).resolve().parent / "references"
ARRAYS = make_arrays()
TOLD = {name: json.loads((STORED / f"{name}.json").read_text()) for name in ("xplique", "quantus")}
XPLIQUE, QUANTUS = (one["values"] for one in TOLD.values())
PACKED = np.array([list(bytes.fromhex(line)) for line in (STORED / "subsets.txt").read_text().split()], np.uint8)
SUBSETS = np.unpackbits(PACKED, axis=-1, count=SIDE * SIDE).astype(bool).reshape(FILMS, -1, SIDE, SIDE)  # (films, 200, H, W)
IMAGES, SIGNED, POSITIVE, MARKS = (ARRAYS[name] for name in ("films", "signed", "positive", "marks"))
ONES = np.ones(FILMS, int)


def test_the_packages_were_asked_of_these_very_arrays():
    assert {one["arrays_sha256"] for one in TOLD.values()} == {hash_arrays(ARRAYS)}, "run make_references.py again"


def verdict(images):
    """A sum of bent functions of each pixel, squeezed: what both sides evaluate."""
    grey = images[..., 0].astype(np.float64) / 255
    raised = (ARRAYS["linear"] * grey + ARRAYS["bent"] * (grey - 0.5) ** 2).sum(axis=(1, 2))
    one = 1 / (1 + np.exp(-raised))
    return np.stack([1 - one, one], axis=1)


def near(values, apart=1e-5):
    return pytest.approx(values, rel=0, abs=apart)


@pytest.mark.parametrize("steps", [10, SIDE * SIDE])
@pytest.mark.parametrize("fill", ["black", "mean"])
def test_deletion_and_insertion_are_those_of_xplique(fill, steps):
    other = np.zeros_like(IMAGES) if fill == "black" else mean_films(IMAGES)
    found = deletion_and_insertion(verdict, IMAGES, SIGNED, ONES, steps, other)
    assert found.deletion_auc.tolist() == near(XPLIQUE[f"deletion_{fill}_{steps}"])
    assert found.insertion_auc.tolist() == near(XPLIQUE[f"insertion_{fill}_{steps}"])


@pytest.mark.parametrize(("target", "side"), [(0, "against"), (1, "for")])
def test_average_drop_and_gain_are_those_of_xplique(target, side):
    drop, gain = average_drop_and_gain(verdict, IMAGES, POSITIVE, np.full(FILMS, target))
    assert drop.tolist() == near(XPLIQUE[f"average_drop_{side}"])
    assert gain.tolist() == near(XPLIQUE[f"average_gain_{side}"])
    assert max(drop.max(), gain.max()) > 0.1


def test_mu_fidelity_is_that_of_xplique_on_the_masks_it_drew():
    for i in range(FILMS):
        one = slice(i, i + 1)
        found = mu_fidelity(verdict, IMAGES[one], SIGNED[one], ONES[one], SUBSETS[i], mean_films(IMAGES[one]))
        assert found[0] == near(XPLIQUE["mu_fidelity"][i])


def test_gini_is_that_of_both():
    assert gini(SIGNED).tolist() == near(QUANTUS["sparseness"])
    assert gini(SIGNED).tolist() == near(XPLIQUE["sparseness"])


def test_entropy_is_that_of_both():
    assert entropy(SIGNED).tolist() == near(QUANTUS["complexity"], 1e-3)
    assert entropy(SIGNED).tolist() == near(XPLIQUE["complexity"], 1e-3)


def test_relevance_mass_is_that_of_quantus():
    """Of a map without negative values, and of the positive part of a signed one, which it calls attribution localisation."""
    pairs = [
        (relevance_mass(a, annotation), relevance_mass(b, annotation))
        for a, b, annotation in zip(POSITIVE, SIGNED, MARKS, strict=True)
    ]
    assert [one for one, _ in pairs] == near(QUANTUS["relevance_mass"])
    assert [other for _, other in pairs] == near(QUANTUS["attribution_localisation"])


def test_hit_rate_is_the_pointing_game_of_quantus():
    found = [hit_rate(heat, annotation) for heat, annotation in zip(POSITIVE, MARKS, strict=True)]
    assert found == QUANTUS["pointing_game"] and set(found) == {0, 1}


def test_max_sensitivity_is_that_of_quantus_under_the_same_noise(monkeypatch):
    noises = iter(ARRAYS["noise"])

    class Stored:
        def uniform(self, low, high, shape):
            assert (low, high, shape) == (-RADIUS, RADIUS, IMAGES.shape)
            return next(noises)

    monkeypatch.setattr(np.random, "default_rng", lambda seed: Stored())
    own = explain(IMAGES, ARRAYS)
    found = max_sensitivity(lambda films: explain(films, ARRAYS), IMAGES, own, RADIUS, len(ARRAYS["noise"]), seed=0)
    assert found.tolist() == near(QUANTUS["max_sensitivity"])
    assert next(noises, None) is None


def test_likeness_of_two_maps_is_that_of_quantus():
    pairs = [(one, one + other) for one, other in zip(SIGNED[::2], SIGNED[1::2], strict=True)]
    assert [rank_correlation(*pair) for pair in pairs] == near(QUANTUS["spearman"])
    firsts, seconds = (np.stack(maps) for maps in zip(*(scale(*pair) for pair in pairs), strict=True))
    assert structural_similarity(firsts, 7 * seconds).tolist() == near(QUANTUS["ssim"])
