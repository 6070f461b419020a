"""Films on which something is still found: listed, shown, and a reason to stop where the user wants it."""

import numpy as np
import pandas as pd
import pytest

from hilum.data.burned_in.treatment import Treatment
from hilum.data.decoding.decoding import DecodedFilm
from hilum.data.prepared.geometry import fit_square
from hilum.data.quality.still_burned_in import SHOWN, find_still_burned_in, stop_where_left

ROWS = pd.DataFrame({"image_id": ["s/a", "s/b", "s/c"], "path": ["s/a.png", "s/b.png", "s/c.png"]}, index=[2, 5, 7])
FILMS = np.arange(8, dtype=np.uint8)[:, None, None] * np.ones((1, 32, 32), np.uint8)


def decoded(left: str, boxes: str = "[]") -> DecodedFilm:
    return DecodedFilm(geometry=fit_square(64, 64, 32, "pad"), burned_in=(1, 0.1, "[]", "", left, boxes))


FOUND = [decoded("0"), decoded("2", "[[8, 8, 4, 6], [20, 8, 4, 6]]"), decoded("")]


@pytest.mark.parametrize(("left", "told"), [("keep", "places"), ("exclude", "left out by prepare.burned_in_left")])
def test_they_are_listed_with_pixels_and_boxes_to_show(left: str, told: str) -> None:
    still = find_still_burned_in(ROWS, FOUND, FILMS, Treatment("inpaint", "text", left))
    assert still.problems["image_id"].tolist() == ["s/b"]
    assert still.problems["problem"].tolist() == ["burned-in text still found"]
    assert "still found in 2 places" in still.problems["detail"].iloc[0]
    assert still.problems["detail"].iloc[0].endswith(told)
    assert (still.films["s/b"] == 5).all()
    assert still.boxes["s/b"].tolist() == [[4, 4, 2, 3], [10, 4, 2, 3]]


def test_so_many_are_shown_and_all_listed() -> None:
    rows = pd.DataFrame({"image_id": [f"s/{i}" for i in range(30)], "path": "x"})
    films = np.zeros((30, 32, 32), np.uint8)
    still = find_still_burned_in(rows, [decoded("1", "[[8, 8, 4, 6]]")] * 30, films, Treatment("inpaint", "text"))
    assert len(still.problems) == 30
    assert len(still.films) == len(still.boxes) == SHOWN


def test_they_stop_where_the_user_wants_it() -> None:
    still = find_still_burned_in(ROWS, FOUND, FILMS, Treatment("inpaint", "text"))
    stop_where_left(still, Treatment("inpaint", "text", "keep"))
    with pytest.raises(ValueError, match=r"got 1 films where it is still found after covering: s/b; cover it in the raw files"):
        stop_where_left(still, Treatment("inpaint", "text", "stop"))
    none = find_still_burned_in(ROWS[:1], FOUND[:1], FILMS, Treatment("inpaint", "text"))
    stop_where_left(none, Treatment("inpaint", "text", "stop"))
