"""Every method of the registry keeps the same contract."""

import ast
import json

import numpy as np
import pytest
from architecture import PACKAGE
from PIL import Image
from two_squares import AGAINST, COARSE, DECOY, FOR, SETTINGS, SIZE, draw_films, explained_of

from hilum.explain.explained_model import ExplainedModel, check_films
from hilum.explain.measures.similarity import own_values
from hilum.explain.methods.registry import METHODS, caption
from hilum.explain.saved_maps import load_map, save_arrays
from hilum.models.classifier import build_classifier
from hilum.models.forward import predictor
from hilum.settings.explain import Explain, MethodSettings

FILMS = draw_films(2, seed=1)
TARGETS = np.array([1, 1])


def run(name, explained, images=FILMS, targets=TARGETS, seed=3, settings=None):
    done = []
    attribution = METHODS[name].explain(
        explained, images, targets, SETTINGS[name] if settings is None else settings, seed, lambda i, n: done.append((i, n))
    )
    assert done[-1] == (len(images), len(images))
    return attribution


@pytest.fixture(scope="module")
def maps():
    return {name: run(name, explained_of(1.0)) for name in METHODS}


@pytest.mark.parametrize("name", METHODS)
def test_one_finite_map_per_film_at_the_size_of_the_film(name, maps):
    got = maps[name]
    assert got.values.shape == (2, SIZE, SIZE)
    assert got.values.dtype == np.float32
    assert np.isfinite(got.values).all()
    assert got.method == name
    assert got.targets.dtype == np.int64
    assert got.targets.tolist() == [1, 1]


@pytest.mark.parametrize("name", METHODS)
def test_parameters_are_json_and_numbers_are_one_per_film(name, maps):
    assert json.loads(json.dumps(dict(maps[name].parameters))) == dict(maps[name].parameters)
    for number in maps[name].numbers.values():
        assert number.shape == (2,)
        assert number.dtype == np.float64
    assert maps[name].numbers["zero"].tolist() == [0, 0]


@pytest.mark.parametrize("name", METHODS)
def test_the_square_that_the_model_reads_is_found(name, maps):
    read = FOR if METHODS[name].directed else FOR | AGAINST
    for values in maps[name].values:
        positive = np.maximum(values, 0)
        assert read[np.unravel_index(values.argmax(), values.shape)]
        assert positive[read].sum() > COARSE.get(name, 0.8) * positive.sum()
        assert positive[DECOY].sum() < 0.1 * positive.sum()


@pytest.mark.parametrize("name", METHODS)
def test_the_sign_is_as_the_registry_says(name, maps):
    assert maps[name].signed == METHODS[name].signed
    if METHODS[name].signed:
        for values in maps[name].values:
            assert AGAINST[np.unravel_index(values.argmin(), values.shape)]
            assert values.min() < 0 < values.max()
    else:
        assert maps[name].values.min() >= 0


@pytest.mark.parametrize("name", METHODS)
def test_maps_are_of_the_resolution_that_the_registry_says(name, maps):
    got = maps[name]
    assert (got.regions is not None) == (METHODS[name].resolution == "regions")
    assert (got.cells is not None) == (METHODS[name].resolution == "cells")
    found = own_values(got, got.values, 0)
    assert (found.size == SIZE * SIZE) == (METHODS[name].resolution == "pixels")


@pytest.mark.parametrize("name", METHODS)
def test_values_are_made_of_the_output_that_the_registry_says(name, maps):
    """Logits grow with the model's gain; a probability ends at 1."""
    growth = np.abs(run(name, explained_of(1e4)).values).max() / np.abs(maps[name].values).max()
    if METHODS[name].output == "logits":
        assert growth == pytest.approx(1e4, rel=1e-3)
    else:
        assert growth < 100


@pytest.mark.parametrize("name", METHODS)
def test_a_caption_is_made_of_the_maps_own_numbers_and_outlives_saving(name, maps, tmp_path):
    said = [caption(maps[name], i) for i in range(2)]
    for lines in (one.split("\n") for one in said):
        assert 1 <= len(lines) <= 3 and all(line.strip() for line in lines)
    save_arrays(tmp_path, {name: maps[name]}, ["a", "b"])
    back, films = load_map(tmp_path / f"{name}.npz")
    assert films == ["a", "b"]
    assert [caption(back, i) for i in range(2)] == said
    assert own_values(back, back.values, 1).tobytes() == own_values(maps[name], maps[name].values, 1).tobytes()


@pytest.mark.parametrize("name", METHODS)
def test_a_method_reads_background_films_if_the_registry_says_so(name, maps):
    explained = explained_of(1.0)
    without = ExplainedModel(explained.predict, explained.model)
    if METHODS[name].background:
        assert "background" in METHODS[name].settings.model_fields
        with pytest.raises(ValueError, match="must have background films"):
            run(name, without)
    else:
        assert run(name, without).values.tobytes() == maps[name].values.tobytes()


def test_nothing_but_captions_and_files_is_steered_by_what_the_parameters_of_maps_say():
    """What a program must know of a method stands in its row, of a map in a field of the Attribution."""
    allowed = {"explain/methods/captions.py", "explain/saved_maps.py", "models/backbones.py"}  # the last: of builders
    allowed |= {"explain/methods/registry.py", "explain/methods/members.py", "explain/sanity/gate.py"}  # of an ensemble
    readers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(isinstance(node, ast.Attribute) and node.attr == "parameters" for node in ast.walk(ast.parse(path.read_text())))
    }
    assert readers == allowed


def test_every_method_has_its_settings_in_params_yaml():
    assert {name: Explain.model_fields[name].annotation for name in Explain.named(MethodSettings)} == {
        name: method.settings for name, method in METHODS.items()
    }


@pytest.mark.parametrize("name", METHODS)
def test_the_same_seed_gives_the_same_bytes(name, maps):
    assert run(name, explained_of(1.0)).values.tobytes() == maps[name].values.tobytes()


@pytest.mark.parametrize("name", METHODS)
def test_a_batch_gives_what_single_films_give(name, maps):
    for i in range(2):
        alone = run(name, explained_of(1.0), FILMS[i : i + 1], TARGETS[i : i + 1])
        np.testing.assert_allclose(alone.values[0], maps[name].values[i], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_a_certain_prediction_has_a_finite_map(name):
    explained = explained_of(1e4)
    assert explained.predict(FILMS)[0, 1] == 1.0
    got = run(name, explained)
    assert np.isfinite(got.values).all()
    if METHODS[name].kind == "white_box":  # on the logits, so certainty does not silence them
        read = FOR if METHODS[name].directed else FOR | AGAINST
        assert read[np.unravel_index(got.values[0].argmax(), (SIZE, SIZE))]


@pytest.mark.parametrize("name", METHODS)
def test_a_class_that_nothing_argues_for_has_a_zero_map_and_a_flag(name):
    got = run(name, explained_of(0.0), targets=np.array([2, 2]))
    assert not got.values.any()
    assert got.numbers["zero"].tolist() == [1, 1]


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.kind == "black_box"])
def test_black_box_methods_read_only_predictions_of_films_as_they_are(name, maps):
    explained, seen = explained_of(1.0), []

    def predict(images):
        seen.append(images.copy())  # the next copies of a film are written into the same memory
        return explained.predict(images)

    got = run(name, ExplainedModel(predict))
    assert got.values.tobytes() == maps[name].values.tobytes()
    assert all(images.dtype == np.float32 and images.shape[1:] == (SIZE, SIZE, 1) for images in seen)
    assert any(np.array_equal(images[0], FILMS[0]) for images in seen)


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.kind == "white_box"])
def test_white_box_methods_say_that_they_need_the_model(name):
    with pytest.raises(ValueError, match="must have the model"):
        run(name, ExplainedModel(explained_of(1.0).predict))


@pytest.mark.parametrize("name", METHODS)
def test_a_target_beyond_the_classes_is_refused(name):
    with pytest.raises(ValueError, match="below 3, got 3"):
        run(name, explained_of(1.0), targets=np.array([1, 3]))


@pytest.mark.parametrize("name", METHODS)
def test_an_unknown_or_missing_setting_is_refused(name):
    fields = METHODS[name].settings.model_fields
    with pytest.raises(ValueError, match=rf"explain\.{name} must hold {', '.join(sorted(fields))}, got"):
        run(name, explained_of(1.0), settings={**SETTINGS[name], "extra": 1})
    assert set(SETTINGS[name]) == set(fields)


@pytest.mark.parametrize(
    ("images", "targets", "message"),
    [
        (FILMS[..., 0], TARGETS, r"\(N, H, W, 1\) float32"),
        (FILMS.astype(np.float64), TARGETS, "float64"),
        (FILMS, np.array([1]), r"\(2,\) class indices, got \(1,\)"),
        (FILMS, np.array([1.0, 1.0]), "float64"),
        (FILMS * 2, TARGETS, "grey levels 0-255"),
        (FILMS - 100, TARGETS, "do not scale"),
        (FILMS * np.float32(np.nan), TARGETS, "grey levels 0-255"),
        (FILMS, np.array([-1, 0]), "from 0"),
        (FILMS[:0], TARGETS[:0], "at least one film"),
    ],
)
def test_wrong_films_are_refused_at_the_border(images, targets, message):
    with pytest.raises(ValueError, match=message):
        check_films(images, targets)


@pytest.mark.parametrize("name", METHODS)
def test_real_films_under_a_real_backbone(name, shared):
    files = sorted((shared / "data/pediatric-pneumonia").rglob("*.jpeg"))[:5]
    films = np.stack([np.asarray(Image.open(file).convert("L").resize((96, 96)), np.float32) for file in files])[..., np.newaxis]
    weights = shared / "weights/mobilenet_2_5_224_tf_no_top.h5"
    model = build_classifier("mobilenet_025", 96, 3, weights, 0.2, 0.0, np.log(np.full(3, 1 / 3)), seed=4)
    logits = model.get_layer("logits")
    logits.set_weights([np.random.default_rng(0).normal(0, 0.1, logits.kernel.shape), np.zeros(3)])
    got = run(name, ExplainedModel(predictor(model), model, films[2:]), films[:2], np.array([0, 2]))
    assert np.isfinite(got.values).all()
    assert got.values.any()
    assert np.array_equal(got.numbers["zero"] == 1, ~got.values.any(axis=(1, 2)))
