import dataclasses
import hashlib

import numpy as np
import pytest
from two_squares import AGAINST, FOR, SETTINGS, draw_films, explained_of

from hilum.explain.methods import shap_gradients

FILMS = draw_films(2, seed=8)
TARGETS = np.array([1, 0])


def explain(explained, images=FILMS, targets=TARGETS, seed=5):
    return shap_gradients.explain(explained, images, targets, SETTINGS["shap"], seed, lambda i, n: None)


def test_a_linear_model_with_one_background_film_is_explained_exactly():
    explained = dataclasses.replace(explained_of(1.0), background=explained_of(1.0).background[:1])
    got = explain(explained)
    weight = (FOR.astype(float) - AGAINST.astype(float)) / FOR.sum() / 255
    difference = FILMS[..., 0].astype(float) - explained.background[0, ..., 0]
    expected = difference * weight * np.array([1, -1])[:, np.newaxis, np.newaxis]  # class 0 is the negative of class 1
    np.testing.assert_allclose(got.values, expected, atol=1e-6)
    np.testing.assert_allclose(got.numbers["difference"], expected.sum(axis=(1, 2)), atol=1e-4)
    np.testing.assert_allclose(got.numbers["additivity_error"], 0, atol=1e-4)


def test_the_additivity_error_is_the_sum_less_the_difference_of_logits():
    got = explain(explained_of(1.0))
    total = got.values.sum(axis=(1, 2), dtype=np.float64)
    np.testing.assert_allclose(got.numbers["additivity_error"], total - got.numbers["difference"], atol=1e-5)
    assert (np.abs(got.numbers["additivity_error"]) < 0.1).all()


def test_another_seed_draws_other_samples():
    assert explain(explained_of(1.0), seed=5).values.tobytes() != explain(explained_of(1.0), seed=6).values.tobytes()


def test_an_explained_film_in_the_background_is_refused():
    explained = dataclasses.replace(explained_of(1.0), background=np.concatenate([explained_of(1.0).background, FILMS[1:]]))
    with pytest.raises(ValueError, match=r"must not hold an explained film, got films \[1\]"):
        explain(explained)


@pytest.mark.parametrize("background", [None, FILMS[:0]])
def test_no_background_is_refused(background):
    with pytest.raises(ValueError, match="must have background films"):
        explain(dataclasses.replace(explained_of(1.0), background=background))


def test_a_background_of_another_size_is_refused():
    with pytest.raises(ValueError, match="background must be"):
        explain(dataclasses.replace(explained_of(1.0), background=np.zeros((2, 8, 8, 1), np.float32)))


def test_the_background_is_named_by_its_hash():
    explained = explained_of(1.0)
    assert explain(explained).parameters["background_sha256"] == hashlib.sha256(explained.background.tobytes()).hexdigest()


def test_the_process_is_left_as_it_was():
    from tensorflow.python.framework import ops

    explain(explained_of(1.0))
    registry = {name: entry["type"] for name, entry in ops.gradient_registry._registry.items()}
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    explain(explained_of(1.0), seed=77)
    assert {name: entry["type"] for name, entry in ops.gradient_registry._registry.items()} == registry
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002
