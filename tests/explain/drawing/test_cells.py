import numpy as np
import pytest
from matplotlib.text import Text

from hilum.data.annotations import no_annotations
from hilum.data.prepared.geometry import fit_square
from hilum.explain.drawing.cells import CELLS, Tile, choose_cells, draw_grid, tell_tile
from hilum.explain.drawing.heat import png_bytes
from hilum.records import Predictions

CLASSES = ("normal", "bacterial", "viral")


def predictions(y_true, y_pred):
    count = len(y_true)
    names = np.array([f"f{i}" for i in range(count)])
    return Predictions(names, names, np.array(y_true), np.full((count, 3), 1 / 3), np.array(y_pred), CLASSES)


MANY = predictions([0, 1, 2] * 60, [0] * 60 + [1] * 60 + [2] * 60)


def test_each_cell_holds_films_of_its_kind_without_repeats():
    for class_index in range(3):
        chosen = choose_cells(MANY, class_index, 8, seed=1)
        assert list(chosen) == list(CELLS)
        for cell, (is_class, called_so) in CELLS.items():
            rows = chosen[cell]
            assert len(rows) == len(set(rows.tolist())) == 8
            assert ((MANY.y_true[rows] == class_index) == is_class).all()
            assert ((MANY.y_pred[rows] == class_index) == called_so).all()


def test_a_small_cell_gives_all_it_has_and_an_empty_one_nothing():
    chosen = choose_cells(predictions([0, 0, 1, 1, 2], [0, 0, 1, 0, 2]), 1, 4, seed=1)
    assert {cell: rows.tolist() for cell, rows in chosen.items()} == {
        "true positive": [2],
        "false positive": [],
        "false negative": [3],
        "true negative": [0, 1, 4],
    }


def test_the_seed_decides():
    first, again, other = (choose_cells(MANY, 0, 4, seed)["true negative"].tolist() for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(("class_index", "per_cell"), [(3, 2), (-1, 2), (0, 0)])
def test_wrong_arguments_are_refused(class_index, per_cell):
    with pytest.raises(ValueError, match="must be"):
        choose_cells(MANY, class_index, per_cell, seed=1)


def test_an_empty_cell_says_so():
    label = tell_tile(predictions([2, 1], [2, 2]), 1, 2)
    assert label == "f1: p = 0.33\ntrue bacterial, pred. viral"
    annotations = no_annotations(fit_square(16, 16, 16, "pad"))
    tile = Tile(np.full((16, 16), 90, np.uint8), np.full((16, 16), 0.25, np.float32), label, annotations)
    cells = {"true positive": [tile, tile], "false positive": [], "false negative": [tile], "true negative": []}
    figure = draw_grid(cells, 2, "Grad-CAM for viral", signed=False, unit="logits", sanity="")
    said = [text.get_text() for text in figure.findobj(Text)]
    assert "false positive: none in this split" in said
    assert "true positive: 2 shown" in said
    assert f"{label}\nscale ends at 0.25" in said
    assert "share of each scale's end, logits" in said
    assert png_bytes(figure) == png_bytes(draw_grid(cells, 2, "Grad-CAM for viral", signed=False, unit="logits", sanity=""))


@pytest.mark.parametrize(("sanity", "stamp"), [("fails sanity", True), ("passes", False)])
def test_a_grid_says_that_its_method_failed(sanity, stamp):
    annotations = no_annotations(fit_square(16, 16, 16, "pad"))
    tile = Tile(np.full((16, 16), 90, np.uint8), np.ones((16, 16), np.float32), "", annotations)
    figure = draw_grid({"true positive": [tile]}, 1, "Grad-CAM for viral", signed=False, unit="logits", sanity=sanity)
    assert ("fails sanity" in [text.get_text() for text in figure.findobj(Text)]) == stamp


def test_a_grid_of_empty_cells_is_drawn():
    assert png_bytes(draw_grid(dict.fromkeys(CELLS, ()), 4, "Grad-CAM for viral", signed=False, unit="logits", sanity=""))


def test_more_films_than_fit_are_refused():
    tile = Tile(np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.float32), "", no_annotations(fit_square(4, 4, 4, "pad")))
    with pytest.raises(ValueError, match="at most 1"):
        draw_grid({"true positive": [tile, tile]}, 1, "t", signed=False, unit="logits", sanity="")
