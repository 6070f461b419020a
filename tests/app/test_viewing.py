"""A film as it is looked at: on its own values of a DICOM, on grey levels of others."""

from io import BytesIO

import numpy as np
import pytest
from dicom_forms import describe, write
from PIL import Image

from hilum.app.film import open_film
from hilum.app.viewing import LEVELS, SIDE, UNITS, look, shrink, view_film
from hilum.data.decoding.windowing import Window, apply_window

VALUES = np.linspace(0, 4095, 50 * 30).reshape(50, 30).round().astype(np.uint16)


@pytest.mark.parametrize("kind", ["MONOCHROME2", "MONOCHROME1"])
@pytest.mark.parametrize(("slope", "intercept"), [(None, None), ("2", "-1000")])
def test_the_window_of_the_header_gives_the_film_as_it_was_decoded(kind: str, slope: str | None, intercept: str | None) -> None:
    told = {"WindowCenter": "1500", "WindowWidth": "900"}
    told |= {"RescaleSlope": slope, "RescaleIntercept": intercept} if slope and intercept else {}
    film = open_film(write(describe(VALUES, bits=12, PhotometricInterpretation=kind, **told)), "a.dcm")
    view = view_film(film)
    assert (view.centre, view.width, view.unit, view.inverted) == (1500, 900, UNITS, kind == "MONOCHROME1")
    assert (view.low, view.high) == ((0, 4095) if slope is None else (-1000, 7190))
    own = VALUES if slope is None else VALUES * 2.0 - 1000
    assert np.abs(view.values - own).max() < 0.01
    assert np.array_equal(view.plain, film.grey)
    assert (
        np.abs(look(view, view.centre, view.width).astype(int) - film.grey).max() <= 1
    )  # LINEAR is half a value off LINEAR_EXACT


def test_another_window_shows_other_values() -> None:
    view = view_film(open_film(write(describe(VALUES, bits=12)), "a.dcm"))
    expected = np.rint(255 * apply_window(VALUES.astype(float), Window(3000, 500, "LINEAR_EXACT")))
    assert np.abs(look(view, 3000, 500) - expected).max() <= 1


def test_without_a_window_nearly_all_values_are_inside() -> None:
    view = view_film(open_film(write(describe(VALUES, bits=12)), "a.dcm"))
    inside = np.abs(view.values - view.centre) <= view.width / 2
    assert 0.98 < inside.mean() < 1


def test_other_films_have_a_window_on_their_grey_levels() -> None:
    stream, grey = BytesIO(), np.random.default_rng(3).integers(0, 256, (60, 40), dtype=np.uint8)
    Image.fromarray(grey).save(stream, "PNG")
    view = view_film(open_film(stream.getvalue(), "a.png"))
    assert view.unit == LEVELS and np.array_equal(look(view, view.centre, view.width), grey)
    assert look(view, 0, 0).min() in (0, 128) and look(view, 0, 0).max() == 255


def test_a_large_film_is_shrunk_in_its_proportions() -> None:
    assert shrink(np.zeros((3000, 1500), np.uint8)).shape == (SIDE, SIDE // 2)
    assert shrink(np.zeros((30, 15), np.uint8)).shape == (30, 15)
