"""Where things stand on a panel: nothing lies on anything else, and all of it is on the picture."""

from itertools import combinations

import pytest
from matplotlib.figure import Figure

from hilum.explain.drawing.layout import ABREAST, SIDE, TITLE, Layout, arrange


@pytest.mark.parametrize(("cells", "columns", "lines"), [(1, 1, 1), (5, 5, 1), (6, 3, 2), (7, 4, 2), (11, 4, 3)])
def test_pictures_fill_as_few_lines_as_hold_them_evenly(cells: int, columns: int, lines: int) -> None:
    assert arrange(cells) == (columns, lines)
    assert columns <= ABREAST


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("proportion", [0.6, 1.0])
def test_films_of_all_rows_lines_and_columns_lie_apart_on_the_picture(rows: int, proportion: float) -> None:
    page = Layout(rows, columns=3, lines=2, across=SIDE, down=SIDE * proportion)
    figure = Figure((page.width, page.height))
    boxes = [page.place(figure, row, cell, TITLE, page.down).get_position() for row in range(rows) for cell in range(6)]
    assert all(box.x0 > 0 and box.x1 < 1 and box.y0 > 0 and box.y1 < 1 for box in boxes)
    assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]
    assert boxes[0].width * page.width == pytest.approx(SIDE)
    assert boxes[0].height * page.height == pytest.approx(SIDE * proportion)
