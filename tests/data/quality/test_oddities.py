"""Odd films put among good ones are listed with the right reason, and few of the good ones are."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from spoilt_films import CHANGES, NO_CHEST, list_odd, paint_lateral, spoil

from hilum.data.decoding.images import prepare_film
from hilum.data.phantom.phantom import draw_films
from hilum.data.phantom.population import draw_population
from hilum.data.prepared.geometry import fit_square
from hilum.data.quality.oddities import ODD

SIZE = 96


@pytest.fixture(scope="module")
def chests() -> np.ndarray:
    shares = {"normal": 0.36, "bacterial": 0.36, "viral": 0.28}
    rng = np.random.default_rng(8)
    rows = draw_population(rng, films=110, findings=shares, shortcut_finding="viral", shortcut_strength=0.0)
    return np.concatenate([draw_films(rows.iloc[i : i + 2], size=SIZE, shortcut_kind="none").films for i in range(0, 110, 2)])


@pytest.fixture(scope="module")
def children(shared: Path) -> np.ndarray:
    files = sorted((shared / "data" / "pediatric-pneumonia" / "train").rglob("*.jpeg"))
    chosen = np.random.default_rng(4).choice(len(files), 400, replace=False)
    return np.stack([prepare_film(files[i], SIZE, "pad")[0] for i in sorted(chosen)])


def check(films: np.ndarray, change: str, share: float) -> None:
    """At least this share of ten spoilt films is listed for its reason, and at most 2 % of the others is listed at all."""
    places = np.random.default_rng(6).choice(len(films), 10, replace=False)
    odd = list_odd(spoilt := spoil(films, change, places)).set_index("image_id")["reason"]
    names = [f"s/{i:04d}" for i in places]
    wanted = change if change not in NO_CHEST else "unlike the others"
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


def test_a_film_with_a_lateral_view_is_listed_and_is_no_example(chests: np.ndarray) -> None:
    views = ["PA"] * 104 + ["L", "Lateral", "ll", "LATERAL", "AP", "LAO"]
    odd = list_odd(chests, view=views)
    assert odd["image_id"].tolist() == ["s/0104", "s/0105", "s/0106", "s/0107"]
    assert set(odd["reason"]) == {"lateral"}


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_lateral_films_without_a_view_are_found_though_they_are_many(children: np.ndarray, share: float) -> None:
    rng, films = np.random.default_rng(7), children.copy()
    places = rng.choice(len(films), round(share * len(films)), replace=False)
    films[places] = [paint_lateral(rng, SIZE) for _ in places]
    odd = list_odd(films).set_index("image_id")["reason"]
    names = [f"s/{i:04d}" for i in places]
    assert (odd.reindex(names) == "lateral").mean() >= 0.7
    assert odd.reindex(names).notna().mean() >= 0.75
    assert len(set(odd.index) - set(names)) <= 0.02 * len(films)


def test_a_given_view_is_trusted(chests: np.ndarray) -> None:
    films = spoil(chests, "lateral", np.arange(10))
    assert "lateral" not in set(list_odd(films, view="PA")["reason"])
    assert (list_odd(films)["reason"] == "lateral").sum() == 10


def test_films_without_a_view_are_classified_by_their_pixels(chests: np.ndarray) -> None:
    odd = list_odd(spoil(chests, "lateral", np.arange(10)), view=["PA", ""] * 55)
    untold = odd[odd["reason"] == "lateral"]
    assert sorted(untold["image_id"]) == [f"s/{i:04d}" for i in (1, 3, 5, 7, 9)]


def test_films_of_one_patient_are_compared_with_each_other(children: np.ndarray) -> None:
    odd = list_odd(spoil(children, "lateral", np.arange(20)), patient_id="p").set_index("image_id")["reason"]
    names = [f"s/{i:04d}" for i in range(20)]
    assert (odd.reindex(names) == "lateral").mean() >= 0.7
    assert len(set(odd.index) - set(names)) <= 0.02 * len(children)


@pytest.mark.parametrize("first", [11, 10])
def test_one_more_patient_with_one_or_two_films_is_no_fault(chests: np.ndarray, first: int) -> None:
    assert len(list_odd(chests[:12], patient_id=["a"] * first + ["b"] * (12 - first))) == 0


def test_a_small_set_does_not_say_which_films_are_lateral(chests: np.ndarray) -> None:
    films = spoil(chests, "lateral", np.arange(5))
    assert "lateral" not in set(list_odd(films[:99])["reason"])
    assert "lateral" in set(list_odd(films[:100])["reason"])


def test_sources_are_evaluated_separately(chests: np.ndarray) -> None:
    upside_down = np.concatenate([chests[:60], np.rot90(chests[60:], 2, (1, 2))])
    assert len(list_odd(upside_down, source=["a"] * 60 + ["b"] * 50)) == 0


def test_padding_is_no_part_of_the_film(chests: np.ndarray) -> None:
    narrow = np.zeros_like(chests)
    narrow[:, :, 24:72] = [cv2.resize(film, (48, SIZE), interpolation=cv2.INTER_AREA) for film in chests]
    narrow[3, :, 24:72] = 255 - narrow[3, :, 24:72]
    odd = list_odd(narrow, fit_square(500, 1000, SIZE, "pad"))
    assert odd[["image_id", "reason"]].to_numpy().tolist() == [["s/0003", "inverted"]]


def test_few_films_are_checked_only_for_what_needs_no_others(chests: np.ndarray) -> None:
    films = chests[:4].copy()
    films[1], films[2] = 255 - films[1], 77
    odd = list_odd(films)
    assert list(odd.columns) == list(ODD)
    assert odd[["image_id", "reason", "score"]].to_numpy().tolist() == [["s/0002", "blank", 1.0]]
