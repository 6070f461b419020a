"""Odd films put among good ones are listed with the right reason, and few of the good ones are."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_sample_images

from hilum.data.images import Geometry, fit_square, prepare_film
from hilum.data.oddities import ODD, choose_shown, list_odd_films
from hilum.data.phantom import draw_films, draw_population

SIZE = 96


def list_odd(films: np.ndarray, geometry: Geometry | None = None, **columns: object) -> pd.DataFrame:
    names = [f"s/{i:04d}" for i in range(len(films))]
    manifest = pd.DataFrame({"image_id": names, "path": names, "patient_id": names, "source": "s", "view": "", **columns})
    size = films.shape[1]
    return list_odd_films(manifest, films, dict.fromkeys(names, geometry or fit_square(size, size, size, "pad")))


def page(rng: np.random.Generator, size: int) -> np.ndarray:
    """A page of text."""
    film = np.full((size, size), 240, np.uint8)
    for y in range(8, size, 7):
        cv2.putText(film, "".join(rng.choice(list("abcdefgh ijkl mnop"), 24)), (4, y), cv2.FONT_HERSHEY_SIMPLEX, 0.25, 20, 1)
    return film


def photo(rng: np.random.Generator, size: int) -> np.ndarray:
    picture = cv2.cvtColor(load_sample_images().images[0], cv2.COLOR_RGB2GRAY)
    top, left = rng.integers(0, 200), rng.integers(0, 400)
    return cv2.resize(picture[top : top + 220, left : left + 220], (size, size))


CHANGES = {
    "inverted": lambda film, rng: 255 - film,
    "rotated by 90 degrees": lambda film, rng: np.rot90(film, 1),
    "rotated by 180 degrees": lambda film, rng: np.rot90(film, 2),
    "rotated by 270 degrees": lambda film, rng: np.rot90(film, 3),
    "inverted and rotated by 180 degrees": lambda film, rng: 255 - np.rot90(film, 2),
    "blank": lambda film, rng: np.clip(rng.normal(90, 2, film.shape), 0, 255),
    "noise": lambda film, rng: rng.integers(0, 256, film.shape),
    "page": lambda film, rng: page(rng, len(film)),
    "photo": lambda film, rng: photo(rng, len(film)),
}


def spoil(films: np.ndarray, change: str, places: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(5)
    spoilt = films.copy()
    for place in places:
        spoilt[place] = CHANGES[change](films[place], rng).astype(np.uint8)
    return spoilt


@pytest.fixture(scope="module")
def chests() -> np.ndarray:
    shares = {"normal": 0.36, "bacterial": 0.36, "viral": 0.28}
    rng = np.random.default_rng(8)
    rows = draw_population(rng, films=90, findings=shares, shortcut_finding="viral", shortcut_strength=0.0)
    return np.concatenate([draw_films(rows.iloc[i : i + 2], size=SIZE, shortcut_kind="none").films for i in range(0, 90, 2)])


@pytest.fixture(scope="module")
def children(shared: Path) -> np.ndarray:
    files = sorted((shared / "data" / "pediatric-pneumonia" / "train").rglob("*.jpeg"))
    chosen = np.random.default_rng(4).choice(len(files), 200, replace=False)
    return np.stack([prepare_film(files[i], SIZE, "pad")[0] for i in sorted(chosen)])


def check(films: np.ndarray, change: str, share: float) -> None:
    """At least this share of ten spoilt films is listed for its reason, and at most 2 % of the others is listed at all."""
    places = np.random.default_rng(6).choice(len(films), 10, replace=False)
    odd = list_odd(spoilt := spoil(films, change, places)).set_index("image_id")["reason"]
    names = [f"s/{i:04d}" for i in places]
    wanted = change if change not in ("noise", "page", "photo") else "unlike the others"
    assert (odd.reindex(names) == wanted).sum() >= share * len(places)
    assert len(set(odd.index) - set(names)) <= 0.02 * len(spoilt)


@pytest.mark.parametrize("change", CHANGES)
def test_spoilt_phantom_films_are_listed_with_their_reason(chests: np.ndarray, change: str) -> None:
    check(chests, change, 1.0)


@pytest.mark.parametrize("change", CHANGES)
def test_spoilt_real_films_are_listed_with_their_reason(children: np.ndarray, change: str) -> None:
    check(children, change, 0.9)


def test_few_films_of_a_good_set_are_listed(chests: np.ndarray, children: np.ndarray) -> None:
    assert len(list_odd(chests)) == 0
    assert len(list_odd(children)) <= 0.02 * len(children)


def test_a_view_that_says_lateral_is_listed_and_teaches_nobody(chests: np.ndarray) -> None:
    views = ["PA"] * 84 + ["L", "Lateral", "ll", "LATERAL", "AP", "LAO"]
    odd = list_odd(chests, view=views)
    assert odd["image_id"].tolist() == ["s/0084", "s/0085", "s/0086", "s/0087"]
    assert set(odd["reason"]) == {"lateral"}


def test_sources_are_judged_by_themselves(chests: np.ndarray) -> None:
    upside_down = np.concatenate([chests[:60], np.rot90(chests[60:], 2, (1, 2))])
    assert len(list_odd(upside_down, source=["a"] * 60 + ["b"] * 30)) == 0


def test_padding_is_no_part_of_the_film(chests: np.ndarray) -> None:
    narrow = np.zeros_like(chests)
    narrow[:, :, 24:72] = [cv2.resize(film, (48, SIZE), interpolation=cv2.INTER_AREA) for film in chests]
    narrow[3, :, 24:72] = 255 - narrow[3, :, 24:72]
    odd = list_odd(narrow, fit_square(500, 1000, SIZE, "pad"))
    assert odd[["image_id", "reason"]].to_numpy().tolist() == [["s/0003", "inverted"]]


def test_few_films_are_judged_by_what_needs_no_others(chests: np.ndarray) -> None:
    films = chests[:4].copy()
    films[1], films[2] = 255 - films[1], 77
    odd = list_odd(films)
    assert list(odd.columns) == list(ODD)
    assert odd[["image_id", "reason", "score"]].to_numpy().tolist() == [["s/0002", "blank", 1.0]]


def test_the_shown_films_take_every_reason_in_turn() -> None:
    odd = pd.DataFrame(
        {
            "image_id": list("abcde"),
            "reason": ["blank", "blank", "blank", "inverted", "lateral"],
            "score": [1, 0.9, 0.8, 0.7, 0.6],
        }
    )
    assert choose_shown(odd, 4) == ["a", "d", "e", "b"]
