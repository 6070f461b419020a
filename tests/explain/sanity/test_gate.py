"""The gate lets through what depends on the model, stamps what does not, and takes an empty map for neither."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import sobel
from two_squares import SETTINGS, SIZE, build_reader, draw_films, explained_of

from hilum.explain.drawing.panels import FilmPrediction, draw_panel
from hilum.explain.drawing.stamp import STAMPS
from hilum.explain.explained_model import ExplainedModel, OnFilm, check_films
from hilum.explain.measures.evaluation_case import EvaluationCase
from hilum.explain.methods.registry import METHODS
from hilum.explain.sanity.gate import choose_gate_films, correlate, correlate_permuted, flat_sanity, judge, verdict_of
from hilum.explain.sanity.verdicts import FAILS, NO_EVIDENCE, PASSES, stamp_sanity, verdicts_of
from hilum.models.forward import predictor
from hilum.records import Attribution, Images, Labels
from hilum.settings.explain import Explain, Sanity

GATE = Sanity(films=6, costly_films=3, seeds=5, limit=0.4, evidence=0.5)
RULES = {**SETTINGS, "edges": {}, "blank": {}}
PREDICTION = FilmPrediction("p1", "b", 0.9, "b", 0.9, "the most probable class decides", "b")


def explain_edges(
    explained: ExplainedModel, images: Images, targets: Labels, settings: Mapping[str, Any], seed: int, on_film: OnFilm
) -> Attribution:
    """A method that looks at the film alone."""
    check_films(images, targets)
    edges = np.hypot(sobel(images[..., 0], 1), sobel(images[..., 0], 2)).astype(np.float32)
    return Attribution(edges, "edges", targets, False, {})


def explain_nothing(
    explained: ExplainedModel, images: Images, targets: Labels, settings: Mapping[str, Any], seed: int, on_film: OnFilm
) -> Attribution:
    return Attribution(np.zeros(images.shape[:3], np.float32), "blank", targets, False, {})


@pytest.fixture(autouse=True)
def _two_bad_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = replace(METHODS["saliency"], blocks=None, caption=lambda maps, numbers: [])
    monkeypatch.setitem(METHODS, "edges", replace(pixels, explain=explain_edges, title="Edges", unit="grey levels"))
    monkeypatch.setitem(METHODS, "blank", replace(pixels, explain=explain_nothing, title="Blank", unit="nothing"))


def explain(name: str, explained: ExplainedModel, images: Images, targets: Labels, seed: int) -> Attribution:
    return METHODS[name].explain(explained, images, targets, RULES[name], seed, lambda done, total: None)


def remake_of(name: str, targets: Labels) -> Callable[[ExplainedModel, Images, int], Any]:
    return lambda explained, images, seed: explain(name, explained, images, targets, seed).values


def gate(
    names: list[str], explained: ExplainedModel, films: Images, targets: Labels, seed: int = 3, settings: Sanity = GATE
) -> Any:
    found = {name: explain(name, explained, films, targets, seed) for name in names}
    patients = [f"p{i}" for i in range(len(films))]
    return found, correlate_permuted(explained, films, found, remake_of, patients, settings, seed, lambda done, total: None)


@pytest.fixture(scope="module")
def trained() -> tuple[ExplainedModel, Images, Labels]:
    """A small network that learned on which of four sides of a noisy film the bright patch is, and six films it is right on."""
    keras.utils.set_random_seed(5)
    rng = np.random.default_rng(5)
    targets = np.arange(400) % 4
    films = rng.uniform(0, 90, (400, 32, 32, 1)).astype(np.float32)
    for film, target in zip(films, targets, strict=True):
        y, x = [(2, 12), (22, 12), (12, 2), (12, 22)][target] + rng.integers(-2, 3, 2)
        film[y : y + 8, x : x + 8] += 120
    layers, grey = keras.layers, keras.Input((32, 32, 1), name="grey")
    tensor = layers.Rescaling(1 / 127.5, -1.0, name="scale")(grey)
    for i, filters in enumerate((8, 16)):
        tensor = layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu", name=f"conv{i}")(tensor)
    logits = layers.Dense(4, name="logits")(layers.Flatten(name="flat")(tensor))
    model = keras.Model(grey, layers.Activation("softmax", dtype="float32", name="probabilities")(logits), name="sides")
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    model.fit(films, targets, epochs=6, batch_size=32, verbose=0)
    predict = predictor(model)
    assert (predict(films).argmax(axis=1) == targets).mean() > 0.95
    return ExplainedModel(predict, model, films[-3:]), films[:6], targets[:6].astype(np.int64)


@pytest.mark.parametrize("name", ["saliency", "integrated_gradients", "occlusion"])
def test_a_method_that_reads_a_trained_network_passes(name: str, trained: tuple[ExplainedModel, Images, Labels]) -> None:
    _, pairs = gate([name], *trained)
    assert pairs["spearman"].notna().all()
    verdict = judge(pairs, GATE, 200, 0.95, 1).iloc[0]
    assert verdict["verdict"] == PASSES and verdict["high"] < 0.4
    assert verdict["films"] == (6 if METHODS[name].quick else 3) and verdict["pairs"] == 5 * verdict["films"]


def test_a_map_of_the_film_alone_fails_and_is_stamped_and_an_empty_one_is_no_evidence(
    trained: tuple[ExplainedModel, Images, Labels],
) -> None:
    found, pairs = gate(["edges", "blank", "saliency"], *trained)
    table = judge(pairs, GATE, 200, 0.95, 1)
    assert verdicts_of(table) == {"edges": FAILS, "blank": NO_EVIDENCE, "saliency": PASSES}
    edges, blank, _ = table.to_dict("records")
    assert (edges["spearman"], edges["low"], edges["high"], edges["empty"]) == pytest.approx((1, 1, 1, 0))
    assert np.isnan(blank["spearman"]) and blank["films"] == 0 and blank["empty"] == blank["pairs"] == 30
    annotated = stamp_sanity(found, verdicts_of(table))
    assert words(draw_panel(trained[1][0, ..., 0], list(annotated.values()), 0, PREDICTION)) == [
        "fails sanity",
        "sanity: no evidence",
    ]


def words(figure: Any) -> list[str]:
    """The stamps on a figure, in the order of its maps."""
    stamps = [told for told in STAMPS.values() if told]
    return [text.get_text() for axes in figure.axes for text in axes.texts if text.get_text() in stamps]


def test_a_model_with_constant_predictions_is_no_evidence() -> None:
    """Nothing moves LIME's probabilities, before or after: its maps are zero on both sides."""
    model = build_reader(0.0)
    films, targets = draw_films(3, seed=1), np.ones(3, np.int64)
    _, pairs = gate(["lime"], ExplainedModel(predictor(model), model), films, targets, settings=replace_seeds(2))
    assert pairs["spearman"].isna().all()
    assert judge(pairs, GATE, 50, 0.95, 1)["verdict"].tolist() == [NO_EVIDENCE]


def replace_seeds(seeds: int) -> Sanity:
    return GATE.model_copy(update={"seeds": seeds})


def test_the_model_stays_and_the_seed_decides(trained: tuple[ExplainedModel, Images, Labels]) -> None:
    explained, films, targets = trained
    before = [tensor.copy() for tensor in explained.model.get_weights()]
    answers = explained.predict(films)
    once, again, other = (gate(["saliency"], explained, films, targets, seed, replace_seeds(2))[1] for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(once, again)
    assert not np.array_equal(once["spearman"], other["spearman"])
    for one, after in zip(before, explained.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, after)
    np.testing.assert_array_equal(answers, explained.predict(films))


def test_the_gate_sees_what_the_cascade_sees_at_its_last_stop(root: Any, trained: tuple[ExplainedModel, Images, Labels]) -> None:
    import yaml

    values = yaml.safe_load((root / "params.yaml").read_text())["explain"]
    settings = Explain.model_validate({**values, "randomisation": {"stops": 2, "seeds": 2}})
    explained, films, targets = trained
    found, pairs = gate(["saliency"], explained, films, targets, 3, replace_seeds(2))
    case = EvaluationCase(explained, films, found["saliency"], remake_of("saliency", targets), settings, 3)
    last = case.randomisation.query("stop == 2")
    assert pairs.set_index(["film", "seed"])["spearman"].to_dict() == last.set_index(["film", "seed"])["spearman"].to_dict()


def test_without_a_model_there_is_nothing_to_permute() -> None:
    with pytest.raises(ValueError, match="must have its Keras model, whose weights are permuted"):
        gate(["edges"], replace(explained_of(1.0), model=None), draw_films(2, seed=1), np.ones(2, np.int64))


def test_the_arithmetic_by_hand() -> None:
    """Patient a: |0.1| and |-0.3| of one film, 0.8 of another, one empty pair; patient b: 0.2 twice."""
    rows = [
        ("m", 0, "a", 0, 0.1),
        ("m", 0, "a", 1, -0.3),
        ("m", 1, "a", 0, 0.8),
        ("m", 1, "a", 1, np.nan),
        ("m", 2, "b", 0, -0.2),
        ("m", 2, "b", 1, 0.2),
    ]
    pairs = pd.DataFrame(rows, columns=["method", "film", "patient_id", "seed", "spearman"])
    row = judge(pairs, GATE, 400, 0.95, 1).iloc[0]
    assert row["spearman"] == pytest.approx((0.4 + 0.2) / 2)  # 0.4 is (0.1 + 0.3 + 0.8) / 3
    assert (row["low"], row["high"]) == pytest.approx((0.2, 0.4))  # of two patients, one drawn twice
    assert row["verdict"] == FAILS, "the upper end reaches the limit"
    assert (row["films"], row["patients"], row["pairs"], row["empty"]) == (3, 2, 6, 1)
    assert judge(pairs, GATE.model_copy(update={"limit": 0.41}), 400, 0.95, 1)["verdict"].tolist() == [PASSES]
    told = flat_sanity(judge(pairs, GATE, 400, 0.95, 1))
    assert told["explain/sanity_spearman/m"] == row["spearman"] and told["explain/sanity_spearman/m.empty"] == 1 / 6
    assert {key.partition("/m")[2] for key in told} == {"", ".low", ".high", ".films", ".empty"}


@pytest.mark.parametrize(
    ("high", "patients", "share", "told"),
    [
        (0.399, 5, 1.0, PASSES),
        (0.4, 5, 1.0, FAILS),
        (0.399, 5, 0.49, NO_EVIDENCE),
        (0.399, 5, 0.5, PASSES),
        (0.9, 5, 0.2, FAILS),
        (float("nan"), 1, 1.0, NO_EVIDENCE),
        (float("nan"), 0, 0.0, NO_EVIDENCE),
    ],
)
def test_the_rule(high: float, patients: int, share: float, told: str) -> None:
    assert verdict_of(high, patients, share, GATE) == told


def test_films_are_the_first_of_each_patient() -> None:
    assert choose_gate_films(["z", "z", "a", "m", "a", "k"], 3).tolist() == [0, 2, 3]
    assert choose_gate_films(["z", "z"], 3).tolist() == [0]


def test_rounding_of_a_probability_is_no_map() -> None:
    rng = np.random.default_rng(0)
    maps, noise = rng.normal(size=(2, 1, SIZE, SIZE)).astype(np.float32)
    occlusion = Attribution(maps, "occlusion", np.array([1]), True, {})
    assert np.isfinite(correlate(occlusion, noise, 0))
    assert np.isnan(correlate(occlusion, 1e-8 * noise, 0))
    gradients = replace(occlusion, method="integrated_gradients")  # whose row says logits: a faint gradient is one
    assert correlate(gradients, 1e-8 * noise, 0) == pytest.approx(correlate(occlusion, noise, 0))


@pytest.mark.parametrize("told", STAMPS)
def test_a_panel_says_the_verdict_unless_it_is_a_pass(told: str) -> None:
    films, targets = draw_films(1, seed=1), np.array([1])
    annotated = stamp_sanity({"saliency": explain("saliency", explained_of(1.0), films, targets, 0)}, {"saliency": told})
    assert words(draw_panel(films[0, ..., 0], list(annotated.values()), 0, PREDICTION)) == (
        [] if told == PASSES else [STAMPS[told]]
    )
    assert stamp_sanity(annotated, {})["saliency"].sanity == "", "without a verdict it is not tested"


@pytest.mark.parametrize("fleeting", [False, True])
@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_what_a_method_compiled_once_serves_other_weights_as_if_compiled_again(name: str, fleeting: bool) -> None:
    images, targets = draw_films(2, seed=8), np.array([1, 0])
    model = build_reader(1.0)
    background = explained_of(1.0).background

    def maps(explained: ExplainedModel) -> np.ndarray:
        return METHODS[name].explain(explained, images, targets, SETTINGS[name], 5, lambda done, total: None).values

    explained = ExplainedModel(predictor(model), model, background, fleeting)
    before = maps(explained)
    model.set_weights([3 * weights[::-1] for weights in model.get_weights()])
    again = maps(explained.reweighted(predictor(model)))
    anew = maps(ExplainedModel(predictor(model), model, background))
    if fleeting:  # live weights are not folded into constants: equal to rounding
        np.testing.assert_allclose(again, anew, atol=1e-5 * np.abs(anew).max())
    else:
        np.testing.assert_array_equal(again, anew)
    assert not np.array_equal(again, before)
