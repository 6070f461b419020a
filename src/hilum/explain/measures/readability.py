"""Can a person read the map? How much of it is concentrated on few pixels."""

import numpy as np

from hilum.explain.measures.faithfulness import Numbers
from hilum.records import Maps


def gini(maps: Maps) -> Numbers:
    """Gini coefficient of the magnitudes: 0 all pixels equal, near 1 everything on one pixel.

    maps: (N, H, W); gives (N,), NaN where a map is all 0.
    Source: Chalasani et al. 2020, arXiv 1810.06583.
    """
    strength = np.sort(np.abs(maps.reshape(len(maps), -1)).astype(np.float64), axis=1)  # (N, H * W)
    count = strength.shape[1]
    total = strength.sum(axis=1)
    ranked = strength @ (2 * np.arange(1, count + 1) - count - 1)
    return np.where(total > 0, ranked / (count * np.where(total > 0, total, 1)), np.nan)


def entropy(maps: Maps) -> Numbers:
    """Entropy of each pixel's share of the magnitudes, in nats: 0 everything on one pixel, ln(H W) all pixels equal.

    maps: (N, H, W); gives (N,), NaN where a map is all 0. xplique and Quantus add a small constant inside the logarithm.
    Source: Bhatt et al. 2020, arXiv 2005.00631, definition 5 (complexity).
    """
    strength = np.abs(maps.reshape(len(maps), -1)).astype(np.float64)  # (N, H * W)
    total = strength.sum(axis=1, keepdims=True)
    share = strength / np.where(total > 0, total, 1)
    logarithm = np.log(np.where(share > 0, share, 1))
    return np.where(total[:, 0] > 0, -(share * logarithm).sum(axis=1), np.nan)
