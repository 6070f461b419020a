"""Copies of films as they come to exist outside: the changes that near duplicates must be found after."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
from PIL import Image

Change = Callable[[Image.Image, np.random.Generator], Image.Image]


def squeeze(film: Image.Image, rng: np.random.Generator) -> Image.Image:
    """JPEG of quality 50."""
    stream = BytesIO()
    film.save(stream, "JPEG", quality=50)
    return Image.open(stream).convert("L")


def scale(film: Image.Image, rng: np.random.Generator) -> Image.Image:
    """0.5 to 2 times the size."""
    return _resize(film, *[2 ** rng.uniform(-1, 1)] * 2)


def stretch(film: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Another aspect: 0.7 to 1.4 times as wide."""
    return _resize(film, 1.4 ** rng.uniform(-1, 1), 1)


def crop(film: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Up to 5 % of width and of height, divided at random between both edges."""
    return _crop(film, rng.uniform(0, 0.05, 2), rng)


def crop_most(film: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The whole 5 % of width and of height, divided at random between both edges."""
    return _crop(film, np.full(2, 0.05), rng)


def brighten(film: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Grey levels times 0.9 to 1.1."""
    return _grey(np.asarray(film) * rng.uniform(0.9, 1.1))


def lift(film: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Grey levels plus or minus up to 10 % of their range."""
    return _grey(np.asarray(film) + 255 * rng.uniform(-0.1, 0.1))


def flip(film: Image.Image, rng: np.random.Generator) -> Image.Image:
    return film.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def change_all(film: Image.Image, rng: np.random.Generator) -> Image.Image:
    for change in (scale, stretch, crop, brighten, flip, squeeze):
        film = change(film, rng)
    return film


def change_most(film: Image.Image, rng: np.random.Generator) -> Image.Image:
    """All together, with the whole 5 % cut."""
    for change in (scale, stretch, crop_most, brighten, flip, squeeze):
        film = change(film, rng)
    return film


CHANGES: dict[str, Change] = {
    "JPEG, quality 50": squeeze,
    "scaled 0.5 to 2": scale,
    "stretched 0.7 to 1.4": stretch,
    "cropped 0 to 5 %": crop,
    "cropped 5 %": crop_most,
    "brightness x 0.9 to 1.1": brighten,
    "brightness +-10 % of the range": lift,
    "flipped": flip,
    "all together": change_all,
    "all together, cropped 5 %": change_most,
}


def _resize(film: Image.Image, wide: float, high: float) -> Image.Image:
    return film.resize((max(1, round(film.width * wide)), max(1, round(film.height * high))), Image.Resampling.BICUBIC)


def _crop(film: Image.Image, share: np.ndarray, rng: np.random.Generator) -> Image.Image:
    cut = share * film.size
    left, top = rng.uniform(0, 1, 2) * cut
    right, bottom = film.width - (cut[0] - left), film.height - (cut[1] - top)
    return film.crop((round(left), round(top), round(right), round(bottom)))


def _grey(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.rint(values.clip(0, 255)).astype(np.uint8))
