"""Where bright letters are burned into a film."""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

# Properties of a letter, in shares of the film's longer side and grey levels; set on 100 pediatric films reviewed by eye.
SIDE = 256  # a film with a longer side is reduced to this before the search
STROKE = 0.035  # structures thinner than this stand out of their surroundings
STEPS = (18, 28, 42, 64, 90, 120)  # grey levels above the surroundings at which connected pixels are examined
HEIGHT = (0.022, 0.14)
WIDTH = (0.008, 0.10)
LEAST = (3, 5)  # width and height in pixels: smaller ones are unreadable
ASPECT = (0.18, 1.6)  # width by height
FILLED = (0.2, 0.85)  # share of its box that is letter
FROM_EDGE = 0.15  # distance of its middle from the nearest edge, at most
CONTRAST = 38.0  # letter's mean above the mean of a frame of two pixels around it
GAP = 18.0  # letter's mean above the 95th percentile of that frame: bones and tubes continue beyond it, letters end
SHAPE = 0.40  # correlation with the most similar known letter
GAP_AND_SHAPE = 0.72  # GAP / 100 + SHAPE: a weaker contrast needs a better shape
EDGE = 0.05  # closer than this to an edge, where no rib is seen end-on, SHAPE is enough for every known letter
INNER = {"R": SHAPE, "L": 0.65, "A": 0.65, "P": 0.65, "D": 0.65}  # letter -> correlation required farther in
BLURS = (0.0, 0.06, 0.12)  # of a letter's height: small ones lose their holes

CELL = 16  # letters are compared on a grid of this many pixels a side, so stretching does not matter


def find_letters(grey: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Boxes (M, 4) of x, y, width, height in pixels of a film (H, W) uint8, around bright letters near its edges.

    A white top-hat keeps what is brighter than its surroundings and thinner than a bone; connected pixels at several levels are
    letters if size, contrast with a frame around them and similarity to a letter agree. Sizes are relative to the film.

    Source: white top-hat, Serra, Image Analysis and Mathematical Morphology, 1982.
    """
    film = _reduce(grey)
    side = max(film.shape)
    stroke = round(STROKE * side) | 1
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (stroke, stroke))
    hat = cv2.morphologyEx(film, cv2.MORPH_TOPHAT, brush, borderType=cv2.BORDER_REPLICATE).astype(np.uint8)
    levels = [cv2.threshold(hat, step, 1, cv2.THRESH_BINARY)[1] for step in STEPS]
    labelled = [cv2.connectedComponentsWithStats(one, connectivity=8, ltype=cv2.CV_16U) for one in levels]  # 32: 3 times slower
    level = np.repeat(np.arange(len(STEPS)), [one[0] for one in labelled])
    label = np.concatenate([np.arange(one[0]) for one in labelled])
    stats = np.concatenate([one[2] for one in labelled]).astype(np.int32)
    middles = np.concatenate([one[3] for one in labelled]).astype(np.float64)
    fits = np.flatnonzero(_fits(stats, middles, film.shape) & (label > 0))
    frames = _frame_means(film, stats[fits])
    near = _distances(middles[fits], film.shape) < EDGE * side
    found = []
    for row, frame, at_edge in zip(fits, frames, near, strict=True):
        x, y, width, height = stats[row, :4].tolist()
        box = slice(y, y + height), slice(x, x + width)
        part = (np.asarray(labelled[level[row]][1])[box] == label[row]).view(np.uint8)
        inside = cv2.mean(film[box], part)[0]
        if inside - frame >= CONTRAST and _is_letter(film, hat, inside, x, y, width, height, at_edge):  # most fail the first
            found.append((x, y, x + width, y + height))
    corners = np.array(_join(found), np.float64).reshape(-1, 4)  # (M, 4)
    boxes = np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]])  # (M, 4)
    return boxes * np.tile((grey.shape[1] / film.shape[1], grey.shape[0] / film.shape[0]), 2)


def _reduce(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    share = SIDE / max(grey.shape)
    if share >= 1:
        return grey
    width, height = max(1, round(grey.shape[1] * share)), max(1, round(grey.shape[0] * share))
    return cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)


def _fits(stats: NDArray[np.int32], middles: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which connected parts have a letter's size and place; one in a corner is cloth or the end of a collimator."""
    left, top, width, height, area = stats.T.astype(float)
    side = max(shape)
    touches = np.stack([left == 0, top == 0, left + width == shape[1], top + height == shape[0]]).sum(0)
    fits = (touches < 2) & (width >= LEAST[0]) & (height >= LEAST[1]) & (_distances(middles, shape) <= FROM_EDGE * side)
    for values, (low, high) in (
        (height / side, HEIGHT),
        (width / side, WIDTH),
        (width / height, ASPECT),
        (area / (width * height), FILLED),
    ):
        fits &= (values >= low) & (values <= high)
    return fits


def _distances(middles: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Distance of each middle (N, 2) from the nearest edge, pixels."""
    return np.minimum(middles, np.array([shape[1], shape[0]]) - middles).min(1)


def _frame_means(film: NDArray[np.uint8], stats: NDArray[np.int32]) -> NDArray[np.float64]:
    """Mean of a frame of two pixels, as far as the film goes, around each box (N, 5) of x, y, width, height and area."""
    sums = cv2.integral(film).astype(np.int64)
    left, top, width, height, _ = stats.T.astype(np.int64)
    total, pixels = np.zeros(len(stats), np.int64), np.zeros(len(stats), np.int64)
    for sign, more in ((1, 2), (-1, 0)):
        x, y = np.maximum(left - more, 0), np.maximum(top - more, 0)
        right, bottom = np.minimum(left + width + more, film.shape[1]), np.minimum(top + height + more, film.shape[0])
        total += sign * (sums[bottom, right] - sums[y, right] - sums[bottom, x] + sums[y, x])
        pixels += sign * (right - x) * (bottom - y)
    return total / pixels


def _is_letter(
    film: NDArray[np.uint8], hat: NDArray[np.uint8], inside: float, x: int, y: int, width: int, height: int, at_edge: bool
) -> bool:
    """Whether a part of that mean grey level, in that box, stands out from its frame and has the shape of a letter."""
    top, left = max(0, y - 2), max(0, x - 2)
    around = film[top : y + height + 2, left : x + width + 2]
    frame = np.ones(around.shape, bool)
    frame[y - top : y - top + height, x - left : x - left + width] = False
    outside = np.sort(around[frame])
    gap = inside - outside[min(len(outside) - 1, int(0.95 * len(outside)))]
    if gap < GAP:
        return False
    letters, wanted = _letters()
    likeness = letters @ _normalise(hat[y : y + height, x : x + width])
    likeness = likeness[likeness >= (SHAPE if at_edge else wanted)]
    return bool(len(likeness)) and bool(gap / 100 + likeness.max() >= GAP_AND_SHAPE)


@cache
def _letters() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(K, CELL * CELL) known letters: two fonts, three weights, sharp and blurred; (K,) INNER of each."""
    drawn = []
    for letter in INNER:
        for font in (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_COMPLEX):
            for weight in (3, 5, 8):
                page = np.zeros((90, 90), np.uint8)
                cv2.putText(page, letter, (20, 70), font, 2, 255, weight, cv2.LINE_AA)
                rows, columns = np.flatnonzero((page > 100).any(1)), np.flatnonzero((page > 100).any(0))
                glyph = page[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
                blurred = [cv2.GaussianBlur(glyph, (0, 0), share * len(rows)) if share else glyph for share in BLURS]
                drawn += [(_normalise(one.astype(np.uint8)), INNER[letter]) for one in blurred]
    return np.stack([vector for vector, _ in drawn]), np.array([wanted for _, wanted in drawn], np.float32)


def _normalise(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A picture as a vector of mean 0 and length 1 on the grid of CELL pixels."""
    larger = picture.shape[0] > CELL
    grid = cv2.resize(picture.astype(np.float32), (CELL, CELL), interpolation=cv2.INTER_AREA if larger else cv2.INTER_LINEAR)
    values = grid.ravel() - grid.mean()
    return (values / (np.linalg.norm(values) + 1e-6)).astype(np.float32)


def _join(found: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Merge overlapping boxes, given by corners; those of several levels are the same letter."""
    joined: list[tuple[int, int, int, int]] = []
    for box in sorted(found):
        while True:
            meets = [one for one in joined if one[0] < box[2] and box[0] < one[2] and one[1] < box[3] and box[1] < one[3]]
            if not meets:
                break
            joined = [one for one in joined if one not in meets]
            all_of = np.array([box, *meets])
            box = (*map(int, all_of[:, :2].min(0)), *map(int, all_of[:, 2:].max(0)))  # type: ignore[assignment]
        joined.append(box)
    return sorted(joined)
