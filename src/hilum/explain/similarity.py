"""How alike two maps of the same film are."""

import numpy as np
from numpy.typing import NDArray

from hilum.explain.faithfulness import Numbers
from hilum.records import Attribution, Maps


def rank_correlation(first: NDArray[np.generic], second: NDArray[np.generic]) -> float:
    """Spearman correlation of two arrays of one shape, -1 to 1; NaN where one is constant: it ranks nothing."""
    one, other = np.asarray(first, np.float64).ravel(), np.asarray(second, np.float64).ravel()
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    from scipy.stats import spearmanr  # a third of a second, which `check` need not wait for

    return float(spearmanr(one, other).statistic)


def structural_similarity(first: Maps, second: Maps) -> Numbers:
    """SSIM of two batches of maps (N, H, W), each map divided by its largest magnitude; (N,) up to 1, NaN where one is constant.

    The range of values is 2 for signed maps and 1 for others; Quantus takes the range that the two maps happen to span.
    Source: Wang et al. 2004, doi 10.1109/TIP.2003.819861.
    """
    from skimage.metrics import structural_similarity as ssim

    found = np.full(len(first), np.nan)
    for i, (one, other) in enumerate(zip(first, second, strict=True)):
        if np.ptp(one) > 0 and np.ptp(other) > 0:
            signed = bool((one < 0).any() or (other < 0).any())
            found[i] = ssim(one / np.abs(one).max(), other / np.abs(other).max(), data_range=2.0 if signed else 1.0)
    return found


def own_values(attribution: Attribution, maps: Maps, index: int) -> Numbers:
    """What a method really found for one film, before it was painted on pixels: the cells of a layer, or the superpixels.

    attribution: of the method on these films, whose cells and regions hold for `maps` (N, H, W) as well. Correlating painted
    pixels would count each cell or superpixel as often as it has pixels.
    """
    values = maps[index].astype(np.float64)
    if attribution.regions is not None:
        regions = attribution.regions[index].ravel()
        return np.bincount(regions, weights=values.ravel()) / np.maximum(np.bincount(regions), 1)
    if "cells" in attribution.parameters:
        return block_means(values, tuple(attribution.parameters["cells"])).ravel()
    return values.ravel()


def block_means(values: NDArray[np.float64], grid: tuple[int, int]) -> NDArray[np.float64]:
    """Mean of each block of an even grid over a map: (H, W) -> grid, or as it is where it has fewer pixels than blocks."""
    down, across = (
        np.minimum((np.arange(extent) * blocks) // extent, blocks - 1) for extent, blocks in zip(values.shape, grid, strict=True)
    )
    place = down[:, np.newaxis] * grid[1] + across
    size = np.bincount(place.ravel(), minlength=grid[0] * grid[1])
    total = np.bincount(place.ravel(), weights=values.ravel(), minlength=grid[0] * grid[1])
    return (total / np.maximum(size, 1)).reshape(grid)
