import dataclasses

import numpy as np
import pytest
from lime.lime_image import LimeImageExplainer
from two_squares import AGAINST, FOR, SETTINGS, draw_films, explained_of

from hilum.explain.methods import gradcam, lime_superpixels
from hilum.explain.sheets.lime_views import view_superpixels

FILM, TARGET = draw_films(1, seed=6), np.array([1])
SHOWN = {"features": 3, "min_weight": 0.0}


@pytest.fixture(scope="module")
def attribution():
    return lime_superpixels.explain(explained_of(1.0), FILM, TARGET, SETTINGS["lime"], 5, lambda i, n: None)


@pytest.mark.parametrize("shown", [SHOWN, {"features": 1, "min_weight": 0.0}, {"features": 6, "min_weight": 0.05}])
def test_they_are_the_masks_of_lime_s_own_explanation(attribution, shown):
    film = FILM[0, ..., 0]
    explainer = LimeImageExplainer(kernel_width=SETTINGS["lime"]["kernel_width"], random_state=5)
    usual = explainer.explain_instance(
        np.repeat(film[..., np.newaxis], 3, axis=-1),
        lambda films: explained_of(1.0).predict(np.asarray(films[..., :1], np.float32)),
        labels=(1,),
        top_labels=None,
        hide_color=float(film.mean()),
        num_features=SETTINGS["lime"]["features"],
        num_samples=SETTINGS["lime"]["samples"],
        segmentation_fn=lambda _: attribution.regions[0],
        random_seed=5,
    )
    named = {"num_features": shown["features"], "min_weight": shown["min_weight"]}
    hidden, pros = usual.get_image_and_mask(1, positive_only=True, hide_rest=True, **named)
    _, signs = usual.get_image_and_mask(1, positive_only=False, hide_rest=False, **named)
    got = view_superpixels(film, attribution, 0, shown)
    assert np.array_equal(got.pros, pros == 1)
    assert np.array_equal(got.signs, signs)
    assert np.array_equal(np.where(got.pros, film, 0), hidden[..., 0])


def test_pros_lie_on_what_argues_for_the_class_and_cons_on_what_argues_against_it(attribution):
    got = view_superpixels(FILM[0, ..., 0], attribution, 0, SHOWN)
    assert got.pros[FOR].mean() > 0.9
    assert (got.signs[FOR] == 1).mean() > 0.9
    assert (got.signs[AGAINST] == -1).mean() > 0.9
    assert not got.pros[AGAINST].any()


def test_a_map_of_nothing_has_no_pros(attribution):
    nothing = dataclasses.replace(attribution, values=np.zeros_like(attribution.values))
    got = view_superpixels(FILM[0, ..., 0], nothing, 0, SHOWN)
    assert not got.pros.any()
    assert not got.signs.any()


def test_only_lime_s_map_has_views():
    heat = gradcam.explain(explained_of(1.0), FILM, TARGET, {"layer": "last"}, 0, lambda i, n: None)
    with pytest.raises(ValueError, match="must have LIME's map, got one of gradcam"):
        view_superpixels(FILM[0, ..., 0], heat, 0, SHOWN)


def test_settings_are_checked(attribution):
    with pytest.raises(ValueError, match=r"explain\.lime_views must hold features, min_weight"):
        view_superpixels(FILM[0, ..., 0], attribution, 0, {"features": 3})
