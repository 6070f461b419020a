"""Maps laid over a film of the screen's size, with the sanity gate's stamp."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from hilum.app.overlay import SIDE, encode, lay_lime, lay_map, stamp, tell_scale
from hilum.data.decoding.kinds import DRAWN, find_kind
from hilum.data.prepared.geometry import fit_square
from hilum.explain.drawing.heat import OPACITY
from hilum.explain.sanity.verdicts import FAILS, NO_EVIDENCE, PASSES
from hilum.explain.sheets.lime_views import Views
from hilum.records import Attribution, Cells

FILM = np.full((120, 60), 100, np.uint8)  # twice as high as wide
GEOMETRY = fit_square(60, 120, 64, "pad")


def attribution(values: np.ndarray, method: str = "gradcam", signed: bool = False, sanity: str = PASSES) -> Attribution:
    cells = None if signed else Cells(4, 4, "last")
    return Attribution(values[np.newaxis].astype(np.float32), method, np.array([0]), signed, {}, {}, None, cells, sanity)


def test_heat_lies_where_the_map_is_and_padding_is_cut_away() -> None:
    values = np.zeros((64, 64))
    values[:32, 16:48] = 1  # the upper half of the film, which lies between columns 16 and 48
    values[:, :16] = values[:, 48:] = 5  # on the padding
    laid = lay_map(FILM, attribution(values), GEOMETRY, OPACITY)
    assert laid.shape == (SIDE, SIDE // 2, 3)
    upper, lower = laid[50 : SIDE // 2 - 50, 50:-50], laid[SIDE // 2 + 50 : -50, 50:-50]
    assert np.ptp(lower) == 0 and lower[0, 0, 0] == 100, "the film alone"
    assert np.abs(upper.astype(int) - 100).max(axis=-1).min() > 5


@pytest.mark.parametrize("opacity", [0.0, 0.5, 1.0])
def test_the_strongest_heat_is_as_opaque_as_asked(opacity: float) -> None:
    laid = lay_map(FILM, attribution(np.ones((64, 64))), GEOMETRY, opacity)
    import matplotlib

    colour = 255 * np.array(matplotlib.colormaps["inferno"](1.0)[:3])
    assert np.abs(laid[300, 100] - (100 * (1 - opacity) + colour * opacity)).max() <= 1


def test_a_signed_map_is_red_for_and_blue_against() -> None:
    values = np.where(np.arange(64)[:, np.newaxis] < 32, 1.0, -1.0) * np.ones((64, 64))
    laid = lay_map(FILM, attribution(values, "occlusion", signed=True), GEOMETRY, 1.0)
    assert laid[100, 100].argmax() == 0 and laid[600, 100].argmax() == 2
    assert tell_scale(attribution(values, "occlusion", signed=True)).startswith("blue against, red for; colours end at ±1 ")


def test_the_stamp_stands_on_the_picture_unless_the_method_passed() -> None:
    picture = np.full((300, 300, 3), 128, np.uint8)
    assert np.array_equal(stamp(picture, PASSES), picture)
    corners = {sanity: stamp(picture, sanity)[:60, :200] for sanity in (FAILS, NO_EVIDENCE, "")}
    assert all((corner == 255).any() for corner in corners.values()), "white words"
    assert (corners[FAILS][..., 0] == 0xB2).any() and not (corners[""][..., 0] == 0xB2).any(), "red where it fails"
    values = np.ones((64, 64))
    failed, passed = (lay_map(FILM, attribution(values, sanity=sanity), GEOMETRY, OPACITY) for sanity in (FAILS, PASSES))
    assert not np.array_equal(failed, passed)


def test_a_map_of_zeros_says_so() -> None:
    zero = lay_map(FILM, attribution(np.zeros((64, 64))), GEOMETRY, OPACITY)
    assert (zero[SIDE // 2 - 40 : SIDE // 2 + 40] == 255).any() and (zero[:100] == 100).all()


@pytest.mark.parametrize("view", ["pros", "rest hidden", "pros and cons"])
def test_limes_views_colour_what_argues_for_and_against(view: str) -> None:
    pros = np.zeros((64, 64), bool)
    pros[:20, 16:48] = True
    signs = pros.astype(np.int8)
    signs[44:, 16:48] = -1
    laid = lay_lime(FILM, Views(pros, signs, np.zeros((64, 64), np.int32)), GEOMETRY, view, PASSES)
    top, middle, bottom = laid[80, 100], laid[SIDE // 2, 100], laid[SIDE - 80, 100]
    grey = np.array([100, 100, 100])
    assert (top[0] > top[1]) == (view != "rest hidden") and (view != "rest hidden" or np.array_equal(top, grey))
    assert np.array_equal(middle, grey) == (view != "rest hidden")
    assert (bottom[2] > bottom[0] and bottom[2] > 130) == (view == "pros and cons")


def test_a_picture_is_known_as_drawn_by_hilum_and_keeps_its_pixels() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    content = encode(picture)
    assert find_kind(BytesIO(content)) == DRAWN
    assert np.array_equal(np.asarray(Image.open(BytesIO(content))), picture)
