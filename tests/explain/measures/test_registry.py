"""Every measure of the registry keeps the same contract, on a model that reads two squares."""

import dataclasses
import tracemalloc

import numpy as np
import pytest
import yaml
from two_squares import FOR, SETTINGS, SIZE, draw_films, explained_of

from hilum.data.annotations import KINDS, FilmAnnotations
from hilum.data.prepared.geometry import fit_square
from hilum.data.prepared.whole_masks import encode_mask
from hilum.explain.measures.reference_maps import REFERENCES
from hilum.explain.measures.registry import MEASURES, QUESTIONS, column
from hilum.explain.measures.tables import add_references, measure_maps, tune_levels
from hilum.explain.methods.registry import METHODS
from hilum.records import Attribution, Predictions
from hilum.settings.explain import Explain

COUNT, COSTLY = 4, 2
FILMS = draw_films(COUNT, seed=1)
CLASSES = ("a", "b", "c")
TARGETS = np.array([1, 1, 1, 1])
TRUE = np.array([1, 1, 1, 0])  # the last film is explained for another class than its own
USED = ("gradcam", "shap")


@pytest.fixture(scope="module")
def settings(root):
    values = yaml.safe_load((root / "params.yaml").read_text())["explain"]
    few = {"samples": 3, "radius": 2.0}
    cheap = {"costly_films": COSTLY, "steps": 8, "sensitivity": few, "repeats": 2, "randomisation": {"stops": 1, "seeds": 2}}
    return Explain.model_validate({**values, **cheap, "measures": list(MEASURES)})


def explain(name, explained, images, seed):
    return METHODS[name].explain(explained, images, TARGETS[: len(images)], SETTINGS[name], seed, lambda i, n: None)


def annotations():
    """Lesion and box are the square that the model reads, the lungs the whole film; the second film has none of them."""
    geometry = fit_square(2 * SIZE, 2 * SIZE, SIZE, "pad")
    square = np.argwhere(FOR)
    (top, left), (bottom, right) = square.min(axis=0), square.max(axis=0) + 1
    box = 2 * np.array([[left, top, right - left, bottom - top]], float)
    lungs = np.ones((SIZE, SIZE), bool)
    masks = {"lesion": FOR, "lungs": lungs}
    full = FilmAnnotations(geometry, masks, {kind: encode_mask(mask) for kind, mask in masks.items()}, box, ("",))
    none = FilmAnnotations(geometry, {}, {}, box[:0], ())
    return [full, none, full, full]


@pytest.fixture(scope="module")
def measured(settings):
    explained = explained_of(1.0)
    found = add_references({name: explain(name, explained, FILMS, 3) for name in USED}, TARGETS, seed=3)
    known = np.array([f"film/{i}" for i in range(COUNT)])
    probabilities = np.eye(3)[TARGETS]
    chosen = Predictions(known, np.array([f"p{i}" for i in range(COUNT)]), TRUE, probabilities, TARGETS, CLASSES)
    remakes = {name: lambda s, images, seed, name=name: explain(name, s, images, seed).values for name in USED}
    levels = tune_levels(found, annotations())
    return measure_maps(explained, FILMS, found, remakes, chosen, annotations(), levels, settings, 3, lambda i, n: None)


def columns_of(name):
    return [name] if MEASURES[name].annotation is None else [column(name, kind) for kind in KINDS]


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_says_what_it_is(name):
    measure = MEASURES[name]
    assert measure.question in QUESTIONS
    assert (measure.film is None) != (measure.annotation is None)
    assert measure.title and measure.reads and measure.chance and measure.says.endswith(".")


@pytest.mark.parametrize("name", MEASURES)
def test_values_are_one_per_film_within_the_range_also_for_maps_without_knowledge(name, measured):
    measure = MEASURES[name]
    for part in columns_of(name):
        for method in (*USED, *REFERENCES):
            values = measured.films.loc[measured.films["method"] == method, part].to_numpy()
            known = values[~np.isnan(values)]
            assert len(values) == COUNT and len(known), (part, method)
            assert known.min() >= measure.low - 1e-9
            assert measure.high is None or known.max() <= measure.high + 1e-9


@pytest.mark.parametrize("name", [name for name, measure in MEASURES.items() if measure.costly])
def test_costly_measures_take_the_first_films_only(name, measured):
    table = measured.films[measured.films["method"] == "gradcam"]
    assert np.flatnonzero(table[name].notna()).tolist() == list(range(COSTLY))


def test_marks_of_a_class_count_where_that_class_is_explained(measured):
    table = measured.films[measured.films["method"] == "shap"]
    assert table["hit_rate_lesion"].notna().tolist() == [True, False, True, False]
    assert table["hit_rate_box"].notna().tolist() == [True, False, True, False]
    assert table["hit_rate_lungs"].notna().tolist() == [True, False, True, True]


def test_a_map_of_what_the_model_reads_is_better_than_maps_without_knowledge(measured):
    """The model reads the square alone, so each judged measure must put SHAP first."""
    means = measured.films.drop(columns=["image_id", "patient_id", "target"]).groupby("method").mean()
    for name, measure in MEASURES.items():
        for part in (part for part in columns_of(name) if measure.judged and not part.endswith("lungs")):
            sign = 1 if measure.better == "higher" else -1
            found, chance = (sign * means.loc[list(names), part] for names in (USED, REFERENCES))
            assert found.max() > chance.max() or (name == "average_drop" and found.max() == chance.max() == 0), part


def test_what_a_map_without_knowledge_gets_is_as_said(measured):
    means = measured.films.drop(columns=["image_id", "patient_id", "target"]).groupby("method").mean()
    assert means.loc["centre", "randomised_spearman"] == pytest.approx(1)
    assert means.loc["centre", "randomised_ssim"] == pytest.approx(1)
    assert means.loc["centre", "max_sensitivity"] == 0
    assert means.loc["centre", "repeatability"] == pytest.approx(1)
    assert means.loc["random", "randomised_spearman"] < 0.5
    assert means.loc["random", "max_sensitivity"] > 0.3
    assert means.loc["gradcam", "repeatability"] == pytest.approx(1)  # nothing is random there
    assert means.loc["random", "relevance_mass_lungs"] == pytest.approx(1)


def test_the_cascade_is_listed_stop_by_stop(measured):
    table = measured.randomisation
    assert list(table.columns) == ["method", "image_id", "seed", "stop", "layer", "spearman", "ssim"]
    assert table.groupby("method").size().to_dict() == dict.fromkeys((*USED, *REFERENCES), COSTLY * 2)


def test_thresholds_are_found_for_each_method_and_mark(measured):
    assert set(zip(measured.levels["method"], measured.levels["annotation"], strict=True)) == {
        (method, annotation) for method in (*USED, *REFERENCES) for annotation in KINDS
    }
    assert (measured.levels["films"] == 3).all() and measured.levels["level"].between(0.05, 0.95).all()


def test_thresholds_of_large_films_are_found_one_film_at_a_time():
    """Memory does not grow with the number of films, each of which is 1,200 x 1,000 pixels."""
    geometry = fit_square(1200, 1000, SIZE, "pad")
    down, across = np.mgrid[:1000, :1200]
    one = FilmAnnotations(geometry, {"lesion": FOR}, {"lesion": encode_mask((down < 300) & (across < 400))}, np.zeros((0, 4)), ())

    def peak(count):
        maps = np.random.default_rng(0).random((count, SIZE, SIZE)).astype(np.float32)
        tracemalloc.start()
        levels = tune_levels({"gradcam": Attribution(maps, "gradcam", np.ones(count, int), False, {})}, [one] * count)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert levels.set_index("annotation")["films"].to_dict() == {"lesion": count, "box": 0, "lungs": 0}
        return most

    assert peak(8) < 1.2 * peak(2)


def test_without_validation_films_there_is_no_threshold_and_only_what_is_asked_is_measured(settings):
    explained = explained_of(1.0)
    found = add_references({"gradcam": explain("gradcam", explained, FILMS, 3)}, TARGETS, seed=3)
    ids = np.array(list("wxyz"))
    chosen = Predictions(ids, ids, TRUE, np.eye(3)[TARGETS], TARGETS, CLASSES)
    asked = settings.model_copy(update={"measures": ["gini", "iou_tuned"]})
    got = measure_maps(explained, FILMS, found, {}, chosen, annotations(), tune_levels({}, []), asked, 3, lambda i, n: None)
    assert list(got.films.columns) == ["image_id", "patient_id", "method", "target", "gini", *columns_of("iou_tuned")]
    assert got.films["iou_tuned_lesion"].isna().all() and got.randomisation.empty


def test_a_black_box_has_no_weights_to_permute(settings):
    explained = dataclasses.replace(explained_of(1.0), model=None)
    maps = Attribution(np.ones((1, SIZE, SIZE), np.float32), "lime", TARGETS[:1], True, {})
    chosen = Predictions(np.array(["w"]), np.array(["w"]), TRUE[:1], np.eye(3)[:1], TARGETS[:1], CLASSES)
    asked = settings.model_copy(update={"measures": ["randomised_spearman"]})
    with pytest.raises(ValueError, match="must have its Keras model, whose weights are permuted"):
        measure_maps(
            explained, FILMS[:1], {"lime": maps}, {}, chosen, annotations()[:1], tune_levels({}, []), asked, 3, lambda i, n: None
        )
