"""Every sheet of the registry keeps the same contract, under models of several kinds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from kinds import KINDS
from matplotlib.text import Text
from two_squares import FOR, SETTINGS, SIZE, draw_films

from hilum.data.annotations import FilmAnnotations, no_annotations
from hilum.data.prepared.geometry import fit_square
from hilum.data.prepared.whole_masks import encode_mask
from hilum.explain.drawing.heat import png_bytes
from hilum.explain.drawing.panels import describe_prediction
from hilum.explain.drawing.stamp import STAMPS
from hilum.explain.explained_model import ExplainedModel
from hilum.explain.methods import lime_superpixels
from hilum.explain.methods.registry import METHODS
from hilum.explain.sheets.registry import SHEETS, SheetFilms, first_films
from hilum.models.forward import predictor
from hilum.settings.explain import Explain, MethodSettings, SheetSettings
from hilum.settings.params import read_params

FILMS = draw_films(2, seed=1)
GEOMETRY = fit_square(SIZE, SIZE, SIZE, "pad")
SEVERAL = [
    "hilum's own",
    "nested, float16",
    "sequential, float16, one sigmoid",
    "sequential around a sequential, three channels, one sigmoid",
]
OF_MODEL = [name for name, sheet in SHEETS.items() if not sheet.per_film]


@pytest.fixture(scope="module")
def settings(root: Path) -> Explain:
    """Those of the repository, with less work for each method."""
    usual = read_params(root / "params.yaml").explain
    quick = {name: getattr(usual, name).model_copy(update=own) for name, own in SETTINGS.items()}
    return usual.model_copy(update=quick)


def show(kind: str) -> SheetFilms:
    model = KINDS[kind]()
    background = np.random.default_rng(9).uniform(20, 40, (3, SIZE, SIZE, 1)).astype(np.float32)
    explained = ExplainedModel(predictor(model), model, background)
    probabilities = explained.predict(FILMS)
    names = ["normal", "ill", "other"][: probabilities.shape[1]]
    said = probabilities.argmax(axis=1)
    answers = [describe_prediction(f"film-{i}", names, probabilities[i], int(k), int(k), None, "ill") for i, k in enumerate(said)]
    annotations = [
        FilmAnnotations(GEOMETRY, {"lesion": FOR}, {"lesion": encode_mask(FOR)}, np.zeros((0, 4)), ()),
        no_annotations(GEOMETRY),
    ]
    return SheetFilms(explained, FILMS[..., 0].astype(np.uint8), FILMS, said, probabilities, names, answers, annotations, {})


def draw(name: str, shown: SheetFilms, settings: Explain) -> tuple[list[bytes], str]:
    drawn = SHEETS[name].draw(shown, settings, 3, lambda done, total: None)
    said = [text.get_text() for figure in drawn.pictures for text in figure.findobj(Text)]
    for one in drawn.maps:
        assert one.values.shape == FILMS.shape[:3]
        assert np.isfinite(one.values).all()
    return [png_bytes(figure) for figure in drawn.pictures], "\n".join(said)


def test_every_sheet_has_its_settings_under_its_name() -> None:
    assert list(SHEETS) == Explain.named(SheetSettings)
    assert not set(SHEETS) & set(Explain.named(MethodSettings))


@pytest.mark.parametrize("kind", SEVERAL)
@pytest.mark.parametrize("name", SHEETS)
def test_a_picture_per_film_or_one_of_the_model_under_any_kind_of_model(name: str, kind: str, settings: Explain) -> None:
    pictures, said = draw(name, show(kind), settings)
    assert len(pictures) == (1 if name in OF_MODEL else 2)
    if name not in OF_MODEL:
        assert "film-0" in said
        assert "predicted ill" in said
        assert "true ill" in said
        assert "the most probable class decides" in said


@pytest.mark.parametrize("name", SHEETS)
def test_the_same_seed_gives_the_same_bytes(name: str, settings: Explain) -> None:
    assert draw(name, show("hilum's own"), settings) == draw(name, show("hilum's own"), settings)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gradcam_layers", ["Grad-CAM at 1 layers", "means, for ill", "12x12 cells"]),
        ("shap_layers", ["SHAP at 1 layers", "additivity error", "input of pool, 12x12 cells", "against 3 background films"]),
        (
            "ranked",
            ["SHAP of the 3 most probable classes", "SHAP, for ill", "SHAP, for other", "SHAP, for normal", "additivity error"],
        ),
        ("lime_views", ["local fit R²", "of 16 superpixels", "superpixels: 16", "pros only: ", "rest hidden", "for, "]),
        ("activations", ["means: 1 of 1 channels", "12x12, activation", "no 0"]),
        ("filters", ["means: 1 of 1 channels", "4x4, weight"]),
    ],
)
def test_a_sheet_says_what_a_reader_needs(name: str, words: list[str], settings: Explain) -> None:
    _, said = draw(name, show("hilum's own"), settings)
    for word in words:
        assert word in said


def test_lime_s_map_that_is_there_is_not_made_again(settings: Explain) -> None:
    shown = show("hilum's own")
    lime = lime_superpixels.explain(
        shown.explained, FILMS, shown.targets, settings.lime.model_dump(), 3, lambda done, total: None
    )
    having = SheetFilms(
        **{**vars(shown), "found": {"lime": lime}, "explained": ExplainedModel(lambda images: pytest.fail("asked again"))}
    )
    drawn = SHEETS["lime_views"].draw(having, settings, 3, lambda done, total: None)
    assert not drawn.maps
    assert [png_bytes(figure) for figure in drawn.pictures] == draw("lime_views", shown, settings)[0]


def test_a_map_without_pros_says_so(settings: Explain) -> None:
    shown = show("hilum's own")
    lime = lime_superpixels.explain(
        shown.explained, FILMS, shown.targets, settings.lime.model_dump(), 3, lambda done, total: None
    )
    lime.values[:] = -np.abs(lime.values)
    drawn = SHEETS["lime_views"].draw(
        SheetFilms(**{**vars(shown), "found": {"lime": lime}}), settings, 3, lambda done, total: None
    )
    said = [text.get_text() for text in drawn.pictures[0].findobj(Text)]
    assert "no superpixel\nargues for ill" in said
    assert "pros only: 0" in said


def test_the_first_films_are_a_show_of_their_own(settings: Explain) -> None:
    few = first_films(show("hilum's own"), 1)
    assert len(SHEETS["gradcam_layers"].draw(few, settings, 3, lambda done, total: None).pictures) == 1
    assert len(few.films) == len(few.predictions) == len(few.annotations) == 1


def test_only_sheets_that_read_a_background_say_so(settings: Explain) -> None:
    assert [name for name, sheet in SHEETS.items() if sheet.background(settings)] == ["shap_layers", "ranked"]
    of_gradcam = settings.model_copy(update={"ranked": settings.ranked.model_copy(update={"method": "gradcam"})})
    assert not SHEETS["ranked"].background(of_gradcam)


@pytest.mark.parametrize(("verdict", "said"), [("fails sanity", "fails sanity"), ("", "sanity not tested"), ("passes", "")])
@pytest.mark.parametrize("name", ["lime_views", "ranked"])
def test_a_sheet_says_what_the_gate_said_of_its_method(name: str, verdict: str, said: str, settings: Explain) -> None:
    shown = show("hilum's own")
    method = "lime" if name == "lime_views" else settings.ranked.method
    made = METHODS[method].explain(shown.explained, FILMS, shown.targets, SETTINGS[method], 3, lambda done, total: None)
    having = replace(shown, found={method: replace(made, sanity=verdict)})
    texts = draw(name, having, settings)[1]
    assert {stamp for stamp in STAMPS.values() if stamp and stamp in texts} == ({said} if said else set())
