"""Films with a name and a date of birth burned into them: every size, font, weight, angle, contrast and place."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIZES = (0.014, 0.02, 0.03, 0.045, 0.07)  # height of a capital letter, share of the film's longer side
FONTS = ("sans", "sans bold", "serif", "mono", "italic", "strokes", "strokes bold")
ANGLES = (0, 5, -12, 30, 90)  # degrees, anticlockwise
CONTRASTS = ("strong", "weak", "black")  # white on what is there; 50 grey levels above it; black on a bright bar
PLACES = ("corner", "edge", "middle")
FILES = {
    "sans": "DejaVuSans.ttf",
    "sans bold": "DejaVuSans-Bold.ttf",
    "serif": "DejaVuSerif.ttf",
    "mono": "DejaVuSansMono.ttf",
    "italic": "DejaVuSans-Oblique.ttf",
}
WEAK = 50  # grey levels between the letters and the brightest tenth of what is around them
NAMES = ["MEYER", "KRAUSE", "SCHMIDT", "LOPEZ", "ROSSI", "NOWAK", "DUBOIS", "JANSEN", "PETROV", "OLSEN", "WALKER", "FISCHER"]
GIVEN = ["ANNA", "PETER", "MARIA", "JOHN", "LUIS", "ERIKA", "PAULA", "TOM", "NINA", "OSCAR", "HELENE", "VIKTOR"]


@dataclass(frozen=True)
class Writing:
    """How a name and a date stand on a film, by the words of SIZES, FONTS, ANGLES, CONTRASTS and PLACES; text: its lines."""

    size: float
    font: str
    angle: int
    contrast: str
    place: str
    text: tuple[str, ...]


def choose_writings(count: int, seed: int) -> list[Writing]:
    """So many writings; each value of each property comes equally often, in an order drawn by lot."""
    rng = np.random.default_rng(seed)
    columns = [
        rng.permutation([values[i % len(values)] for i in range(count)]) for values in (SIZES, FONTS, ANGLES, CONTRASTS, PLACES)
    ]
    return [
        Writing(float(size), str(font), int(angle), str(contrast), str(place), _choose_text(rng))
        for size, font, angle, contrast, place in zip(*columns, strict=True)
    ]


def _choose_text(rng: np.random.Generator) -> tuple[str, ...]:
    name = f"{rng.choice(NAMES)}, {rng.choice(GIVEN)}"
    day, month, year = rng.integers(1, 29), rng.integers(1, 13), rng.integers(1935, 2024)
    dates = (f"{day:02d}.{month:02d}.{year}", f"{year}-{month:02d}-{day:02d}", f"{day:02d}/{month:02d}/{year}")
    number = f"ID {rng.integers(100000, 999999)}"
    lines = (name, f"DOB {rng.choice(dates)}" if rng.random() < 0.5 else str(rng.choice(dates)), number)
    return lines[: int(rng.choice([1, 2, 2, 3]))]


def write_on(film: np.ndarray, writing: Writing, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The film (H, W) uint8 with the writing on it, and where its letters are, (H, W) bool; the whole writing is on the film.

    A writing that is too long for the film is set smaller.
    """
    rng = np.random.default_rng(seed)
    block = _turn(_set_lines(writing, max(8, round(writing.size * max(film.shape)))), writing.angle)  # 0 to 1
    room = min(1.0, 0.94 * film.shape[0] / block.shape[0], 0.94 * film.shape[1] / block.shape[1])
    if room < 1:
        block = cv2.resize(block, None, fx=room, fy=room, interpolation=cv2.INTER_AREA)
    top, left = _find_corner(film.shape, block.shape, writing.place, rng)
    rows, columns = slice(top, top + block.shape[0]), slice(left, left + block.shape[1])
    written = film.astype(np.float32)
    behind = written[rows, columns]
    if writing.contrast == "black":
        bar = _turn(np.ones(_set_lines(writing, max(8, round(writing.size * max(film.shape)))).shape, np.float32), writing.angle)
        bar = cv2.resize(bar, block.shape[::-1], interpolation=cv2.INTER_AREA)
        behind = behind * (1 - bar) + 235 * bar
        ink = np.full_like(behind, 8)
    elif writing.contrast == "weak":
        ink = np.full_like(behind, min(255.0, float(np.percentile(behind, 90)) + WEAK))
    else:
        ink = np.full_like(behind, 250)
    written[rows, columns] = behind * (1 - block) + ink * block
    there = np.zeros(film.shape, bool)
    there[rows, columns] = block > 0.4
    return written.round().clip(0, 255).astype(np.uint8), there


def _set_lines(writing: Writing, capital: int) -> np.ndarray:
    """The lines as a picture, 0 to 1, with a margin of half a capital around them."""
    lines = [_set_line(line, writing.font, capital) for line in writing.text]
    margin = capital // 2
    step = round(1.7 * capital)
    block = np.zeros((2 * margin + step * (len(lines) - 1) + round(1.4 * capital), 2 * margin + max(x.shape[1] for x in lines)))
    for i, line in enumerate(lines):
        top = margin + i * step
        line = line[: block.shape[0] - top]
        block[top : top + line.shape[0], margin : margin + line.shape[1]] += line
    return block.clip(0, 1).astype(np.float32)


def _set_line(line: str, font: str, capital: int) -> np.ndarray:
    """A line whose capitals are so many pixels high, 0 to 1; the capitals begin at its top."""
    if font.startswith("strokes"):
        face = cv2.FONT_HERSHEY_SIMPLEX
        weight = max(1, round(capital / (6 if font.endswith("bold") else 11)))
        scale = capital / cv2.getTextSize("H", face, 1.0, 1)[0][1]
        (width, height), below = cv2.getTextSize(line, face, scale, weight)
        page = np.zeros((height + below + 2 * weight, width + 2 * weight), np.uint8)
        cv2.putText(page, line, (weight, height + weight), face, scale, 255, weight, cv2.LINE_AA)
    else:
        face = _load_font(font, round(capital / 0.729))
        left, top, right, bottom = face.getbbox(line)
        page = Image.new("L", (int(right - left) + 4, int(bottom - top) + 4))
        ImageDraw.Draw(page).text((2 - left, 2 - top), line, 255, face)
        page = np.asarray(page)
    rows = np.flatnonzero(page.any(1))
    return page[rows[0] : rows[-1] + 1].astype(np.float32) / 255


@cache
def _load_font(font: str, points: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / FILES[font], points)


def _turn(block: np.ndarray, angle: int) -> np.ndarray:
    """The block turned about its middle, on as much room as it then needs."""
    if angle % 90 == 0:
        return np.ascontiguousarray(np.rot90(block, angle // 90))
    height, width = block.shape
    move = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    wide = round(height * abs(move[0, 1]) + width * abs(move[0, 0]))
    high = round(height * abs(move[0, 0]) + width * abs(move[0, 1]))
    move[:, 2] += (wide - width) / 2, (high - height) / 2
    return cv2.warpAffine(block, move, (wide, high), flags=cv2.INTER_LINEAR).clip(0, 1)


def _find_corner(film: tuple[int, ...], block: tuple[int, ...], place: str, rng: np.random.Generator) -> tuple[int, int]:
    """Top and left of a block of that shape on a film of that shape."""
    free = np.array(film) - block
    near = (0.02 * np.array(film)).round().astype(int).clip(0, free)
    ends = np.where(rng.random(2) < 0.5, near, free - near)
    anywhere = rng.integers(near, free - near + 1) if (free > 2 * near).all() else free // 2
    if place == "corner":
        return int(ends[0]), int(ends[1])
    if place == "edge":
        along = int(rng.integers(2))
        ends[along] = anywhere[along]
        return int(ends[0]), int(ends[1])
    middle = (free * rng.uniform(0.35, 0.65, 2)).round().astype(int)
    return int(middle[0]), int(middle[1])
