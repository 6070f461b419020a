import numpy as np
import pytest
from tiny_task import CLASSES, SIZE, make_rows, make_settings

from hilum.data.prepared.examples import Examples
from hilum.evaluation import contact_sheet
from hilum.evaluation.contact_sheet import FILMS, GAP, LINE, MARGIN, VIEWS, choose_films, draw_contact_sheet
from hilum.records import Films

ROWS = make_rows(24, seed=1)


def cell(sheet: np.ndarray, block: int, row: int, column: int) -> np.ndarray:
    """The pixels of one film on the sheet."""
    side = contact_sheet.SIDE
    top = MARGIN + 2 * LINE + block * (LINE + FILMS * (side + GAP)) + row * (side + GAP)
    left = MARGIN + column * (side + GAP)
    return sheet[top : top + side, left : left + side]


def darker(films: Examples, view: int) -> Films:
    return films.films // (2 + view)


def test_a_film_stands_as_it_is_and_beside_it_its_views_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_sheet, "SIDE", SIZE)  # so that a film keeps its pixels
    augment = make_settings().augment
    sheet = np.asarray(draw_contact_sheet(ROWS, CLASSES, augment, 5, darker))
    for block, films in enumerate(choose_films(ROWS, 3, seed=5)):
        for row, film in enumerate(films):
            np.testing.assert_array_equal(cell(sheet, block, row, 0)[..., 0], ROWS.films[film])
            for view in range(augment.views):
                np.testing.assert_array_equal(cell(sheet, block, row, 1 + view)[..., 0], ROWS.films[film] // (2 + view))


def test_films_are_drawn_once_each_from_their_class_by_the_seed() -> None:
    chosen = choose_films(ROWS, 3, seed=1)
    assert [len(set(films)) for films in chosen] == [FILMS] * 3
    assert all((ROWS.labels[films] == k).all() for k, films in enumerate(chosen))
    assert [films.tolist() for films in chosen] != [films.tolist() for films in choose_films(ROWS, 3, seed=2)]
    alone = Examples(ROWS.films[:1], ROWS.labels[:1], ROWS.keys[:1])
    assert [len(films) for films in choose_films(alone, 3, seed=1)] == [1, 0, 0]


@pytest.mark.parametrize("views", [0, 1, 40])
def test_its_width_follows_the_views_up_to_a_bound(views: int) -> None:
    sheet = draw_contact_sheet(ROWS, CLASSES, make_settings(views=views).augment, 5, darker)
    columns = 1 + min(views, VIEWS)
    assert sheet.width == 2 * MARGIN + columns * (contact_sheet.SIDE + GAP) - GAP
    assert sheet.tobytes() == draw_contact_sheet(ROWS, CLASSES, make_settings(views=views).augment, 5, darker).tobytes()


def test_the_foot_says_how_many_views_are_unchanged() -> None:
    def foot(views: int, unchanged: int) -> str:
        return contact_sheet._describe(make_settings(views=views).augment.model_copy(update={"unchanged": unchanged}))

    assert foot(4, 1).startswith("4 views of each film; 1 of them as it is; rotate")
    assert "2 of them as it is" in foot(2, 9) and "as it is" not in foot(4, 0)
    assert foot(0, 1) == "views: 0, so training sees the films as they are"
