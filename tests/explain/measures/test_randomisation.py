import keras
import numpy as np
import pytest
from two_squares import SETTINGS, build_reader, draw_films, explained_of

from hilum.explain.explained_model import ExplainedModel
from hilum.explain.measures.randomisation import leaves, randomise_cascade
from hilum.explain.measures.similarity import rank_correlation
from hilum.explain.methods.registry import METHODS
from hilum.models.forward import predictor


def nested():
    """A model inside a model, four tensors that can be told apart."""
    inner = keras.Sequential([keras.layers.Dense(5, name="one"), keras.layers.Dense(4, name="two")], name="inner")
    outer = keras.Sequential([keras.Input((3,)), inner, keras.layers.Dense(2, name="logits")])
    rng = np.random.default_rng(0)
    outer.set_weights([rng.normal(size=tensor.shape).astype(np.float32) for tensor in outer.get_weights()])
    return outer


def changed(model, copy):
    return [not np.array_equal(one, other) for one, other in zip(model.get_weights(), copy.get_weights(), strict=True)]


def test_layers_are_permuted_from_the_top_down_and_keep_their_values():
    model = nested()
    before = model.get_weights()
    stops = []
    for layer, copy in randomise_cascade(model, 3, seed=1):
        stops.append((layer, changed(model, copy)))
        for one, other in zip(before, copy.get_weights(), strict=True):
            np.testing.assert_array_equal(np.sort(one.ravel()), np.sort(other.ravel()))
    assert [layer for layer, _ in stops] == ["logits", "two", "one"]
    assert [sum(found) for _, found in stops] == sorted(sum(found) for _, found in stops)
    assert stops[0][1][:4] == [False] * 4 and stops[0][1][4]
    assert stops[2][1][0] and stops[2][1][2]
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)  # the model itself stays as it is


def test_layers_inside_a_model_are_counted():
    assert [layer.name for layer in leaves(nested())] == ["one", "two", "logits"]


def test_the_last_stop_permutes_everything_and_the_seed_decides():
    model = nested()
    (layer, once), (_, again), (_, other) = (next(randomise_cascade(model, 1, seed=seed)) for seed in (4, 4, 5))
    assert layer == "one"
    assert not any(changed(once, again)) and any(changed(once, other))
    with pytest.raises(ValueError, match="stops must be"):
        next(randomise_cascade(model, 0, seed=1))


def test_a_map_of_the_weights_changes_with_them():
    """The reader's logits swap or keep their weights: Grad-CAM and SHAP follow, a map of the film alone would not."""
    explained = explained_of(1.0)
    films, targets = draw_films(1, seed=2), np.array([1])
    swapped = build_reader(-1.0)
    for name in ("gradcam", "shap"):
        first = METHODS[name].explain(explained, films, targets, SETTINGS[name], 0, lambda i, n: None).values
        other = ExplainedModel(predictor(swapped), swapped, explained.background)
        second = METHODS[name].explain(other, films, targets, SETTINGS[name], 0, lambda i, n: None).values
        correlation = rank_correlation(first, second)
        assert np.isnan(correlation) or correlation < 0.2
