"""Films with the surroundings of other films: how far those alone change the predictions.

Source of the idea: Xiao et al. 2021, arXiv 2006.09994 (the backgrounds of pictures, mixed at random). Here donors are first
ranked by what their surroundings do, and the effect is then measured on further films, so that chance is not taken for an effect.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilum.audit.auditee import Auditee, class_probabilities, log_odds
from hilum.audit.regions import Blend
from hilum.records import Films, Images, Probabilities

EXTREME = 0.1  # share of donors that count as strongest for, and as strongest against, a class
LEAST = 4  # films
BATCH = 256  # mixed films in memory at once


@dataclass(frozen=True)
class Ranking:
    """target: the class whose odds the surroundings move most. high, low: rows of the donors most for and most against it.

    spread: standard deviation over donors of their effect on the log odds, without the part that is chance (from the covariance
    of two halves of the films); own: standard deviation of the log odds of films by themselves.
    """

    target: int
    high: NDArray[np.intp]
    low: NDArray[np.intp]
    spread: float
    own: float


@dataclass(frozen=True)
class Shift:
    """How far films move from the donors most against a class to those most for it, halved, in points of 100.

    A model that relies on a shortcut alone reaches 50; verdicts counts changed predictions, probability is smoother.
    """

    verdicts: float
    probability: float


def mix(films: Films, rows: NDArray[np.intp], donors: NDArray[np.intp], blend: Blend) -> Images:
    """Film rows[i] with film donors[i] where blend is 1: (N, H, W, 1) float32."""
    own, other = films[rows].astype(np.float32), films[donors].astype(np.float32)
    return (own + blend * (other - own))[..., None]  # (N, H, W, 1)


def predict_mixed(
    auditee: Auditee, films: Films, rows: NDArray[np.intp], donors: NDArray[np.intp], blend: Blend
) -> Probabilities:
    """(N, K) probabilities of the mixed films, a few in memory at a time."""
    starts = range(0, len(rows), BATCH)
    return np.concatenate([auditee.predict(mix(films, rows[i : i + BATCH], donors[i : i + BATCH], blend)) for i in starts])


def rank_donors(auditee: Auditee, films: Films, blend: Blend, donors: int, rng: np.random.Generator) -> Ranking:
    """Give each film the surroundings of `donors` others (2 and more), and rank all films by the effect of their surroundings.

    Raises: ValueError for fewer than LEAST films.
    """
    n = len(films)
    if n < LEAST:
        raise ValueError(f"an audit must have {LEAST} films or more to exchange, got {n}; give the test part more films")
    donors = min(donors, n - 1)
    order, rows = rng.permutation(n), np.arange(n)
    place = np.argsort(order)
    steps = rng.choice(np.arange(1, n), donors, replace=False)
    given = order[(place[:, None] + steps) % n]  # (N, D): each film is donor D times, never its own
    odds = log_odds(predict_mixed(auditee, films, np.repeat(rows, donors), given.ravel(), blend))
    odds = odds.reshape(n, donors, -1)  # (N, donors, K)
    effect = odds - odds.mean(axis=1, keepdims=True)
    halves = [_donor_effects(given[:, half::2], effect[:, half::2]) for half in (0, 1)]
    both = np.mean(halves, axis=0)
    target = int(np.argmax(both.std(axis=0)))
    ranked = np.argsort(both[:, target])
    few = min(n // 2, max(2, round(EXTREME * n)))  # two, because no film is its own donor
    shared = float(np.cov(halves[0][:, target], halves[1][:, target])[0, 1])
    own = float(log_odds(class_probabilities(auditee, films))[:, target].std())
    return Ranking(target, ranked[-few:], ranked[:few], float(np.sqrt(max(shared, 0.0))), own)


def _donor_effects(given: NDArray[np.intp], effect: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean effect (N, K) of every donor on the films that were given its surroundings; given: (N, D); effect: (N, D, K)."""
    total = np.zeros((len(given), effect.shape[2]))
    np.add.at(total, given.ravel(), effect.reshape(given.size, -1))
    return total / given.shape[1]


def draw_pairs(ranking: Ranking, n: int, repeats: int, rng: np.random.Generator) -> tuple[NDArray[np.intp], ...]:
    """Recipients, donors most against and donors most for the class, each (n * repeats,); no film is its own donor."""
    rows = np.tile(np.arange(n), repeats)
    low, high = (_others(rows, donors, rng) for donors in (ranking.low, ranking.high))
    return rows, low, high


def _others(rows: NDArray[np.intp], donors: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    at = rng.integers(len(donors), size=len(rows))
    at = np.where(donors[at] == rows, (at + 1) % len(donors), at)
    return donors[at]


def measure_shift(auditee: Auditee, films: Films, pairs: tuple[NDArray[np.intp], ...], target: int, blend: Blend) -> Shift:
    """How far predictions move from one kind of donor to the other, where only `blend` of the film is exchanged."""
    rows, low, high = pairs
    against, towards = (predict_mixed(auditee, films, rows, donors, blend) for donors in (low, high))
    verdicts = (auditee.decide(towards) == target).mean() - (auditee.decide(against) == target).mean()
    return Shift(50 * float(verdicts), 50 * float((towards[:, target] - against[:, target]).mean()))
