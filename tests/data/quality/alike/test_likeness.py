import numpy as np
import pandas as pd
import pytest

from hilum.data.prepared.geometry import resize_film, square_film
from hilum.data.quality.alike.likeness import CANVAS, change, describe, lay_on_canvas, mirror_descriptions, shortlist


@pytest.fixture(scope="module")
def canvases() -> np.ndarray:
    """200 smooth random films that all share a bright middle, as chests do."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:CANVAS, :CANVAS] / CANVAS
    films = 3 * np.cos(np.pi * (x - 0.5))[None] + np.zeros((200, 1, 1))
    for _ in range(40):
        fx, fy, phase = rng.uniform(-6, 6, (3, 200, 1, 1))
        films = films + 0.25 * np.cos(2 * np.pi * (fx * x + fy * y + phase))
    return np.clip(60 + 30 * films, 0, 255).round().astype(np.uint8)


def test_the_content_of_a_padded_film_fills_the_canvas() -> None:
    wide = np.random.default_rng(1).integers(30, 255, (100, 160), np.uint8)
    padded = resize_film(square_film(wide, "pad"), 128)
    sizes = pd.DataFrame({"width": [160], "height": [100]})
    canvas = lay_on_canvas(padded[None], sizes, "pad")
    assert canvas.shape == (1, CANVAS, CANVAS)
    assert canvas.min() > 20  # no black of the padding
    stretched = lay_on_canvas(resize_film(wide, 128)[None], sizes, "stretch")
    assert np.corrcoef(canvas.ravel(), stretched.ravel())[0, 1] > 0.9


def test_a_very_flat_film_still_has_a_canvas() -> None:
    films = np.full((1, 32, 32), 9, np.uint8)
    assert lay_on_canvas(films, pd.DataFrame({"width": [4000], "height": [3]}), "pad").shape == (1, CANVAS, CANVAS)


def test_a_mirrored_description_is_that_of_the_mirrored_film(canvases: np.ndarray) -> None:
    plain, mirrored = describe(canvases[:20], 1), describe(np.ascontiguousarray(canvases[:20, :, ::-1]), 1)
    np.testing.assert_allclose(mirror_descriptions(plain), mirrored, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(plain, axis=1), 1, atol=1e-4)


def test_changed_copies_are_listed_and_the_list_grows_with_the_films_only(canvases: np.ndarray) -> None:
    rng = np.random.default_rng(2)
    copies = [change(canvas, rng) for canvas in canvases[:40]]
    copies[::2] = [copy[:, ::-1] for copy in copies[::2]]
    films = np.concatenate([canvases, np.stack(copies)])
    listed = shortlist(films, seed=0, workers=2)
    named = set(zip(listed.one.tolist(), listed.other.tolist(), listed.mirrored.tolist(), strict=True))
    assert all((row, 200 + row, row % 2 == 0) in named for row in range(40))
    assert (listed.one < listed.other).all()
    assert len(named) == len(listed.one) <= 8 * len(films)


def test_the_list_is_the_same_for_any_number_of_workers(canvases: np.ndarray) -> None:
    first, second = shortlist(canvases, 0, 1), shortlist(canvases, 0, 4)
    assert first.one.tolist() == second.one.tolist()
    assert first.other.tolist() == second.other.tolist()


def test_one_film_has_no_candidates(canvases: np.ndarray) -> None:
    assert len(shortlist(canvases[:1], 0, 1).one) == 0
