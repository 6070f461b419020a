"""The published definitions once more, written as loops over one film and its pixels: what the fast forms are held against.

In the settings of the packages that define them, with their small constants. What the packages themselves answer is stored in
references/; here a case can be varied.
"""

import numpy as np
from scipy import stats

TINY_OF_GINI = 1e-7  # that package adds it to every magnitude, after dividing by the largest


def causal_area(predict, film, heat, target, steps, start, end):
    """Mean of the trapezoids between equal steps; `start` becomes `end`, one pixel after the other."""
    order = sorted(range(heat.size), key=lambda pixel: -heat.flat[pixel])
    scores = []
    for step in range(steps + 1):
        now = start.copy().ravel()
        for pixel in order[: heat.size * step // steps]:
            now[pixel] = end.flat[pixel]
        scores.append(predict(now.reshape(1, *film.shape))[0, target])
    return sum((scores[k] + scores[k + 1]) / 2 for k in range(steps)) / steps


def drop_and_gain(predict, film, heat, target):
    seen = np.abs(heat)
    shown = film * ((seen - seen.min()) / (seen.max() - seen.min() + 1e-8))[..., None]
    before, after = predict(film[None])[0, target], predict(shown.astype(np.float32)[None])[0, target]
    return max(before - after, 0) / (before + 1e-8), max(after - before, 0) / (1 - before + 1e-8)


def fidelity(predict, film, heat, target, subsets, grey):
    before = predict(film[None])[0, target]
    losses, worths = [], []
    for subset in subsets:
        kept = 1.0 - subset
        changed = film * kept[..., None] + (1 - kept[..., None]) * grey
        losses.append(before - predict(changed.astype(np.float32)[None])[0, target])
        worths.append(sum(heat[pixel] for pixel in zip(*np.nonzero(subset), strict=True)))
    one, other = stats.rankdata(losses), stats.rankdata(worths)
    return np.corrcoef(one, other)[0, 1]


def gini(heat):
    values = sorted(np.abs(heat).ravel() / np.abs(heat).max() + TINY_OF_GINI)
    total = sum(abs(one - other) for one in values for other in values)
    return total / (2 * len(values) * sum(values))


def entropy(heat):
    seen = np.abs(heat).ravel() / np.abs(heat).max()
    return stats.entropy(seen / seen.sum())


def relevance_mass(heat, annotation):
    seen = np.abs(heat)
    return sum(seen[pixel] for pixel in zip(*np.nonzero(annotation), strict=True)) / seen.sum()


def average_precision(heat, annotation):
    order = sorted(range(heat.size), key=lambda pixel: -heat.flat[pixel])
    found, total = 0, 0.0
    for rank, pixel in enumerate(order, 1):
        if annotation.flat[pixel]:
            found += 1
            total += found / rank
    return total / annotation.sum()
