"""Which pixels around the lungs cause what the surroundings of another class change."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from hilum.audit.auditee import Auditee
from hilum.audit.contrast import Triples
from hilum.audit.mixtures import Mixing
from hilum.audit.regions import Blend, Region
from hilum.records import Labels

BATCH = 64  # points on the path per gradient
SMOOTH = 0.02  # of the side


def blame_map(
    auditee: Auditee, mixing: Mixing, labels: Labels, triples: Triples, blend: Blend, steps: int
) -> NDArray[np.float32]:
    """What each pixel adds to the log odds of the other donor's class, from a film with surroundings of its own class to it with
    those of another, mean over triples.

    steps: points per straight path, at the middles of equal parts. Returns (H, W) in log odds; the values add up to the mean
    change of the odds (Sundararajan et al. 2017, arXiv 1703.01365, with a film as the baseline instead of black).
    """
    shares = ((np.arange(steps, dtype=np.float32) + 0.5) / steps)[:, None, None, None]
    total = np.zeros(blend.shape, np.float64)  # (H, W)
    targets = labels[triples.other]
    for target in np.unique(targets):
        own = np.flatnonzero(targets == target)
        size = max(1, BATCH // steps)
        for i in range(0, len(own), size):
            some = triples.take(own[i : i + size])
            start, end = (mixing(some.rows, donors, blend) for donors in (some.same, some.other))  # (P, H, W, 1)
            path = np.concatenate([low + shares * (high - low) for low, high in zip(start, end, strict=True)])
            slope = (
                auditee.gradient(path, int(target)).reshape(len(some.rows), steps, *blend.shape).mean(axis=1, dtype=np.float64)
            )
            total += (slope * (end - start)[..., 0]).sum(axis=0)
    return (total / len(triples.rows)).astype(np.float32)


def blamed_region(blame: NDArray[np.float32], around: Region, share: float) -> Region:
    """The pixels around the lungs whose smoothed blame is at least `share` of the strongest; none where no blame is positive."""
    smooth = _smoothed(blame) * around
    return (smooth >= share * smooth.max()) & (smooth > 0)


def agreement(first: NDArray[np.float32], second: NDArray[np.float32], around: Region) -> float:
    """The correlation of two smoothed maps of blame over the pixels around the lungs, 0 where one is even."""
    values = [_smoothed(one)[around] for one in (first, second)]
    if min(one.std() for one in values) <= 0:
        return 0.0
    return float(np.corrcoef(values[0], values[1])[0, 1])


def _smoothed(blame: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(gaussian_filter(blame, SMOOTH * len(blame), mode="constant"))
