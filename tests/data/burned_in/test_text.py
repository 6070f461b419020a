"""Names and dates burned into phantoms, whose films without them are known."""

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
from written_films import ANGLES, CONTRASTS, FONTS, PLACES, SIZES, Writing, choose_writings, write_on

from hilum.data.burned_in.strokes import SIDES, Parts, list_parts
from hilum.data.burned_in.text import EVIDENCE, FEWEST, SURE, find_text, join_parts, measure_group, weigh
from hilum.data.phantom.phantom import draw_films
from hilum.data.phantom.population import draw_population

NAME = ("MEYER, ANNA", "DOB 03.11.1987")


@cache
def phantoms(size: int, films: int = 12) -> np.ndarray:
    findings = {"normal": 0.36, "bacterial": 0.36, "viral": 0.28}
    rng = np.random.default_rng(3)
    rows = draw_population(rng, films=films, findings=findings, shortcut_finding="viral", shortcut_strength=0.0)
    return draw_films(rows, size=size, shortcut_kind="none").films


def paint(film: np.ndarray) -> np.ndarray:
    covered = np.zeros(film.shape, np.uint8)
    for outline in find_text(film):
        cv2.fillPoly(covered, [np.rint(outline - 0.5).astype(np.int32)], 1)
    return covered.astype(bool)


def share_covered(writing: Writing, size: int = 480, seed: int = 0) -> float:
    """The share of the written pixels that lie in the outlines."""
    film, there = write_on((phantoms(size, 4)[seed % 4] * 0.75).astype(np.uint8), writing, seed)  # white stands out of it
    return float(paint(film)[there].mean())


@pytest.mark.parametrize("size", SIZES[1:])
def test_every_size_is_found(size: float) -> None:
    assert share_covered(Writing(size, "sans", 0, "strong", "corner", NAME)) > 0.97


@pytest.mark.parametrize("font", FONTS)
def test_every_font_is_found(font: str) -> None:
    assert share_covered(Writing(0.03, font, 0, "strong", "edge", NAME)) > 0.97


@pytest.mark.parametrize("angle", ANGLES)
def test_every_angle_is_found(angle: int) -> None:
    assert share_covered(Writing(0.03, "sans", angle, "strong", "middle", NAME)) > 0.97


@pytest.mark.parametrize("contrast", CONTRASTS)
@pytest.mark.parametrize("place", PLACES)
def test_every_contrast_is_found_everywhere(contrast: str, place: str) -> None:
    assert share_covered(Writing(0.03, "sans", 5, contrast, place, NAME)) > 0.97


def test_writings_drawn_by_lot_are_found() -> None:
    shares = [share_covered(writing, seed=seed) for seed, writing in enumerate(choose_writings(30, 8))]
    assert np.mean(np.array(shares) > 0.9) >= 0.9


def test_films_without_text_show_little_of_it() -> None:
    films = [*phantoms(160), *phantoms(480, 4)]
    assert np.mean([len(find_text(film)) > 0 for film in films]) <= 0.2
    assert np.mean([paint(film).mean() for film in films]) < 0.005


def test_a_film_without_structure_has_no_text() -> None:
    noisy = np.random.default_rng(0).normal(120, 10, (160, 160))
    for film in (np.zeros((64, 64)), np.full((50, 70), 200), noisy):
        assert find_text(film.astype(np.uint8)) == []
    assert find_text(np.zeros((1, 1), np.uint8)) == []


def line_of_parts(count: int, turn: float) -> Parts:
    """Letters of ten pixels, twelve apart, on a line that rises by `turn` degrees."""
    steps = 12.0 * np.arange(count)[:, None]
    middles = 100 + steps * (np.cos(np.deg2rad(turn)), -np.sin(np.deg2rad(turn)))
    even = np.ones(count)
    return Parts(np.hstack([middles - 5, np.full((count, 2), 10.0)]), middles, 10 * even, 120 * even, 200 * even, 80 * even, 1.0)


def test_a_line_is_one_group_that_lies_as_it_was_written() -> None:
    (group,) = join_parts(parts := line_of_parts(8, 30))
    assert group.members.tolist() == list(range(8))
    assert np.rad2deg(group.turn) == pytest.approx(-30)  # anticlockwise is upwards, and y goes down
    assert group.evenness == pytest.approx(1)
    assert group.gap == pytest.approx(1.2)
    measured = measure_group(parts, group)
    assert set(measured) == set(EVIDENCE)
    assert np.exp(measured["log number"]) == pytest.approx(8)
    assert measured["spread of length"] == measured["spread of ink"] == 0
    assert weigh(measured) > SURE


def test_unlike_neighbours_are_no_group() -> None:
    parts = line_of_parts(8, 0)
    assert join_parts(replace(parts, middles=2 * parts.middles)) == []
    mixed = np.where(np.arange(8) % 2, 1.0, 0.4)
    assert join_parts(replace(parts, contrast=parts.contrast * mixed)) == []
    assert join_parts(replace(parts, length=parts.length * mixed)) == []
    assert join_parts(replace(parts, ink=parts.ink * mixed)) == []


def test_fewer_letters_are_no_text_and_parts_are_of_the_scales_given() -> None:
    page = np.full((640, 640), 40, np.uint8)
    written, _ = write_on(page, Writing(0.03, "sans", 0, "strong", "middle", ("LTV",)), 0)
    assert find_text(written) == []
    assert FEWEST == 4
    assert {parts.scale for parts in list_parts(written)} == {side / 640 for side in SIDES}
