import math

import numpy as np
import pytest

from hilum.data.prepared.geometry import fit_square
from hilum.reading.marks import measure_marks
from hilum.reading.shapes import Shape
from hilum.records import Attribution


def attribution(values: object) -> Attribution:
    return Attribution(np.asarray(values, np.float32)[None], "gradcam", np.array([0]), False, {})


def test_by_hand_where_the_film_has_the_size_of_its_map() -> None:
    heat = [[0, 0, 0, 0], [0, 4, 4, 0], [0, 4, 8, 0], [0, 0, 0, 0]]
    found = measure_marks([Shape("box", ((2, 1), (4, 3)))], fit_square(4, 4, 4, "pad"), attribution(heat))
    # the box holds 4, 0, 8, 0; Otsu keeps the four positive pixels, of which two are inside: 2 of 4 + 4 - 2
    assert (found.hit, found.iou, found.relevance_mass, found.film_share) == (1, pytest.approx(2 / 6), 12 / 20, 4 / 16)


def test_a_mark_on_a_wide_film_lies_where_padding_moved_the_film() -> None:
    """A film of 8 x 4 in a square of 4: its rows 0 to 4 are the square's 1 to 3, so a pixel of the map is two of the film."""
    heat = np.zeros((4, 4))
    heat[1, 3] = 1  # of the film the pixels 6 and 7 of the rows 0 and 1
    found = measure_marks([Shape("box", ((6, 0), (8, 2)))], fit_square(8, 4, 4, "pad"), attribution(heat))
    assert found.hit == 1 and found.relevance_mass > 0.6 and found.film_share == 4 / 32
    missed = measure_marks([Shape("box", ((0, 2), (2, 4)))], fit_square(8, 4, 4, "pad"), attribution(heat))
    assert missed.hit == 0 and missed.relevance_mass == 0 and missed.iou == 0


def test_negative_relevance_does_not_count_and_a_map_without_any_has_no_mass() -> None:
    everything = [Shape("polygon", ((0, 0), (2, 0), (2, 2), (0, 2)))]
    found = measure_marks(everything, fit_square(2, 2, 2, "pad"), attribution([[-1, -1], [-1, -1]]))
    assert found.hit == 0 and math.isnan(found.relevance_mass)
    signed = measure_marks([Shape("box", ((0, 0), (1, 1)))], fit_square(2, 2, 2, "pad"), attribution([[1, -9], [-9, 3]]))
    assert signed.relevance_mass == 1 / 4


def test_marks_without_a_pixel_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one pixel"):
        measure_marks([Shape("box", ((0.6, 0.6), (0.9, 0.9)))], fit_square(2, 2, 2, "pad"), attribution(np.ones((2, 2))))
