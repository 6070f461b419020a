"""Films and models whose truth is known by arithmetic: a lung in the middle, a mark in one corner."""

import numpy as np

from hilum.audit.auditee import Auditee
from hilum.audit.evidence import Surroundings
from hilum.audit.regions import Regions

SIZE = 40
SHORTCUT = np.zeros((SIZE, SIZE), bool)
SHORTCUT[2:8, 30:36] = True
LUNGS = np.zeros((SIZE, SIZE), bool)
LUNGS[10:30, 8:32] = True
REGIONS = Regions(LUNGS, ~LUNGS, ~LUNGS)


def draw(count: int, seed: int, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Films (N, SIZE, SIZE) and labels: lungs are brighter in class 1, and a white corner agrees with it so often."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    films = rng.integers(60, 120, (count, SIZE, SIZE))
    films[:, LUNGS] += (30 * labels + rng.integers(-12, 13, count))[:, None]
    has_shortcut = np.where(rng.random(count) < (1 + strength) / 2, labels, 1 - labels).astype(bool)
    films[np.ix_(has_shortcut, *(np.flatnonzero(SHORTCUT.any(axis=axis)) for axis in (1, 0)))] = 240
    return films.astype(np.uint8), labels


def linear(lungs: float, shortcut: float) -> Auditee:
    """A model of two classes whose log odds go with the mean grey of the lungs and of the mark's place."""
    weights = np.where(LUNGS, lungs / LUNGS.sum(), 0) + np.where(SHORTCUT, shortcut / SHORTCUT.sum(), 0)
    middle = lungs * 105 + shortcut * 165

    def predict(images: np.ndarray) -> np.ndarray:
        odds = (images[..., 0] * weights).sum(axis=(1, 2)) - middle
        p = 1 / (1 + np.exp(-odds))
        return np.stack([1 - p, p], axis=1)

    def gradient(images: np.ndarray, target: int) -> np.ndarray:
        return np.broadcast_to((weights if target else -weights).astype(np.float32), images.shape[:3])

    def heat(images: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return np.broadcast_to(np.abs(weights).astype(np.float32), images.shape[:3])

    return Auditee(predict, lambda p: p.argmax(axis=1), gradient, heat)


def surroundings(count: int) -> Surroundings:
    return Surroundings(np.full(count, "made"), {"made": REGIONS})
