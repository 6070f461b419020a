"""Is a single film blank, inverted, turned, lateral, or no chest film? Judged by statistics of training films.

The checks are those of `data/quality/oddities`, which compares the films of a set with each other; one film has no set. What is
stored is made of many films: the weights of a linear analysis, a median, principal components.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from hilum.data.prepared.geometry import Geometry
from hilum.data.quality.lateral import shrink_films
from hilum.data.quality.oddities import ALIKE, BLANK, COMPONENTS, FAR, NEARLY, SIDE, UPRIGHT, WAYS
from hilum.data.quality.trunk import draw_projections

DRAWN = 300  # lateral films that are drawn, each also mirrored: training films are frontal ones
MOST = 1_000  # training films of the analysis, evenly over the set
LATERAL = len(WAYS)  # the class after those of orientation
Flat = NDArray[np.float64]  # (N, SIDE * SIDE) thumbnails, mean 0 and standard deviation 1 each


@dataclass(frozen=True)
class UsualFilms:
    """What training films have in common, in thumbnails.

    weights (9, SIDE²), intercept (9,): of the linear analysis of WAYS and lateral. median, mean: (SIDE²,). side: (SIDE²,)
    the median of lateral films that were drawn. parts: (P, SIDE²) principal components. left: median and robust standard
    deviation of the logarithm of what the components leave of other films.
    """

    weights: NDArray[np.float64]
    intercept: NDArray[np.float64]
    median: NDArray[np.float64]
    side: NDArray[np.float64]
    mean: NDArray[np.float64]
    parts: NDArray[np.float64]
    left: NDArray[np.float64]


@dataclass(frozen=True)
class Oddness:
    """reason: blank, inverted, rotated by 90 degrees ..., lateral, or unlike the others. detail: the evidence."""

    reason: str
    detail: str


def crop_film(film: NDArray[np.uint8], geometry: Geometry) -> NDArray[np.uint8]:
    """The part of a prepared film that is not padding."""
    corners = geometry.to_prepared(np.array([[0, 0], [geometry.width, geometry.height]], float))
    (left, top), (right, bottom) = corners.round().clip(0, geometry.size).astype(int)
    return film[top : max(bottom, top + 1), left : max(right, left + 1)]


def flatten_films(crops: list[NDArray[np.uint8]]) -> Flat:
    """Thumbnails of films without their padding."""
    return shrink_films(crops, SIDE).reshape(len(crops), -1).astype(np.float64)


def learn_usual(train: Flat, others: Flat) -> UsualFilms:
    """train: thumbnails of training films. others: of films that none of them is, such as validation films."""
    chosen = train[np.unique(np.linspace(0, len(train) - 1, min(MOST, len(train))).round().astype(int))]
    drawn = draw_projections(0, DRAWN, lateral=True)
    drawn = shrink_films(np.concatenate([drawn, drawn[:, :, ::-1]]), SIDE).reshape(2 * DRAWN, -1)
    examples = np.concatenate([*(_lay(chosen, way) for way in WAYS), drawn])
    classes = np.concatenate([np.repeat(np.arange(len(WAYS)), len(chosen)), np.full(2 * DRAWN, LATERAL)])
    even = np.full(LATERAL + 1, 1 / (LATERAL + 1))
    analysis = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=even).fit(examples, classes)
    mean = train.mean(axis=0)
    parts = np.linalg.svd(chosen - mean, full_matrices=False)[2][: min(COMPONENTS, max(1, len(chosen) // 4))]
    amounts = _leave(others, mean, parts)
    middle = float(np.median(amounts))
    spread = 1.4826 * float(np.median(np.abs(amounts - middle))) + 1e-9
    return UsualFilms(
        analysis.coef_,
        analysis.intercept_,
        np.median(train, axis=0),
        np.median(drawn[:DRAWN], axis=0),
        mean,
        parts,
        np.array([middle, spread]),
    )


def tell_blank(crop: NDArray[np.uint8]) -> Oddness | None:
    """Whether a film has no contrast; it needs no references."""
    levels = float(np.subtract(*np.percentile(crop, [99, 1])))
    return Oddness("blank", f"its grey levels span {levels:.0f} of 255") if levels < BLANK else None


def tell_odd(usual: UsualFilms, crop: NDArray[np.uint8]) -> Oddness | None:
    """Why a film is odd; None where it is not. crop: (h, w) without padding."""
    if blank := tell_blank(crop):
        return blank
    film = flatten_films([crop])  # (1, SIDE²)
    chances = _chances(usual, film)
    alike = _correlate(film, usual.median)
    if chances[0] < UPRIGHT:
        way = int(chances.argmax())
        if way == LATERAL and max(_correlate(film, usual.side), _correlate(_mirror(film), usual.side)) > ALIKE:
            return Oddness("lateral", f"probability {chances[LATERAL]:.2f}")
        if 0 < way < LATERAL and _correlate(_lay(film, WAYS[way], back=True), usual.median) > max(alike, ALIKE):
            return Oddness(_name(*WAYS[way]), f"probability {chances[way]:.2f}")
    far = (float(_leave(film, usual.mean, usual.parts)[0]) - usual.left[0]) / usual.left[1]
    if alike < ALIKE or (alike < NEARLY and far > FAR):
        return Oddness("unlike the others", f"correlation {alike:.2f} with the median training film")
    return None


def _chances(usual: UsualFilms, film: Flat) -> NDArray[np.float64]:
    scores = film[0] @ usual.weights.T + usual.intercept
    grown = np.exp(scores - scores.max())
    return np.asarray(grown / grown.sum(), np.float64)


def _lay(films: Flat, way: tuple[bool, int], back: bool = False) -> Flat:
    inverted, turns = way
    square = films.reshape(-1, SIDE, SIDE)
    laid = np.rot90(square, -turns if back else turns, (1, 2)).reshape(len(films), -1)
    return -laid if inverted else laid


def _mirror(films: Flat) -> Flat:
    return films.reshape(-1, SIDE, SIDE)[:, :, ::-1].reshape(len(films), -1)


def _correlate(film: Flat, median: NDArray[np.float64]) -> float:
    return float(film[0] @ median / (np.linalg.norm(film[0]) * np.linalg.norm(median) + 1e-9))


def _leave(films: Flat, mean: NDArray[np.float64], parts: NDArray[np.float64]) -> NDArray[np.float64]:
    apart = films - mean
    return np.asarray(np.log(((apart - apart @ parts.T @ parts) ** 2).mean(axis=1) + 1e-9))


def _name(inverted: bool, turns: int) -> str:
    turned = f"rotated by {90 * turns} degrees" if turns else ""
    return " and ".join(part for part in ("inverted" if inverted else "", turned) if part)
