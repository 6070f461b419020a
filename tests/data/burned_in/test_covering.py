"""Burned-in letters: found on the phantom, whose truth is known, and on real films reviewed by eye."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hilum.data.burned_in.covering import COLUMNS, count_burned_in, cover_burned_in, find_place
from hilum.data.burned_in.found import MARGIN, BurnedIn
from hilum.data.burned_in.letters import SIDE, find_letters
from hilum.data.burned_in.treatment import Treatment
from hilum.data.decoding.covered_film import prepare_covered, tell_burned_in
from hilum.data.decoding.images import prepare_film, read_film
from hilum.data.phantom import phantom, population
from hilum.data.prepared.geometry import fit_film

SEEN = Path(__file__).with_name("letters_seen.csv")  # 100 seeded films, none of those on which the detection was set
FILMS = 300


def draw(size: int, films: int = FILMS, shortcut_kind: str = "none") -> np.ndarray:
    """Phantom films (N, size, size) of all findings of the default task."""
    findings = {"normal": 0.36, "bacterial": 0.36, "viral": 0.28}
    strength = {"shortcut_finding": "viral", "shortcut_strength": 1.0}
    rows = population.draw_population(np.random.default_rng(31), films=films, findings=findings, **strength)
    parts = [phantom.draw_films(rows.iloc[i : i + 2], size=size, shortcut_kind=shortcut_kind).films for i in range(0, films, 2)]
    return np.concatenate(parts)


@pytest.fixture(scope="module")
def lettered() -> np.ndarray:
    return draw(160)


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    """The same films without their hospital's letter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phantom, "burn_letters", lambda grey, hospitals, exposure: None)
        return draw(160)


def covered(boxes: np.ndarray, truth: np.ndarray) -> float:
    """Share of the true pixels that the boxes hold."""
    inside = np.zeros(truth.shape, bool)
    for x, y, width, height in boxes:
        inside[int(y) : int(np.ceil(y + height)), int(x) : int(np.ceil(x + width))] = True
    return float((inside & truth).sum() / truth.sum())


def png(film: np.ndarray) -> io.BytesIO:
    stream = io.BytesIO()
    Image.fromarray(film).save(stream, "PNG")
    stream.seek(0)
    return stream


def test_the_phantoms_letters_are_found_and_its_clean_films_are_not_flagged(lettered: np.ndarray, clean: np.ndarray) -> None:
    truth = lettered != clean
    assert truth.any(axis=(1, 2)).all()
    found = [covered(find_letters(film), mask) > 0.5 for film, mask in zip(lettered, truth, strict=True)]
    flagged = [len(find_letters(film)) > 0 for film in clean]
    assert np.mean(found) >= 0.95
    assert np.mean(flagged) <= 0.02


@pytest.mark.parametrize("size", [96, 224, 640])
def test_letters_are_found_on_films_of_other_sizes(size: int) -> None:
    films = draw(size, 20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phantom, "burn_letters", lambda grey, hospitals, exposure: None)
        clean = draw(size, 20)
    found = [covered(find_letters(film), film != bare) > 0.5 for film, bare in zip(films, clean, strict=True)]
    assert np.mean(found) >= 0.95
    assert sum(len(find_letters(film)) > 0 for film in clean) <= 1


def test_a_planted_letter_is_found_as_well() -> None:
    rows = draw(160, 20), draw(160, 20, "letter")
    planted = [i for i in range(20) if (rows[0][i] != rows[1][i]).any()]
    assert planted
    found = [covered(find_letters(rows[1][i]), rows[0][i] != rows[1][i]) > 0.5 for i in planted]
    assert np.mean(found) >= 0.95


def test_a_film_without_structure_has_no_letters() -> None:
    for film in (np.zeros((64, 64)), np.full((50, 70), 200), np.random.default_rng(0).integers(0, 256, (160, 160))):
        assert len(find_letters(film.astype(np.uint8))) == 0
    assert find_letters(np.zeros((1, 1), np.uint8)).shape == (0, 4)


def test_real_films_that_a_person_has_looked_at(shared: Path) -> None:
    """When this was written: 83 of 88 letters found, and 2 of the 12 films without one had a box on a bone."""
    seen = pd.read_csv(SEEN)
    hits, elsewhere = [], []
    for row in seen.itertuples():
        grey = read_film(shared / "data" / "pediatric-pneumonia" / str(row.path)).grey
        on = [x - 4 <= row.x <= x + w + 4 and y - 4 <= row.y <= y + h + 4 for x, y, w, h in find_letters(grey)]
        hits.append(any(on))
        elsewhere.append(row.letter == "no" and len(on) > 0)
    assert len(seen) == 100
    there = (seen["letter"] == "yes").to_numpy()
    assert there.sum() == 88
    assert np.array(hits)[there].mean() >= 0.92
    assert sum(elsewhere) <= 3


def test_covering_leaves_no_letter_and_all_else_as_it_was(lettered: np.ndarray, clean: np.ndarray) -> None:
    for film, bare in zip(lettered[:20], clean[:20], strict=True):
        boxes = find_letters(film)
        gone = cover_burned_in(film, BurnedIn(boxes))
        assert len(find_letters(gone)) == 0
        truth = film != bare
        before, after = np.abs(film.astype(int) - bare)[truth].mean(), np.abs(gone.astype(int) - bare)[truth].mean()
        assert after < 0.15 * before
        x, y, width, height = boxes[0]
        far = np.ones(film.shape, bool)
        far[int(y) - 3 : int(y + height) + 4, int(x) - 3 : int(x + width) + 4] = False
        assert (gone == film)[far].all()
    np.testing.assert_array_equal(cover_burned_in(clean[0], BurnedIn()), clean[0])


def test_boxes_are_in_raw_pixels_and_the_place_in_prepared_ones(lettered: np.ndarray) -> None:
    raw = np.pad(np.kron(lettered[0], np.ones((4, 4), np.uint8)), ((0, 0), (0, 160)))  # 640 high, 800 wide: larger than SIDE
    kept, removed = (prepare_covered(png(raw), 128, "pad", Treatment(do, "letters")) for do in ("keep", "inpaint"))
    np.testing.assert_array_equal(kept.film, prepare_film(png(raw), 128, "pad")[0])
    np.testing.assert_array_equal(kept.film, kept.before)
    np.testing.assert_array_equal(kept.film, removed.before)
    np.testing.assert_array_equal(kept.found.letters, removed.found.letters)
    assert kept.left is None
    assert removed.left is not None and len(removed.left) == 0
    x, y, width, height = kept.found.letters[0]
    assert max(raw.shape) > SIDE
    assert (raw[int(y) : int(y + height), int(x) : int(x + width)] == 237).mean() > 0.2
    changed = kept.film != removed.film
    assert changed.any()
    assert not (changed & ~kept.place).any()
    assert kept.place.mean() < 0.02
    corner = kept.geometry.to_prepared(np.array([[x, y]]))[0]
    rows, columns = np.nonzero(kept.place)
    assert abs(columns.min() - corner[0]) <= 2
    assert abs(rows.min() - corner[1]) <= 2


@pytest.mark.parametrize("square", ["pad", "stretch"])
@pytest.mark.parametrize("shape", [(160, 160), (611, 761), (700, 300), (60, 90), (128, 200)])
def test_the_place_near_the_boxes_is_that_of_the_whole_film(shape: tuple[int, int], square: str) -> None:
    rng = np.random.default_rng(shape)
    corners = rng.uniform(-4, 1, (6, 2)) + rng.uniform(0, 1, (6, 2)) * (shape[1], shape[0])
    boxes = np.hstack([corners.clip(0), rng.uniform(1, 0.1 * shape[0], (6, 2))])
    boxes[5] = (*boxes[4, :2] + 3, *boxes[4, 2:])  # two that overlap
    covered = np.zeros(shape, np.uint8)
    margin = MARGIN * max(1.0, max(shape) / SIDE)
    for x, y, width, height in boxes:
        top, left = (max(0, int(np.floor(low - margin))) for low in (y, x))
        covered[top : int(np.ceil(y + height + margin)), left : int(np.ceil(x + width + margin))] = 255
    whole = fit_film(covered, 128, square) > 0
    assert 0 < whole.sum() < whole.size
    np.testing.assert_array_equal(find_place(shape, BurnedIn(boxes), 128, square), whole)


def test_a_row_has_count_share_boxes_and_touched_lung(lettered: np.ndarray) -> None:
    marked = prepare_covered(png(lettered[0]), 160, "pad", Treatment("keep", "text"))
    nowhere, everywhere = np.zeros((160, 160), bool), np.ones((160, 160), bool)
    count, share, boxes, touched, left, left_boxes = tell_burned_in(marked, everywhere)
    assert (count, json.loads(boxes)) == (1, marked.found.letters.round(1).tolist())
    assert (left, left_boxes) == ("", "")  # not searched again
    assert share == pytest.approx(35 / 160**2, rel=0.3)  # seven rows of five dots
    assert int(touched) == marked.place.sum()
    rows = [(f"s/{i}", *tell_burned_in(marked, lungs)) for i, lungs in enumerate((everywhere, nowhere, None))]
    assert [row[4] for row in rows] == [touched, "0", ""]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    assert list(count_burned_in(table).values()) == [3, 3, 3, 2, 1, int(touched), 0, 0]
    again = table.assign(left=["0", "2", ""])
    assert list(count_burned_in(again).values())[-2:] == [2, 1]


def test_another_word_is_refused() -> None:
    with pytest.raises(ValueError, match="keep, inpaint, got 'blur'"):
        Treatment("blur", "text")
