import keras
import numpy as np
import pytest
import shap
from two_squares import AGAINST, FOR, SETTINGS, draw_films, explained_of

from hilum.explain.sheets.ranked_classes import maps_of_ranked_classes, rank_classes

FILMS = draw_films(2, seed=2)


def ranked(explained, count=2, method="shap"):
    probabilities = explained.predict(FILMS)
    return maps_of_ranked_classes(method, explained, FILMS, probabilities, count, SETTINGS[method], 7, lambda i, n: None)


def test_they_are_shap_s_own_ranked_outputs():
    explained = explained_of(1.0)
    listed = keras.Model([explained.model.input], explained.model.get_layer("logits").output)
    explainer = shap.GradientExplainer(listed, explained.background, batch_size=50)
    got = ranked(explained)
    for i in range(2):
        usual, indexes = explainer.shap_values(FILMS[i : i + 1], nsamples=SETTINGS["shap"]["samples"], ranked_outputs=2, rseed=7)
        for rank in range(2):
            assert got[rank].targets[i] == indexes[0, rank]
            expected = usual[0, ..., 0, rank]
            np.testing.assert_allclose(got[rank].values[i], expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_what_argues_for_the_first_class_argues_against_its_opposite():
    first, _, last = ranked(explained_of(1.0), 3)
    assert first.targets.tolist() == [1, 1]
    assert last.targets.tolist() == [0, 0]
    assert first.values[0][FOR].sum() > 0 > first.values[0][AGAINST].sum()
    np.testing.assert_allclose(last.values, -first.values, rtol=1e-4, atol=1e-7)


def test_no_more_ranks_than_classes_and_any_method():
    assert len(ranked(explained_of(1.0), 9, "gradcam")) == 3


def test_equal_probabilities_stand_in_class_order():
    assert rank_classes(np.array([[0.3, 0.4, 0.3], [0.5, 0.0, 0.5]])).tolist() == [[1, 0, 2], [0, 2, 1]]


@pytest.mark.parametrize(("method", "count", "told"), [("sharp", 2, "must be one of gradcam"), ("shap", 0, "at least 1, got 0")])
def test_wrong_settings_are_refused(method, count, told):
    explained = explained_of(1.0)
    with pytest.raises(ValueError, match=told):
        maps_of_ranked_classes(method, explained, FILMS, explained.predict(FILMS), count, {}, 7, lambda i, n: None)
