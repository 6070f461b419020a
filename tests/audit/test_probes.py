"""Films changed on purpose."""

import numpy as np
import pytest

from hilum.audit.probes import CORNERS, fill, mean_grey, with_letter, without_letters


@pytest.fixture
def films() -> np.ndarray:
    return np.random.default_rng(0).integers(20, 90, (3, 128, 128)).astype(np.uint8)


def test_filling_changes_the_region_alone(films: np.ndarray) -> None:
    region = np.zeros((128, 128), bool)
    region[10:20, 30:40] = True
    changed = fill(films, region, mean_grey(films, region))
    assert (changed[:, region] == round(films[:, region].mean())).all()
    assert np.array_equal(changed[:, ~region], films[:, ~region])


@pytest.mark.parametrize("corner", CORNERS)
def test_a_letter_stands_in_its_corner_and_can_be_found_and_removed(films: np.ndarray, corner: str) -> None:
    smooth = np.full_like(films, 60)
    lettered = with_letter(smooth, "R", corner)
    rows, columns = np.nonzero(lettered[0] != 60)
    assert (rows.max() < 40) == corner.startswith("upper")
    assert (columns.max() < 40) == corner.endswith("left")
    assert lettered.max() == 237
    assert without_letters(lettered).max() < 120, "the search for letters finds what the audit pastes in"


def test_films_stay_as_they_are(films: np.ndarray) -> None:
    before = films.copy()
    with_letter(films, "L", CORNERS[0])
    without_letters(films)
    fill(films, np.ones((128, 128), bool), 0.0)
    assert np.array_equal(films, before)
