"""Marks that a study plants outside the lungs: letters, words, tags, borders, stripes, textures, corners, drawn at random.

A mark has a kind, place, size, level of grey and contrast, the same for all films of a network; in each film it is shifted a
little, and a texture is drawn anew. The kinds of FREEZE and of SCORE have nothing in common.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

FREEZE = ("letter", "border", "corner", "grain")
SCORE = ("word", "tag", "stripes", "bar", "disc", "weave")
SHIFTS = 12  # different shifts of a mark
MIDDLE = 127.5  # a grey level that changes nothing where a mark is added
CENTRE = (0.5, 0.48, 0.40, 0.36)  # of the side: middle (x, y) and half axes (x, y) of what a texture leaves out, about the lungs
WORDS = ("PORT", "SUPINE", "AP", "ERECT", "ICU", "MOB", "SEMI")


@dataclass(frozen=True)
class Mark:
    """covers: (S, H, W) share of a film that the mark replaces, one of S shifts; level: (S, H, W) its grey levels 0-255.

    added: a texture adds its levels less MIDDLE to a film. place: (H, W) pixels that the mark covers in any film.
    """

    covers: NDArray[np.float32]
    level: NDArray[np.float32]
    added: bool

    @property
    def place(self) -> NDArray[np.bool_]:
        return np.asarray((self.covers > 0.02).any(axis=0))


Drawn = tuple[NDArray[np.float32], NDArray[np.float32]]


def draw_mark(kind: str, size: int, seed: int) -> Mark:
    """A mark of this kind for films of size x size; seed: of its place, size, level and contrast."""
    rng = np.random.default_rng(seed)
    texture = kind in TEXTURES
    cover, level = KINDS[kind](size, np.random.default_rng(seed + 1))
    contrast = 1.0 if texture else rng.uniform(0.4, 1.0)
    reach = 0 if texture or kind in ("border", "bar") else round(size * rng.choice([0.0, 0.015, 0.03]))
    covers, levels = [], []
    for _ in range(SHIFTS):
        if kind == "grain":
            cover, level = _grain(size, np.random.default_rng(seed + 1), rng)
        shift = tuple(rng.integers(-reach, reach + 1, size=2))
        covers.append(np.roll(cover, shift, axis=(0, 1)) * contrast)
        levels.append(np.roll(level, shift, axis=(0, 1)))
    return Mark(np.stack(covers).astype(np.float32), np.stack(levels).astype(np.float32), texture)


def plant(films: NDArray[np.uint8], marked: NDArray[np.bool_], mark: Mark, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Films (N, H, W) with the mark in those of `marked` (N,), each time with one of its shifts."""
    at = rng.integers(SHIFTS, size=len(films))
    found = films.copy()
    for i in np.flatnonzero(marked):
        own, cover, level = films[i].astype(np.float32), mark.covers[at[i]], mark.level[at[i]]
        changed = own + cover * (level - (MIDDLE if mark.added else own))
        found[i] = np.clip(np.rint(changed), 0, 255).astype(np.uint8)
    return found


def _bright(rng: np.random.Generator) -> float:
    return float(rng.uniform(215, 250) if rng.random() < 0.75 else rng.uniform(0, 25))


def _corner_of(tall: int, wide: int, size: int, rng: np.random.Generator) -> tuple[int, int]:
    """Top and left of a box near one of the corners or the upper edge."""
    margin = round(size * rng.uniform(0.02, 0.07))
    top = margin if rng.random() < 0.65 else size - margin - tall
    left = [margin, size - margin - wide, (size - wide) // 2][rng.choice(3, p=[0.42, 0.42, 0.16])]
    return top, max(0, left)


def _text(text: str, height: float, size: int, rng: np.random.Generator) -> Drawn:
    """Text of a height, as a share of the side."""
    scale = 8
    font = ImageFont.load_default(max(6, round(height * size * scale * 1.35)))
    left, up, right, down = font.getbbox(text)
    drawn = Image.new("L", (int(right - left), int(down - up)))
    ImageDraw.Draw(drawn).text((-left, -up), text, fill=255, font=font)
    tall = max(3, round(drawn.height / scale))
    wide = max(2, round(drawn.width / scale))
    glyph = np.asarray(drawn.resize((wide, tall), Image.Resampling.BOX), np.float32) / 255
    wide = min(wide, size - 2)
    cover = np.zeros((size, size), np.float32)
    top, at = _corner_of(tall, wide, size, rng)
    cover[top : top + tall, at : at + wide] = glyph[:, :wide]
    return cover, np.full((size, size), _bright(rng), np.float32)


def _letter(size: int, rng: np.random.Generator) -> Drawn:
    return _text(str(rng.choice(list("RLAPX"))), rng.uniform(0.055, 0.13), size, rng)


def _word(size: int, rng: np.random.Generator) -> Drawn:
    return _text(str(rng.choice(WORDS)), rng.uniform(0.04, 0.075), size, rng)


def _border(size: int, rng: np.random.Generator) -> Drawn:
    """A frame on one to four sides."""
    wide = max(1, round(size * rng.uniform(0.012, 0.05)))
    cover = np.zeros((size, size), np.float32)
    for side in rng.permutation(4)[: rng.integers(1, 5)]:
        turned = np.rot90(cover, int(side))
        turned[:wide] = 1
    return cover, np.full((size, size), _bright(rng), np.float32)


def _corner(size: int, rng: np.random.Generator) -> Drawn:
    """One corner cut off."""
    leg = rng.uniform(0.08, 0.22) * size
    down, right = np.mgrid[:size, :size]
    cover = np.rot90((down + right < leg).astype(np.float32), int(rng.integers(4)))
    return cover, np.full((size, size), _bright(rng), np.float32)


def _tag(size: int, rng: np.random.Generator) -> Drawn:
    """A label: a filled box with dark lines of writing, or its outline."""
    tall, wide = round(size * rng.uniform(0.05, 0.1)), round(size * rng.uniform(0.1, 0.22))
    top, left = _corner_of(tall, wide, size, rng)
    cover, level = np.zeros((size, size), np.float32), np.full((size, size), _bright(rng), np.float32)
    cover[top : top + tall, left : left + wide] = 1
    if rng.random() < 0.4:
        cover[top + 1 : top + tall - 1, left + 1 : left + wide - 1] = 0
    else:
        level[top + 1 : top + tall - 1 : 3, left + 1 : left + wide - 1] = 255 - level[0, 0]
    return cover, level


def _stripes(size: int, rng: np.random.Generator) -> Drawn:
    """Parallel lines in a band along one side."""
    deep, period = round(size * rng.uniform(0.06, 0.14)), rng.uniform(0.03, 0.06) * size
    down, right = np.mgrid[:size, :size]
    waves = (np.floor((down if rng.random() < 0.5 else right) / (period / 2)) % 2).astype(np.float32)
    cover = np.where(down < deep, waves, 0).astype(np.float32)
    return np.rot90(cover, int(rng.integers(4))), np.full((size, size), _bright(rng), np.float32)


def _bar(size: int, rng: np.random.Generator) -> Drawn:
    """A thick line along a part of one side, as an edge of the collimator makes it."""
    wide, start, length = round(size * rng.uniform(0.02, 0.06)), rng.uniform(0, 0.4), rng.uniform(0.35, 0.6)
    cover = np.zeros((size, size), np.float32)
    cover[:wide, round(start * size) : round((start + length) * size)] = 1
    return np.rot90(cover, int(rng.integers(4))), np.full((size, size), _bright(rng), np.float32)


def _disc(size: int, rng: np.random.Generator) -> Drawn:
    """A small disc or ring of lead."""
    radius = size * rng.uniform(0.025, 0.05)
    side = int(np.ceil(2 * radius)) + 1
    down, right = np.mgrid[:side, :side]
    away = np.hypot(down - side / 2 + 0.5, right - side / 2 + 0.5)
    shape = np.clip(radius - away + 0.5, 0, 1)
    if rng.random() < 0.4:
        shape *= np.clip(away - 0.5 * radius + 0.5, 0, 1)
    cover = np.zeros((size, size), np.float32)
    top, left = _corner_of(side, side, size, rng)
    cover[top : top + side, left : left + side] = shape
    return cover, np.full((size, size), _bright(rng), np.float32)


def _margin(size: int) -> NDArray[np.float32]:
    """1 in the margin around an ellipse about the lungs, softly 0 in it."""
    down, right = np.mgrid[:size, :size] / size
    x, y, wide, tall = CENTRE
    return gaussian_filter((((right - x) / wide) ** 2 + ((down - y) / tall) ** 2 > 1).astype(np.float32), 0.02 * size)


def _grain(size: int, own: np.random.Generator, film: np.random.Generator) -> Drawn:
    """Noise in the margin, new in each film; own: of its strength and grain."""
    strength, sigma = own.uniform(6, 22), own.choice([0.0, 0.7, 1.2])
    noise = film.standard_normal((size, size))
    noise = gaussian_filter(noise, sigma) if sigma else noise
    return _margin(size), (MIDDLE + strength * noise / noise.std()).astype(np.float32)


def _weave(size: int, rng: np.random.Generator) -> Drawn:
    """Waves along both sides in the margin."""
    strength, period, turn = rng.uniform(5, 18), rng.uniform(0.035, 0.09) * size, rng.uniform(0, np.pi)
    down, right = np.mgrid[:size, :size]
    along, across = np.cos(turn) * right + np.sin(turn) * down, np.cos(turn) * down - np.sin(turn) * right
    waves = np.sin(2 * np.pi * along / period) + np.sin(2 * np.pi * across / period)
    return _margin(size), (MIDDLE + strength * waves).astype(np.float32)


KINDS: dict[str, Callable[[int, np.random.Generator], Any]] = {
    "letter": _letter,
    "border": _border,
    "corner": _corner,
    "grain": lambda size, rng: _grain(size, rng, rng),
    "word": _word,
    "tag": _tag,
    "stripes": _stripes,
    "bar": _bar,
    "disc": _disc,
    "weave": _weave,
}
TEXTURES = ("grain", "weave")
