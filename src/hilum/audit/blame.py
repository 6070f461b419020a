"""Which pixels around the lungs cause the effect of the surroundings."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from hilum.audit.auditee import Auditee
from hilum.audit.exchange import mix
from hilum.audit.regions import Blend, Region
from hilum.records import Films

BATCH = 64  # points on the path per gradient
SMOOTH = 0.012  # of the side


def blame_map(
    auditee: Auditee, films: Films, pairs: tuple[NDArray[np.intp], ...], target: int, blend: Blend, steps: int
) -> NDArray[np.float32]:
    """What each pixel adds to the log odds on the straight path from one donor's surroundings to the other's, mean over pairs.

    pairs: recipients, donors against and donors for the class, each (P,). steps: points per path, at the middles of equal parts.
    Returns (H, W) in log odds; the values add up to the mean change of the odds (Sundararajan et al. 2017, arXiv 1703.01365,
    with a film as the baseline instead of black).
    """
    rows, low, high = pairs
    shares = (np.arange(steps, dtype=np.float32) + 0.5) / steps
    total = np.zeros(films.shape[1:], np.float64)  # (H, W)
    for row, below, above in zip(rows, low, high, strict=True):
        start, end = mix(films, np.array([row, row]), np.array([below, above]), blend)
        path = start + shares[:, None, None, None] * (end - start)
        slope = sum(auditee.gradient(path[i : i + BATCH], target).sum(axis=0, dtype=np.float64) for i in range(0, steps, BATCH))
        total += (end - start)[..., 0] * slope / steps
    return (total / len(rows)).astype(np.float32)


def blamed_region(blame: NDArray[np.float32], around: Region, share: float) -> Region:
    """The pixels around the lungs whose smoothed blame is at least `share` of the strongest; none where no blame is positive."""
    smooth = gaussian_filter(blame, SMOOTH * len(blame), mode="constant") * around
    return (smooth >= share * smooth.max()) & (smooth > 0)
