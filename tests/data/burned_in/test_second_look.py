"""A film whose burned-in text was covered is searched again, as it was covered and as it was prepared."""

import json
from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image
from written_films import Writing, write_on

from hilum.data.burned_in import second_look
from hilum.data.burned_in.found import BurnedIn
from hilum.data.burned_in.search import READERS, find_burned_in
from hilum.data.burned_in.second_look import LOOKS, cover_and_look
from hilum.data.burned_in.treatment import Treatment
from hilum.data.decoding.covered_film import prepare_covered, tell_burned_in
from hilum.data.decoding.images import prepare_film

SIZE = 320
NAME = ("MEYER, ANNA", "DOB 03.11.1987")


def soft_film(size: int = 640) -> np.ndarray:
    """Light and dark clouds, no letter."""
    clouds = np.random.default_rng(5).normal(size=(size, size)).astype(np.float32)
    clouds = cv2.GaussianBlur(clouds, (0, 0), size / 16)
    return (110 + 40 * clouds / np.abs(clouds).max()).astype(np.uint8)


def named_film() -> tuple[np.ndarray, np.ndarray]:
    return write_on(soft_film(), Writing(0.035, "sans", 0, "strong", "middle", NAME), 0)


def png(film: np.ndarray) -> BytesIO:
    stream = BytesIO()
    Image.fromarray(film).save(stream, "PNG")
    stream.seek(0)
    return stream


def test_a_name_is_covered_and_nothing_is_found_then() -> None:
    film, there = named_film()
    covered = cover_and_look(film, SIZE, "pad", "text")
    assert len(covered.found.text) >= 1
    assert len(covered.left) == 0
    assert covered.found.paint(film.shape)[there].mean() == 255
    small, bare = (cv2.resize(one, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(int) for one in (film, soft_film()))
    assert np.abs(small - bare).max() > 80
    assert np.abs(covered.film.astype(int) - bare).max() < 25
    untouched = cv2.resize(covered.found.paint(film.shape), (SIZE, SIZE), interpolation=cv2.INTER_AREA) == 0
    assert np.abs(covered.film.astype(int) - bare)[untouched].max() <= 3


def test_single_letters_are_covered_once_and_a_name_stays_and_is_not_seen() -> None:
    """As in versions without a search for text: their models see the same films."""
    film, there = named_film()
    covered = cover_and_look(film, SIZE, "pad", "letters")
    assert LOOKS["letters"] == 1
    assert set(LOOKS) == set(READERS)
    assert covered.found.paint(film.shape)[there].mean() < 50


def test_what_a_search_finds_is_covered_too_and_the_last_search_gives_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    film, _ = named_film()
    places = [BurnedIn(text=(np.array([[x, 10], [x + 9, 10], [x + 9, 19], [x, 19]], float),)) for x in (10, 200, 400, 600)]
    asked: list[tuple[int, ...]] = []

    def find(grey: np.ndarray, reader: str) -> BurnedIn:
        asked.append(grey.shape)
        return places[len(asked) // 2] if grey.shape == film.shape else BurnedIn()

    monkeypatch.setattr(second_look, "find_burned_in", find)
    covered = cover_and_look(film, SIZE, "pad", "text")
    assert asked == [film.shape, *[(SIZE, SIZE), film.shape] * LOOKS["text"]]
    assert [one[0, 0] for one in covered.found.text] == [10, 200, 400]
    assert [one[0, 0] for one in covered.left.text] == [600]


def test_what_is_found_in_the_prepared_film_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    film, _ = named_film()
    box = BurnedIn(letters=np.array([[10.0, 20.0, 4.0, 6.0]]))
    monkeypatch.setattr(second_look, "find_burned_in", lambda grey, reader: box if grey.shape == (SIZE, SIZE) else BurnedIn())
    covered = cover_and_look(film, SIZE, "pad", "text")
    assert covered.left.list_boxes().tolist() == [[20, 40, 8, 12]]


def test_a_film_reports_what_was_covered_and_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    film, there = named_film()
    ready = prepare_covered(png(film), SIZE, "pad", Treatment("inpaint", "text"))
    count, share, boxes, touched, left, left_boxes = tell_burned_in(ready, np.ones((SIZE, SIZE), bool))
    assert (left, left_boxes) == ("0", "[]")
    assert count == len(ready.found) >= 1
    assert there.mean() < share < 0.3
    assert len(json.loads(boxes)) == count
    changed = ready.film != ready.before
    assert changed.any() and not (changed & ~ready.place).any()
    assert int(touched) == ready.place.sum()
    monkeypatch.setitem(LOOKS, "text", 1)
    seen = {film.shape: find_burned_in(film, "text"), (SIZE, SIZE): BurnedIn()}  # whatever was covered, the text is still there
    monkeypatch.setattr(second_look, "find_burned_in", lambda grey, reader: seen[grey.shape])
    shortcut_baselines = prepare_covered(png(film), SIZE, "pad", Treatment("inpaint", "text"))
    assert tell_burned_in(shortcut_baselines, None)[3:5] == ("", str(count))


def test_keeping_looks_once_for_letters_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    film, _ = named_film()
    monkeypatch.setattr(second_look, "find_burned_in", lambda grey, reader: pytest.fail("a second look at a film that is kept"))
    monkeypatch.setitem(READERS, "text", (lambda grey: pytest.fail("text is searched though all is kept"),))
    kept = prepare_covered(png(film), SIZE, "pad", Treatment("keep", "text"))
    np.testing.assert_array_equal(kept.film, prepare_film(png(film), SIZE, "pad")[0])
    assert kept.left is None
