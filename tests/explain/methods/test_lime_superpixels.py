import numpy as np
import pytest
from two_squares import AGAINST, FOR, SETTINGS, SIZE, draw_films

from hilum.explain.explained_model import ExplainedModel
from hilum.explain.methods import lime_superpixels

FILM = draw_films(1, seed=6)
LIME = SETTINGS["lime"]


def predict(images):
    """Class 1 rises with the square FOR and falls with the square AGAINST, without a network."""
    assert images.max() > 1  # grey levels 0-255, never standardised
    lift = (images[:, FOR, 0].mean(axis=1) - images[:, AGAINST, 0].mean(axis=1)).astype(np.float64) / 100
    one = 1 / (1 + np.exp(-lift))
    return np.stack([1 - one, one], axis=1)


def explain(settings=LIME, seed=5, answer=predict):
    return lime_superpixels.explain(ExplainedModel(answer), FILM, np.array([1]), settings, seed, lambda i, n: None)


@pytest.mark.parametrize("hide", ["mean", "film", 0, 127.0])
def test_the_fast_loop_gives_what_lime_itself_gives(hide):
    from lime.lime_image import LimeImageExplainer

    got = explain(LIME | {"hide": hide})
    usual = LimeImageExplainer(kernel_width=LIME["kernel_width"], random_state=5).explain_instance(
        np.repeat(FILM[0], 3, axis=-1),
        lambda films: predict(films[..., :1]),
        labels=(1,),
        top_labels=None,
        hide_color={"mean": None, "film": FILM.mean()}.get(hide, hide),
        num_features=LIME["features"],
        num_samples=LIME["samples"],
        segmentation_fn=lambda _: got.regions[0],
        random_seed=5,
    )
    expected = np.zeros(got.regions.max() + 1)
    for region, weight in usual.local_exp[1]:
        expected[region] = weight
    np.testing.assert_allclose(got.values[0], expected[got.regions[0]], atol=1e-6)
    assert got.numbers["local_fit"][0] == pytest.approx(usual.score, abs=1e-6)
    assert got.numbers["intercept"][0] == pytest.approx(usual.intercept[1], abs=1e-6)


def test_another_seed_draws_other_perturbations_and_the_same_superpixels():
    one, other = explain(seed=5), explain(seed=6)
    assert one.values.tobytes() != other.values.tobytes()
    assert np.array_equal(one.regions, other.regions)


def test_a_map_is_one_weight_per_superpixel_on_as_many_as_asked():
    got = explain()
    weights = [np.unique(got.values[0][got.regions[0] == region]) for region in range(got.regions.max() + 1)]
    assert all(len(weight) == 1 for weight in weights)
    assert sum(weight[0] != 0 for weight in weights) == LIME["features"]
    assert got.numbers["superpixels"][0] == len(weights)


def test_both_squares_stand_in_the_linear_model():
    got = explain()
    assert got.values[0][FOR].mean() > 0.1
    assert got.values[0][AGAINST].mean() < -0.1
    assert got.numbers["local_fit"][0] > 0.8


def test_an_even_square_hidden_by_its_own_mean_is_not_hidden():
    """Why `hide: film` is there: its own mean leaves a flat opacity as it was."""
    film = FILM.copy()
    film[0, FOR] = 220

    def inside(images):
        one = images[:, FOR, 0].mean(axis=1) / 255
        return np.stack([1 - one, one], axis=1)

    def weight(hide):
        settings = LIME | {"hide": hide}
        got = lime_superpixels.explain(ExplainedModel(inside), film, np.array([1]), settings, 5, lambda i, n: None)
        return got.values[0][FOR].mean()

    assert abs(weight("mean")) < 0.1 * weight("film")


def test_superpixels_do_not_depend_on_the_grey_scale():
    film = FILM[0, ..., 0]
    found = lime_superpixels.segment(film, 40, 0.2, 1.0)
    assert np.array_equal(found, lime_superpixels.segment(film / 255, 40, 0.2, 1.0))
    assert np.array_equal(found, lime_superpixels.segment(film / 127.5 - 1, 40, 0.2, 1.0))


@pytest.mark.parametrize("asked", [16, 60])
def test_about_as_many_superpixels_as_asked_numbered_without_gaps(asked):
    found = lime_superpixels.segment(np.random.default_rng(0).uniform(0, 255, (96, 96)).astype(np.float32), asked, 0.2, 1.0)
    assert found.dtype == np.int32
    assert np.array_equal(np.unique(found), np.arange(found.max() + 1))
    assert 0.6 * asked <= found.max() + 1 <= 1.3 * asked


def test_a_flat_film_has_superpixels_too():
    assert lime_superpixels.segment(np.full((SIZE, SIZE), 90, np.float32), 16, 0.2, 1.0).max() > 4


def test_a_probability_that_never_moves_has_no_local_fit():
    got = explain(answer=lambda images: np.tile([0.0, 1.0], (len(images), 1)))
    assert np.isnan(got.numbers["local_fit"][0])
    assert got.numbers["spread"][0] == 0
    assert not got.values.any()


@pytest.mark.parametrize("hide", ["black", 300, True, None])
def test_a_wrong_grey_of_hidden_superpixels_is_refused(hide):
    with pytest.raises(ValueError, match="hide must be mean, film or a grey level"):
        explain(LIME | {"hide": hide})
