import numpy as np
import pytest

from hilum.data.annotations import FilmAnnotations
from hilum.data.prepared.geometry import fit_square
from hilum.reading.shapes import Shape, mask_shapes, read_shapes, write_shapes


def test_a_box_holds_the_pixels_whose_middle_lies_in_it() -> None:
    mask = mask_shapes([Shape("box", ((4.6, 2.4), (1.4, 0.6)))], 6, 4)  # corners in any order
    assert np.argwhere(mask).tolist() == [[1, 1], [1, 2], [1, 3], [1, 4]]


def test_a_box_is_the_mask_that_annotations_of_a_source_give() -> None:
    rng = np.random.default_rng(3)
    geometry = fit_square(37, 23, 16, "pad")
    for _ in range(50):
        x, y, wide, high = rng.uniform(0, [30, 18, 7, 5])
        wide, high = wide + 0.1, high + 0.1
        theirs = FilmAnnotations(geometry, {}, {}, np.array([[x, y, wide, high]]), ("",)).at_raw_size("box")
        assert np.array_equal(mask_shapes([Shape("box", ((x, y), (x + wide, y + high)))], 37, 23), theirs)


@pytest.mark.parametrize("seed", range(5))
def test_a_polygon_holds_the_pixels_whose_middle_lies_in_it(seed: int) -> None:
    """Against matplotlib's test of points, for polygons without crossings, and the rectangle as a polygon."""
    from matplotlib.path import Path

    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
    points = np.c_[15 + 11 * np.cos(angles) * rng.uniform(0.5, 1, 9), 12 + 9 * np.sin(angles) * rng.uniform(0.5, 1, 9)]
    mask = mask_shapes([Shape("polygon", tuple(map(tuple, points)))], 31, 25)
    middles = np.stack(np.meshgrid(np.arange(31) + 0.5, np.arange(25) + 0.5), axis=-1).reshape(-1, 2)
    assert np.array_equal(mask.ravel(), Path(points).contains_points(middles)) and mask.any()


def test_a_rectangle_is_the_same_as_box_and_as_polygon() -> None:
    box = mask_shapes([Shape("box", ((1.2, 2.2), (7.9, 5.1)))], 10, 8)
    assert np.array_equal(box, mask_shapes([Shape("polygon", ((1.2, 2.2), (7.9, 2.2), (7.9, 5.1), (1.2, 5.1)))], 10, 8))


def test_shapes_of_one_film_are_joined() -> None:
    shapes = [Shape("box", ((0, 0), (1, 1))), Shape("box", ((3, 3), (4, 4)))]
    assert np.array_equal(np.argwhere(mask_shapes(shapes, 4, 4)), [[0, 0], [3, 3]])


def test_what_is_drawn_beyond_the_film_is_cut() -> None:
    shapes = read_shapes([{"kind": "box", "points": [[-5, -5], [3, 100]]}], 10, 20)
    assert shapes == (Shape("box", ((0, 0), (3, 20))),) and read_shapes(write_shapes(shapes), 10, 20) == shapes


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ({"kind": "circle", "points": [[0, 0], [1, 1]]}, "box or a polygon"),
        ({"kind": "box", "points": [[0, 0]]}, "points"),
        ({"kind": "box", "points": [[0, 0], [float("nan"), 1]]}, "points"),
        ({"kind": "box", "points": [[2, 2], [2, 5]]}, "area"),
        ({"kind": "box", "points": [[-9, 2], [-2, 5]]}, "area"),
        ({"kind": "polygon", "points": [[0, 0], [1, 1]]}, "points"),
        ({"kind": "polygon", "points": "text"}, "points"),
        ({"kind": "polygon", "points": [[0, 0]] * 3000}, "points"),
        (7, "box or a polygon"),
    ],
)
def test_other_shapes_are_refused(value: object, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        read_shapes([value], 10, 10)
