"""Films as they should not be: turned, inverted, lateral, blank, or no chest at all."""

from collections.abc import Callable

import cv2
import numpy as np
import pandas as pd
from sklearn.datasets import load_sample_images

from hilum.data.prepared.geometry import Geometry, fit_square
from hilum.data.quality.oddities import list_odd_films


def print_page(rng: np.random.Generator, size: int) -> np.ndarray:
    """A page of text."""
    film = np.full((size, size), 240, np.uint8)
    for y in range(8, size, 7):
        cv2.putText(film, "".join(rng.choice(list("abcdefgh ijkl mnop"), 24)), (4, y), cv2.FONT_HERSHEY_SIMPLEX, 0.25, 20, 1)
    return film


def take_photo(rng: np.random.Generator, size: int) -> np.ndarray:
    """A part of a photograph of a temple."""
    picture = cv2.cvtColor(load_sample_images().images[0], cv2.COLOR_RGB2GRAY)
    top, left = rng.integers(0, 200), rng.integers(0, 400)
    return cv2.resize(picture[top : top + 220, left : left + 220], (size, size))


def paint_lateral(rng: np.random.Generator, size: int) -> np.ndarray:
    """A film from the side, painted by hand: nothing of it comes from the drawings that the search learns from."""
    canvas = np.zeros((200, 200), np.float32)

    def paint(corners: list[tuple[float, float]], change: float, soft: float) -> None:
        layer = np.zeros_like(canvas)
        moved = np.array(corners) + rng.normal(0, 0.012, (len(corners), 2))
        cv2.fillPoly(layer, [(200 * moved).round().astype(np.int32)], 1.0)
        canvas[:] += change * cv2.GaussianBlur(layer, (0, 0), soft)

    left = [(0.3, 0), (0.22, 0.2), (0.13, 0.4), (0.1, 0.7), (0.12, 1)]
    right = [(0.86, 1), (0.9, 0.7), (0.93, 0.4), (0.86, 0.15), (0.75, 0)]
    front, floor = [(0.42, 0.14), (0.26, 0.3), (0.2, 0.66)], [(0.38, 0.64), (0.55, 0.68), (0.7, 0.8)]
    back = [(0.8, 0.9), (0.84, 0.5), (0.72, 0.18)]
    before, behind = [(0.7, 0), (0.78, 0.2), (0.83, 0.5), (0.8, 1)], [(0.9, 1), (0.93, 0.5), (0.88, 0.2), (0.78, 0)]
    paint([*left, *right], 0.75, 5)  # trunk
    paint([(0.25, 0), (0.2, 0.14), (0.9, 0.14), (0.8, 0)], rng.uniform(0.1, 0.3), 6)  # raised arms and shoulders
    paint([*front, *floor, *back], -rng.uniform(0.35, 0.5), 4)  # lungs
    paint([(0.2, 0.68), (0.24, 0.46), (0.36, 0.42), (0.48, 0.52), (0.46, 0.68)], rng.uniform(0.15, 0.3), 6)  # heart
    paint([*before, *behind], rng.uniform(0.1, 0.25), 4)  # spine
    paint([(0.22, 0.2), (0.16, 0.45), (0.19, 0.45), (0.25, 0.2)], 0.15, 2)  # breastbone
    paint([(0.5, 0.4), (0.48, 0.5), (0.58, 0.5), (0.58, 0.4)], 0.1, 6)  # hila
    paint([(0.5, 0), (0.5, 0.35), (0.54, 0.35), (0.56, 0)], -0.12, 3)  # windpipe
    paint([(0.1, 0.72), (0.4, 0.68), (0.7, 0.82), (0.88, 0.95), (0.88, 1), (0.1, 1)], 0.15, 5)  # belly
    zoom, turn = rng.uniform(0.9, 1.2), rng.normal(0, 4)
    move = cv2.getRotationMatrix2D((100, 100), turn, zoom) + np.array([[0, 0, rng.normal(0, 6)], [0, 0, rng.normal(0, 6)]])
    film = cv2.resize(cv2.warpAffine(canvas, move, (200, 200), borderMode=cv2.BORDER_REPLICATE), (size, size))
    dark, bright = np.percentile(film, [rng.uniform(1, 15), rng.uniform(95, 99.8)])
    film = np.clip((film - dark) / (bright - dark), 0, 1) ** rng.uniform(0.7, 1.4) + rng.normal(0, 0.02, film.shape)
    return 255 * np.clip(film[:, :: rng.choice([-1, 1])], 0, 1)


CHANGES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "inverted": lambda film, rng: 255 - film,
    "rotated by 90 degrees": lambda film, rng: np.rot90(film, 1),
    "rotated by 180 degrees": lambda film, rng: np.rot90(film, 2),
    "rotated by 270 degrees": lambda film, rng: np.rot90(film, 3),
    "inverted and rotated by 180 degrees": lambda film, rng: 255 - np.rot90(film, 2),
    "blank": lambda film, rng: np.clip(rng.normal(90, 2, film.shape), 0, 255),
    "lateral": lambda film, rng: paint_lateral(rng, len(film)),
    "noise": lambda film, rng: rng.integers(0, 256, film.shape),
    "page": lambda film, rng: print_page(rng, len(film)),
    "photo": lambda film, rng: take_photo(rng, len(film)),
}
NO_CHEST = ("noise", "page", "photo")  # to be listed as unlike the others; the rest by their own name


def spoil(films: np.ndarray, change: str, places: np.ndarray, seed: int = 5) -> np.ndarray:
    """The films (N, size, size), those at the places changed."""
    rng = np.random.default_rng(seed)
    spoilt = films.copy()
    for place in places:
        spoilt[place] = CHANGES[change](films[place], rng).astype(np.uint8)
    return spoilt


def list_odd(films: np.ndarray, geometry: Geometry | None = None, **columns: object) -> pd.DataFrame:
    """`list_odd_films` for films (N, size, size) named s/0000 and on; columns: what their manifest says else than nothing."""
    names = [f"s/{i:04d}" for i in range(len(films))]
    manifest = pd.DataFrame({"image_id": names, "path": names, "patient_id": names, "source": "s", "view": "", **columns})
    size = films.shape[1]
    return list_odd_films(manifest, films, dict.fromkeys(names, geometry or fit_square(size, size, size, "pad")))
