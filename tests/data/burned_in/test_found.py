"""What was found burned in: counted, boxed, moved to films of other sizes, painted."""

import numpy as np
import pytest

from hilum.data.burned_in.found import BurnedIn, join_found
from hilum.data.prepared.geometry import fit_square

LINE = np.array([[20.0, 40.0], [60.0, 40.0], [60.0, 50.0], [20.0, 50.0]])
FOUND = BurnedIn(np.array([[5.0, 6.0, 4.0, 8.0]]), (LINE,))


def test_places_are_letters_and_outlines() -> None:
    assert len(FOUND) == 2
    assert len(BurnedIn()) == 0
    assert FOUND.list_boxes().tolist() == [[5, 6, 4, 8], [20, 40, 40, 10]]
    assert BurnedIn().list_boxes().shape == (0, 4)
    assert FOUND.measure_area() == pytest.approx(4 * 8 + 40 * 10)


def test_places_go_to_films_of_other_sizes_and_back() -> None:
    assert FOUND.scale(2, 3).list_boxes().tolist() == [[10, 18, 8, 24], [40, 120, 80, 30]]
    geometry = fit_square(200, 100, 50, "pad")  # a quarter, 12.5 pixels down
    prepared = BurnedIn(np.array([[10.0, 15.0, 2.0, 4.0]]), (np.array([[0.0, 12.5], [50.0, 12.5], [50.0, 37.5]]),))
    assert prepared.to_raw(geometry).list_boxes().round(6).tolist() == [[40, 10, 8, 16], [0, 0, 200, 100]]


def test_paint_covers_boxes_with_a_margin_and_outlines_as_they_are() -> None:
    painted = FOUND.paint((100, 100)) > 0
    assert painted[4:16, 3:11].all()
    assert painted[40:50, 20:60].all()
    assert painted.sum() == pytest.approx(12 * 8 + 11 * 41, abs=20)
    assert not BurnedIn().paint((10, 10)).any()


def test_a_letter_of_a_text_is_no_place_of_its_own() -> None:
    inside = BurnedIn(np.array([[30.0, 42.0, 5.0, 6.0], [80.0, 80.0, 5.0, 6.0]]))
    joined = join_found(inside, BurnedIn(text=(LINE,)))
    assert joined.letters.tolist() == [[80, 80, 5, 6]]
    assert len(joined.text) == 1
    assert len(join_found(BurnedIn(), BurnedIn())) == 0
