import numpy as np
import pandas as pd
import pytest

from hilum.data.prepared.geometry import fit_square
from hilum.data.sheets import (
    COLUMNS,
    choose_annotated,
    choose_burned_in,
    draw_annotated,
    draw_burned_in,
    gather,
)
from hilum.pictures import encode_png

SIZE = 32
NAMES = [f"s/{i}" for i in range(8)]
FILMS = np.random.default_rng(0).integers(0, 255, (8, SIZE, SIZE), np.uint8)
PLACE = dict.fromkeys(NAMES, fit_square(320, 160, SIZE, "pad"))  # a tenth, 8 pixels of padding above and below


def shown(figure: object) -> list:
    return [axis for axis in figure.axes if axis.images]  # type: ignore[attr-defined]


def test_films_with_burned_in_text_are_chosen_evenly() -> None:
    table = pd.DataFrame({"image_id": NAMES, "burned_in": [1, 0, 2, 1, 1, 0, 1, 1]})
    assert choose_burned_in(table, 3) == ["s/0", "s/3", "s/7"]
    assert choose_burned_in(table, 50) == ["s/0", "s/2", "s/3", "s/4", "s/6", "s/7"]
    assert choose_burned_in(table.assign(burned_in=0), 3) == []


def test_films_with_most_to_draw_come_first() -> None:
    columns = {
        "boxes": ["", "[[1, 2, 3, 4]]", "", "", "", "", "", ""],
        "lesion_mask": [""] * 7 + ["m"],
        "lung_mask": ["m"] * 4 + [""] * 4,
    }
    manifest = pd.DataFrame({"image_id": NAMES, **columns})
    assert choose_annotated(manifest, 3) == ["s/1", "s/7", "s/0"]
    assert choose_annotated(manifest, 9) == ["s/1", "s/7", "s/0", "s/2", "s/3"]
    assert choose_annotated(manifest.assign(boxes="", lesion_mask="", lung_mask=""), 3) == []
    assert choose_annotated(manifest.assign(boxes="[]", lesion_mask="", lung_mask=""), 3) == [], "an empty list is no box"


def test_burned_in_text_is_framed_where_the_geometry_maps_it() -> None:
    boxes = {name: np.array([[100.0, 20.0, 30.0, 40.0]]) for name in NAMES}
    films = gather(FILMS, NAMES, NAMES)
    cells = shown(draw_burned_in(films, boxes, PLACE))
    assert len(cells) == 8
    np.testing.assert_array_equal(cells[7].images[0].get_array(), FILMS[7])
    frame = cells[0].patches[0]
    assert (frame.get_x(), frame.get_y()) == pytest.approx((10 - 0.5 - 1.5, 10 - 0.5 - 1.5))
    assert (frame.get_width(), frame.get_height()) == pytest.approx((3 + 3, 4 + 3))


def test_covered_text_is_shown_below_the_film() -> None:
    boxes = {name: np.array([[100.0, 20.0, 30.0, 40.0]]) for name in NAMES}
    films = gather(FILMS, NAMES, NAMES)
    figure = draw_burned_in(films, boxes, PLACE, {name: film // 2 for name, film in films.items()})
    assert len(shown(figure)) == 16
    below = figure.axes[COLUMNS]
    np.testing.assert_array_equal(below.images[0].get_array(), FILMS[0] // 2)
    assert not below.patches


def test_boxes_and_masks_lie_on_their_films_and_the_bytes_are_the_same_twice() -> None:
    mask = np.zeros((SIZE, SIZE), bool)
    mask[10:20, 5:9] = True
    boxes = {"s/0": "[[0, 0, 320, 160]]", "s/1": ""}
    masks = {"lung_mask": {"s/1": mask}, "lesion_mask": {"s/1": np.zeros_like(mask)}}

    def draw() -> object:
        return draw_annotated(gather(FILMS, NAMES, ["s/0", "s/1"]), boxes, PLACE, masks)

    first, second = shown(figure := draw())
    frame = first.patches[0]
    assert (frame.get_x(), frame.get_y(), frame.get_width(), frame.get_height()) == pytest.approx((-0.5, 7.5, 32, 16))
    outline = np.concatenate([path.vertices for path in second.collections[0].get_paths()])
    np.testing.assert_allclose(np.r_[outline.min(0), outline.max(0)], [4.5, 9.5, 8.5, 19.5])
    assert len(second.collections) == 1
    assert encode_png(figure) == encode_png(draw())  # type: ignore[arg-type]
