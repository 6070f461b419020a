"""Whether two films show the same exposure: one is laid over the other, scaled and shifted along each axis, and compared.

Gauss-Newton by inverse composition: the steepest descent of the first film is computed once and the second film is warped. Grey
levels enter as contrast against the surroundings, divided by the local spread, so that brightness and contrast do not count but
fine detail does, which two exposures of one chest do not share.

Source: Baker and Matthews 2004, Lucas-Kanade 20 Years On, doi 10.1023/B:VISI.0000011205.11775.fd, section 3.2 (inverse
composition); with gain and offset projected out as in Evangelidis and Psarakis 2008, doi 10.1109/TPAMI.2008.113.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hilum.data.quality.alike.likeness import CANVAS, Candidates
from hilum.records import Films

PASS = 0.85  # coarse correlation below which a pair is not refined; the least of 3,000 true copies had 0.946
STEPS = 0.08  # largest change of a scale or shift in one iteration
BOUND = 0.2  # limit of a scale or shift, as a share of half the film
QUIET = 2.0  # grey levels of local spread below which detail has little weight, as it is noise
DAMPING = 1e-3  # of the normal equations, as a share of their mean diagonal
PIXELS = 2**17  # of a batch, so that its arrays stay in the processor's cache


@dataclass(frozen=True)
class Level:
    """One resolution of the comparison.

    side: of the square, pixels. fine, coarse: standard deviations of the blurs whose difference is kept, pixels.
    spread: standard deviation over which the local spread is computed, pixels. margin: left out at each edge, pixels; a copy may
    lack it. iterations: of Gauss-Newton.
    """

    side: int
    fine: float
    coarse: float
    spread: float
    margin: int
    iterations: int


LEVELS = (Level(32, 0.7, 3.0, 5.0, 3, 5), Level(CANVAS, 0.7, 2.0, 4.0, 5, 3))


@dataclass(frozen=True)
class Registration:
    """The position of the second film of each pair over the first.

    score: (P,) correlation of the detail of both where they overlap, -1 to 1; the coarse one where that is below `PASS`.
    scale, shift: (P, 2) for x and y; the film's coordinate u of the first, from -1 to 1, is scale * u + shift in the second.
    """

    score: NDArray[np.float64]
    scale: NDArray[np.float64]
    shift: NDArray[np.float64]


def register_pairs(
    canvases: Films, pairs: Candidates, workers: int, on_pair: Callable[[int, int], None] | None = None
) -> Registration:
    """Lay the second film of each pair over the first.

    canvases: (N, CANVAS, CANVAS) uint8. workers: threads (NumPy lets other threads run). on_pair: called with (done, P).
    """
    count = len(pairs.one)
    score, place = np.ones(count, np.float32), np.zeros((count, 4), np.float32)
    with ThreadPoolExecutor(workers) as threads:
        for level in LEVELS:
            todo = np.flatnonzero(score >= PASS)
            detail = _KeptDetail(canvases, level)
            size = PIXELS // level.side**2

            def register(rows: NDArray[np.int64], level: Level = level, detail: _KeptDetail = detail) -> int:
                first = np.stack([detail.of(row, False) for row in pairs.one[rows]])
                second = np.stack([detail.of(*film) for film in zip(pairs.other[rows], pairs.mirrored[rows], strict=True)])
                place[rows], score[rows] = fit_place(first, second, place[rows], level)
                return len(rows)

            done = count - len(todo) if level is LEVELS[-1] else 0
            for rows in threads.map(register, [todo[start : start + size] for start in range(0, len(todo), size)]):
                done += rows
                if on_pair is not None and level is LEVELS[-1]:
                    on_pair(done, count)
    return Registration(score.astype(float), 1 + place[:, 0::2].astype(float), place[:, 1::2].astype(float))


class _KeptDetail:
    """The detail of each film at one level, computed on first use; a film is in several pairs."""

    def __init__(self, canvases: Films, level: Level) -> None:
        self.canvases, self.level = canvases, level
        self.kept: dict[int, NDArray[np.float16]] = {}

    def of(self, row: int, mirrored: bool) -> NDArray[np.float32]:
        if row not in self.kept:
            self.kept[row] = _detail(self.canvases[row], self.level).astype(np.float16)  # half the memory, 3 digits
        detail = self.kept[row].astype(np.float32)
        return detail[:, ::-1] if mirrored else detail


def fit_place(
    first: NDArray[np.float32], second: NDArray[np.float32], place: NDArray[np.float32], level: Level
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Improve the position of the second films over the first.

    first, second: (B, side, side) float32 detail. place: (B, 4) scale - 1 and shift of x, then of y.
    Returns places (B, 4), and correlations (B,) without the margins.
    """
    side, inner = level.side, slice(level.margin, level.side - level.margin)
    axis = ((np.arange(side, dtype=np.float32) - (side - 1) / 2) / (side / 2)).astype(np.float32)
    template, spread = _standardise(first[:, inner, inner])
    slopes = np.asarray(np.gradient(first, axis=(1, 2)))[:, :, inner, inner] * np.float32(side / 2) / spread
    down, across = slopes[0], slopes[1]
    x, y = axis[inner][None, None, :], axis[inner][None, :, None]
    descent = np.stack([across * x, across, down * y, down], axis=1).reshape(len(first), 4, -1)  # (N, 4, pixels)
    descent -= descent.mean(axis=2, keepdims=True)
    goal = template.reshape(len(first), -1, 1)  # (N, pixels, 1)
    descent -= (descent @ goal / goal.shape[1]) * goal.transpose(0, 2, 1)  # the part that a change of contrast explains
    curvature = descent @ descent.transpose(0, 2, 1)  # (N, 4, 4)
    mean = np.trace(curvature, axis1=1, axis2=2).reshape(-1, 1, 1) / 4
    inverse = np.linalg.inv(curvature + (DAMPING * mean + 1e-6) * np.eye(4)).astype(np.float32)
    for _ in range(level.iterations):
        error = _standardise(_warp(second, place, axis, inner))[0].reshape(len(first), -1, 1) - goal
        place = _compose(place, np.clip((inverse @ (descent @ error))[:, :, 0], -STEPS, STEPS))
    laid = _standardise(_warp(second, place, axis, inner))[0]
    return place, (laid * template).mean(axis=(1, 2))


def _detail(canvas: NDArray[np.uint8], level: Level) -> NDArray[np.float32]:
    """Contrast against the surroundings over its local spread, (side, side)."""
    grey = canvas.astype(np.float32)
    if level.side != len(canvas):
        grey = np.asarray(cv2.resize(grey, (level.side, level.side), interpolation=cv2.INTER_AREA), np.float32)
    blurred = cv2.GaussianBlur(grey, (0, 0), level.fine), cv2.GaussianBlur(grey, (0, 0), level.coarse)
    detail = np.asarray(blurred[0] - blurred[1], np.float32)
    spread = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), level.spread))
    return np.asarray(detail / (spread + QUIET), np.float32)


def _standardise(films: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean 0 and standard deviation 1 per film, and the deviation (B, 1, 1)."""
    centred = np.asarray(films - films.mean(axis=(1, 2), keepdims=True), np.float32)
    spread = np.asarray(np.sqrt((centred * centred).mean(axis=(1, 2), keepdims=True)) + 1e-6, np.float32)
    return np.asarray(centred / spread, np.float32), spread


def _warp(films: NDArray[np.float32], place: NDArray[np.float32], axis: NDArray[np.float32], inner: slice) -> NDArray[np.float32]:
    """The inner part of the films, laid: bilinear; scale and shift of an axis are one matrix, edges are repeated."""
    across = _interpolation(1 + place[:, 0:1], place[:, 1:2], axis[inner], len(axis))
    down = _interpolation(1 + place[:, 2:3], place[:, 3:4], axis[inner], len(axis))
    return np.asarray(down @ films @ across.transpose(0, 2, 1), np.float32)


def _interpolation(
    scale: NDArray[np.float32], shift: NDArray[np.float32], axis: NDArray[np.float32], side: int
) -> NDArray[np.float32]:
    """(B, len(axis), side): each row the two weights that read one place of an axis of `side` pixels."""
    pixel = np.clip((scale * axis + shift) * (side / 2) + (side - 1) / 2, 0, side - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(pixel[:, :, None] - np.arange(side, dtype=np.float32))), np.float32)


def _compose(place: NDArray[np.float32], step: NDArray[np.float32]) -> NDArray[np.float32]:
    """The place that undoes the step first."""
    scale = (1 + place[:, 0::2]) / (1 + step[:, 0::2])
    shift = place[:, 1::2] - scale * step[:, 1::2]
    return np.clip(np.stack([scale - 1, shift], axis=2).reshape(len(place), 4), -BOUND, BOUND).astype(np.float32)
