"""An ensemble's maps: the mean of its members' maps, each of unit mass, or one map of the whole graph; the gate and the audit."""

import functools
from pathlib import Path

import keras
import numpy as np
import pytest
from two_squares import FOR, SETTINGS, SIZE, build_reader, draw_films

from hilum.audit.auditee import audit_model
from hilum.data.annotations import no_annotations
from hilum.data.prepared.geometry import Geometry
from hilum.ensembles.graph import join_members
from hilum.explain.drawing.panels import describe_prediction, draw_panel
from hilum.explain.explained_model import ROUNDING, ExplainedModel
from hilum.explain.measures.randomisation import permuted_models
from hilum.explain.methods.members import UNIT, members_of, of_members, scale_to_mass
from hilum.explain.methods.registry import METHODS, caption, origin_of, unit_of
from hilum.explain.sheets.registry import SHEETS, SheetFilms
from hilum.models.forward import predictor
from hilum.records import Attribution
from hilum.settings.explain import Explain
from hilum.settings.params import read_params

L = keras.layers
FILMS = draw_films(2, 3)
TARGETS = np.array([1, 1])
OF_MEMBERS = ("gradcam", "gradcam_plus_plus", "layercam", "scorecam", "saliency", "smoothgrad", "shap_layer")
OF_THE_WHOLE = [name for name in METHODS if name not in OF_MEMBERS]


def build_looker() -> keras.Model:
    """Another network of random weights whose last convolution has other cells, and of steeper logits."""
    keras.utils.set_random_seed(4)
    grey = keras.Input((SIZE, SIZE, 1), name="grey")
    cells = L.Conv2D(6, 5, strides=2, activation="relu", name="means")(L.Rescaling(1 / 255, name="scale")(grey))
    cells = L.Conv2D(6, 3, strides=3, activation="relu", name="higher")(cells)
    logits = L.Dense(3, name="logits", kernel_initializer=keras.initializers.RandomNormal(0, 20, 1))(
        L.GlobalAveragePooling2D(name="pool")(cells)
    )
    return keras.Model(grey, L.Activation("softmax", dtype="float32", name="probabilities")(logits), name="looker")


@functools.cache
def explained_models() -> tuple[ExplainedModel, dict[str, ExplainedModel]]:
    """The ensemble, and its members as they were before they were joined."""
    background = np.random.default_rng(9).uniform(20, 40, (3, SIZE, SIZE, 1)).astype(np.float32)
    own = {"reader": build_reader(1.0), "looker": build_looker()}
    joined = join_members(own)
    return ExplainedModel(predictor(joined), joined, background), {
        name: ExplainedModel(predictor(model), model, background) for name, model in own.items()
    }


@functools.cache
def made(name: str, which: str = "") -> Attribution:
    """The maps of the ensemble, or of one of its members."""
    joined, members = explained_models()
    explained = members[which] if which else joined
    return METHODS[name].explain(explained, FILMS, TARGETS, SETTINGS[name], 5, lambda done, total: None)


def test_every_method_that_reads_predictions_or_adds_up_to_a_difference_explains_the_whole() -> None:
    black = {name for name, method in METHODS.items() if method.kind == "black_box"}
    assert set(OF_THE_WHOLE) == {*black, "integrated_gradients", "shap", "xrai"}


@pytest.mark.parametrize("name", OF_MEMBERS)
def test_its_map_is_the_mean_of_its_members_maps_each_of_unit_mass(name: str) -> None:
    parts = [made(name, which).values.astype(np.float64) for which in ("reader", "looker")]
    wanted = np.mean([part / np.abs(part).sum(axis=(1, 2), keepdims=True) for part in parts], axis=0)
    assert np.isfinite(wanted).all()
    found = made(name)
    np.testing.assert_allclose(found.values, wanted, atol=1e-6)
    assert np.abs(found.values[0]).max() > 1e-5
    assert found.parameters["members"] == ["reader", "looker"]
    if found.cells:
        grids = [made(name, which).cells for which in ("reader", "looker")]
        assert found.cells.down == max(one.down for one in grids if one)


@pytest.mark.parametrize("name", OF_MEMBERS)
def test_its_caption_and_unit_say_so(name: str) -> None:
    lines = caption(made(name), 0).splitlines()
    assert lines[0] == "mean of 2 members, each map of mass 1" and len(lines) <= 3
    assert unit_of(made(name)) == UNIT and origin_of(made(name)) == "mean of 2 members"
    assert "members" not in caption(made(name, "looker"), 0) and unit_of(made(name, "looker")) == METHODS[name].unit


@pytest.mark.parametrize("name", OF_THE_WHOLE)
def test_other_methods_explain_its_own_prediction(name: str) -> None:
    found = made(name)
    assert np.isfinite(found.values).all() and found.values.any() and "members" not in found.parameters
    if name == "shap":
        joined, _ = explained_models()
        logits = keras.Model(joined.model.input, joined.model.get_layer("logits").output)
        expected = np.asarray(logits(joined.background))[:, 1].mean()
        np.testing.assert_allclose(found.numbers["difference"], np.asarray(logits(FILMS))[:, 1] - expected, rtol=1e-3)


def test_a_map_of_zeros_stays_one_and_adds_nothing_to_the_mean() -> None:
    maps = np.zeros((2, 4, 4), np.float32)
    maps[0, 1, 1] = -3.0
    scaled = scale_to_mass(maps)
    assert scaled[0, 1, 1] == -1 and np.abs(scaled).sum() == 1


def test_the_gate_sees_the_permuted_weights_of_every_member_in_turn() -> None:
    joined, _ = explained_models()
    before, found = None, []
    for seed in (0, 1):
        ((_, before),) = permuted_models(joined, 1, seed, before)
        explain = METHODS["saliency"].explain
        maps = explain(before, FILMS, TARGETS, {}, 0, lambda done, total: None).values
        anew = ExplainedModel(predictor(before.model), before.model)
        np.testing.assert_allclose(maps, explain(anew, FILMS, TARGETS, {}, 0, lambda done, total: None).values, atol=1e-7)
        found.append(maps)
    assert not np.allclose(found[0], found[1]) and not np.allclose(found[0], made("saliency").values)
    np.testing.assert_allclose(made("saliency").values.sum(axis=(1, 2)), 1, atol=1e-5)


def test_the_audit_uses_its_grad_cam_and_the_odds_of_the_whole() -> None:
    joined, _ = explained_models()
    auditee = audit_model(joined, {"classes": ["a", "b", "c"], "threshold": None})
    np.testing.assert_allclose(auditee.heat(FILMS, TARGETS), made("gradcam").values, atol=1e-7)
    gradient = auditee.gradient(FILMS, 1)
    assert gradient.shape == FILMS.shape[:3] and np.abs(gradient[:, FOR]).sum() > 0


def test_sheets_show_the_layers_of_each_member_and_a_panel_its_caption() -> None:
    joined, members = explained_models()
    assert list(members_of(joined)) == list(members) and members_of(members["looker"]) == {}
    classes, probabilities = ["a", "b", "c"], joined.predict(FILMS)
    told = [describe_prediction(f"film {i}", classes, row, 1, 1, None) for i, row in enumerate(probabilities)]
    plain = [no_annotations(Geometry(SIZE, SIZE, SIZE, 1.0, 1.0, 0.0, 0.0))] * 2
    films = FILMS[..., 0].astype(np.uint8)
    shown = SheetFilms(joined, films, FILMS, TARGETS, probabilities, classes, told, plain, {})
    settings: Explain = read_params(Path(__file__).parents[3] / "params.yaml").explain
    texts = {}
    for name in ("gradcam_layers", "activations", "filters"):
        drawn = SHEETS[name].draw(shown, settings, 1, lambda done, total: None)
        texts[name] = " ".join(text.get_text() for text in drawn.pictures[0].findobj(lambda one: hasattr(one, "get_text")))
    assert "of reader" in texts["gradcam_layers"] and "of looker" in texts["gradcam_layers"]
    assert "means of reader" in texts["activations"] and "higher of looker" in texts["activations"]
    assert "means of reader" in texts["filters"] and "means of looker" in texts["filters"]
    panel = draw_panel(films[0], [made("gradcam")], 0, told[0], plain[0])
    assert "mean of 2 members" in " ".join(one.get_text() for one in panel.findobj(lambda one: hasattr(one, "get_text")))


def test_what_is_rounding_of_a_probability_is_not_scaled_up_to_a_map() -> None:
    faint = Attribution(np.full((1, 4, 4), 1e-8, np.float32), "scorecam", np.array([1]), False, {"layer": "a"})
    faint.values[0, 0, 0] = 2e-7
    joined = ExplainedModel(lambda images: images[:, 0, 0], explained_models()[0].model)
    found = of_members(lambda *given: faint, ROUNDING)(joined, FILMS, TARGETS, {}, 0, lambda done, total: None)
    assert not found.values.any()
    assert of_members(lambda *given: faint)(joined, FILMS, TARGETS, {}, 0, lambda done, total: None).values.any()
