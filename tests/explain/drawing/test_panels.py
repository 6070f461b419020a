import dataclasses

import numpy as np
import pytest
from matplotlib.text import Text

from hilum.data.annotations import FilmAnnotations
from hilum.data.prepared.geometry import fit_square
from hilum.data.prepared.whole_masks import encode_mask
from hilum.explain.drawing.heat import fit_inches, png_bytes, strongest
from hilum.explain.drawing.layout import arrange
from hilum.explain.drawing.panels import FilmPrediction, Row, describe_prediction, draw_panel, draw_rows
from hilum.explain.methods.registry import METHODS
from hilum.records import Attribution, Cells

FILM = np.random.default_rng(0).integers(0, 256, (32, 32)).astype(np.uint8)
PREDICTION = FilmPrediction("phantom/p1-2", "viral", 0.876, "viral", 0.876, "the most probable class decides", "bacterial")
WAYS = ("completeness_error_black", "completeness_error_mean", "difference_black", "difference_mean")
NUMBERS = {
    "gradcam": ({}, {"maximum": 1.0}),
    "gradcam_plus_plus": ({}, {"maximum": 1.0}),
    "layercam": ({}, {"maximum": 1.0}),
    "scorecam": ({"max_N": 20}, {"maximum": 1.0, "channels": 8.0}),
    "saliency": ({}, {"maximum": 1.0}),
    "smoothgrad": ({"samples": 20, "noise": 0.1}, {"maximum": 1.0}),
    "integrated_gradients": (
        {"baselines": ["black", "mean"]},
        dict(zip(WAYS, (0.0, 0.0312, 2.0, 1.5), strict=True)),
    ),
    "shap_layer": (
        {"background": 50},
        {"additivity_error": 0.07, "difference": -0.5},
    ),
    "xrai": (
        {"baselines": ["black", "mean"]},
        dict(zip(WAYS, (-0.3, 0.1, 2.0, 1.5), strict=True)) | {"regions": 21.0},
    ),
    "shapley": (
        {"orders": 10, "baseline": "mean"},
        {"superpixels": 57.0, "spread_of_orders": 0.012, "difference": 0.4, "additivity_error": 0.0},
    ),
    "shap_partition": ({"evaluations": 500, "baseline": "mean"}, {"difference": 0.41, "additivity_error": 0.0}),
    "occlusion": ({"baseline": "mean", "patch_pixels": 19}, {"spread": 0.35}),
    "rise": ({"baseline": "mean", "samples": 1500}, {"spread": 0.35}),
    "lime": ({"features": 10, "hide": "film"}, {"local_fit": 0.714, "superpixels": 57.0, "spread": 0.35}),
    "shap": ({"background": 50}, {"additivity_error": -0.21, "difference": 1.5}),
}
LAYERS = {"gradcam": "conv", "gradcam_plus_plus": "conv", "layercam": "conv", "scorecam": "conv", "shap_layer": "pool"}

SQUARE = np.zeros((32, 32), bool)
SQUARE[4:20, 6:14] = True
BOXES = np.array([[20.0, 8.0, 12.0, 30.0]])
MASKS = {"lesion": SQUARE, "lungs": SQUARE.T}
WHOLE = {kind: encode_mask(mask) for kind, mask in MASKS.items()}
MARKS = FilmAnnotations(fit_square(64, 64, 32, "pad"), MASKS, WHOLE, BOXES, ("Effusion",))


def attribution(method, low=0.0):
    values = np.linspace(low, 1, 2 * 32 * 32, dtype=np.float32).reshape(2, 32, 32)
    parameters, numbers = NUMBERS[method]
    numbers = {name: np.array([np.nan, value]) for name, value in numbers.items()}
    cells = Cells(4, 4, LAYERS[method]) if method in LAYERS else None
    return Attribution(values, method, np.array([2, 2]), METHODS[method].signed, parameters, numbers, cells=cells)


def every():
    return [attribution(name, -1.0 if METHODS[name].signed else 0.0) for name in NUMBERS]


def texts(figure):
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def test_every_method_can_be_drawn():
    assert set(NUMBERS) == set(METHODS)


def test_a_panel_says_what_a_reader_needs():
    said = texts(draw_panel(FILM, every(), 1, PREDICTION, MARKS))
    for words in (
        "phantom/p1-2",
        "predicted viral 87.6%",
        "true bacterial",
        "wrong",
        "the most probable class decides",
        "hidden: mean of the film",
        "Grad-CAM, for viral",
        "layer conv, 4x4 cells",
        "local fit R² 0.71",
        "of 57 superpixels",
        "additivity error -0.21 of +1.50 logits",
        "against 50 background films",
        "lesion: yellow",
        "box: orange (Effusion)",
        "lungs: blue line",
        "8 channels (max_N 20)",
        "20 copies with noise of 10% of the range",
        "sensitive places, for or against",
        "completeness error +0.03 of +1.50 logits (mean)",
        "completeness error -0.30 of +2.00 logits (black)",
        "from black, mean",
        "hidden: mean, 19 px patch",
        "additivity error +0.07 of -0.50 logits",
        "input of pool, 4x4 cells",
        "21 regions",
        "10 orders of 57 superpixels, standard error 0.012",
        "adds up to a probability of +0.40; hidden: mean",
        "adds up to a probability of +0.41; hidden: mean",
        "500 evaluations",
        "hidden: mean, 1500 masks",
        "opacity",
    ):
        assert words in said


def test_the_annotations_have_a_picture_of_their_own_between_film_and_maps():
    figure = draw_panel(FILM, every(), 1, PREDICTION, MARKS)
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]
    assert titles[:2] == ["film", "annotations"] and len(titles) == 2 + len(METHODS)
    patches = next(axes.patches for axes in figure.axes if axes.get_title(loc="left") == "annotations")
    assert patches[0].get_bbox().bounds == pytest.approx((9.5, 3.5, 6, 15))  # half the raw size; pixels' middles are whole
    assert len(patches) == 1


@pytest.mark.parametrize("annotations", [None, FilmAnnotations(MARKS.geometry, {}, {}, BOXES[:0], ())])
def test_a_film_without_annotations_has_no_such_picture(annotations):
    assert "annotations" not in [
        axes.get_title(loc="left") for axes in draw_panel(FILM, every(), 1, PREDICTION, annotations).axes
    ]


def test_maps_carry_the_outline_of_the_lesion_not_of_the_lungs():
    from matplotlib.contour import ContourSet

    def outlines(annotations):
        figure = draw_panel(FILM, [attribution("gradcam")], 1, PREDICTION, annotations)
        axes = next(axes for axes in figure.axes if axes.get_title(loc="left").startswith("Grad-CAM"))
        return len(axes.findobj(ContourSet)), len(axes.patches)

    assert outlines(MARKS) == (1, 1)  # lesion and box
    assert outlines(dataclasses.replace(MARKS, boxes=BOXES[:0], masks={"lungs": SQUARE}, whole={"lungs": WHOLE["lungs"]})) == (
        1,
        0,
    )


def test_a_lesion_that_is_lost_at_this_size_is_said_to_be():
    lost = dataclasses.replace(MARKS, masks={"lesion": np.zeros_like(SQUARE)}, whole={"lesion": WHOLE["lesion"]}, boxes=BOXES[:0])
    assert "lesion: too small to show" in texts(draw_panel(FILM, [attribution("gradcam")], 1, PREDICTION, lost))
    assert "too small" not in texts(draw_panel(FILM, [attribution("gradcam")], 1, PREDICTION, MARKS))


def test_an_undefined_local_fit_is_called_so():
    assert "local fit R² undefined" in texts(draw_panel(FILM, [attribution("lime")], 0, PREDICTION))


@pytest.mark.parametrize(("true", "verdict"), [("viral", "right"), ("bacterial", "wrong"), (None, "unknown")])
def test_the_prediction_is_right_wrong_or_unknown(true, verdict):
    assert dataclasses.replace(PREDICTION, true=true).verdict == verdict


def test_a_prediction_by_a_threshold_says_which_and_another_class_that_is_explained_its_probability():
    answer = describe_prediction("f", ("normal", "ill"), np.array([0.6, 0.4]), predicted=1, target=0, threshold=0.35)
    assert answer == FilmPrediction("f", "ill", 0.4, "normal", 0.6, "ill from a threshold of 35.0%")
    said = texts(draw_panel(FILM, [attribution("gradcam")], 1, answer))
    assert "predicted ill 40.0%  ·  true class unknown  ·  ill from a threshold of 35.0%  ·  explained: normal 60.0%" in said


def test_rows_name_their_arms_and_a_method_s_maps_stand_below_each_other():
    figure = draw_rows(FILM, [Row("baseline", every(), 0, PREDICTION), Row("finetuned", every(), 1, PREDICTION)])
    said = [text.get_text() for text in figure.texts]
    assert said.count("baseline") == said.count("finetuned") == arrange(1 + len(METHODS))[1] - 1  # above each further line
    for name in METHODS:
        pair = [a.get_position() for a in figure.axes if a.get_title(loc="left") == f"{METHODS[name].title}, for viral"]
        assert len(pair) == 2
        assert pair[0].x0 == pair[1].x0
        others = [a.get_position() for a in figure.axes if a.get_title(loc="left")]
        assert not [box for box in others if pair[1].y1 < (box.y0 + box.y1) / 2 < pair[0].y0], "another line is between them"


def test_the_maps_of_a_row_may_share_a_scale_and_have_titles_of_their_own():
    strong = attribution("shap", -1.0)
    faint = dataclasses.replace(strong, values=strong.values / 10)
    row = Row("ranked", [faint, strong], 1, PREDICTION, ["SHAP, for normal 8.0%", "SHAP, for viral 87.6%"], same_scale=True)

    def ends(figure):
        bars = [axes for axes in figure.axes if axes.get_xlabel()]
        return {label.get_text() for axes in bars for label in axes.get_xticklabels()} - {"0", "-0"}

    assert len(ends(draw_rows(FILM, [row]))) == 2
    assert len(ends(draw_rows(FILM, [dataclasses.replace(row, same_scale=False)]))) == 4
    assert "SHAP, for normal 8.0%" in texts(draw_rows(FILM, [row]))


@pytest.mark.parametrize(
    ("width", "height", "square", "expected"), [(40, 80, "stretch", 0.5), (80, 40, "stretch", 2.0), (40, 80, "pad", 1.0)]
)
def test_a_film_stands_at_its_own_proportions(width, height, square, expected):
    geometry = fit_square(width, height, 32, square)
    across, down = fit_inches(2.0, geometry)
    assert across / down == pytest.approx(expected)
    assert max(across, down) == 2.0
    figure = draw_panel(FILM, [attribution("gradcam")], 1, PREDICTION, FilmAnnotations(geometry, {}, {}, BOXES[:0], ()))
    png_bytes(figure)  # a picture's place is settled when it is drawn
    inches = figure.get_size_inches()
    for title in ("film", "Grad-CAM, for viral"):
        box = next(axes for axes in figure.axes if axes.get_title(loc="left") == title).get_position()
        assert box.width * inches[0] / (box.height * inches[1]) == pytest.approx(expected, rel=0.02)


def test_equal_figures_give_equal_bytes():
    assert png_bytes(draw_panel(FILM, every(), 1, PREDICTION)) == png_bytes(draw_panel(FILM, every(), 1, PREDICTION))


@pytest.mark.parametrize(("cells", "expected"), [(2, (2, 1)), (4, (4, 1)), (5, (5, 1)), (6, (3, 2)), (11, (4, 3)), (16, (4, 4))])
def test_many_maps_wrap_into_even_lines(cells, expected):
    assert arrange(cells) == expected


def test_no_two_pictures_of_a_panel_overlap():
    figure = draw_rows(FILM, [Row("baseline", every(), 0, PREDICTION), Row("finetuned", every(), 1, PREDICTION)])
    boxes = [axes.get_position() for axes in figure.axes if axes.get_position().height > 0.03]
    assert len(boxes) == 2 * (1 + len(METHODS))
    for i, one in enumerate(boxes):
        assert 0 <= one.x0 < one.x1 <= 1
        assert 0 <= one.y0 < one.y1 <= 1
        assert not any(one.overlaps(other) for other in boxes[i + 1 :])


def test_a_zero_map_is_drawn_and_says_so():
    empty = dataclasses.replace(attribution("gradcam"), values=np.zeros((2, 32, 32), np.float32))
    figure = draw_panel(FILM, [empty], 0, PREDICTION)
    assert "map is zero" in texts(figure)
    assert png_bytes(figure)


def test_a_map_of_another_size_is_refused():
    with pytest.raises(ValueError, match="size of the film"):
        draw_panel(FILM[:16], [attribution("gradcam")], 0, PREDICTION)


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="at least one model"):
        draw_rows(FILM, [])


def test_the_colour_scale_carries_the_map_s_numbers():
    said = texts(draw_panel(FILM, [attribution("lime", -1.0)], 1, PREDICTION)).replace("−", "-")
    assert "probability per superpixel" in said
    assert "against" in said
    top = f"{strongest(attribution('lime', -1.0).values[1]):.2g}"
    assert top in said
    assert f"-{top}" in said


def test_a_dollar_in_a_name_is_a_dollar():
    answer = dataclasses.replace(PREDICTION, film="clinic/a$b_$c.png")
    figure = draw_panel(FILM, [attribution("lime")], 0, answer)
    assert png_bytes(figure)
    assert "clinic/a$b_$c.png" in texts(figure)


@pytest.mark.filterwarnings("error")  # a missing glyph is one
@pytest.mark.parametrize(("film", "shown"), [("a\nb.png", r"a\nb.png"), ("a\udcff.png", r"a\udcff.png"), ("a\x07", r"a\x07")])
def test_a_name_that_cannot_be_shown_is_escaped(film, shown):
    figure = draw_panel(FILM, [attribution("gradcam")], 1, dataclasses.replace(PREDICTION, film=film))
    assert shown in texts(figure)
    assert png_bytes(figure)
