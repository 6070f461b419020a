"""The similarity of two maps of the same film."""

import numpy as np
from numpy.typing import NDArray

from hilum.explain.measures.faithfulness import Numbers
from hilum.records import Attribution, Maps

ROUNDED = 5  # decimals of a map's largest magnitude: float32 keeps 7, and cells of a map that were 0 must be so again


def rank_correlation(first: NDArray[np.generic], second: NDArray[np.generic]) -> float:
    """Spearman correlation of two arrays of one shape, -1 to 1; NaN where one is constant."""
    one, other = np.asarray(first, np.float64).ravel(), np.asarray(second, np.float64).ravel()
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    from scipy.stats import spearmanr  # takes a third of a second to import, which `check` does not need

    return float(spearmanr(one, other).statistic)


def structural_similarity(first: Maps, second: Maps) -> Numbers:
    """SSIM of two batches of maps (N, H, W), each map divided by its largest magnitude; (N,) up to 1, NaN where one is constant.

    The range of values is 2 for signed maps and 1 for others; Quantus takes the range that the two maps happen to span.
    Source: Wang et al. 2004, doi 10.1109/TIP.2003.819861.
    """
    from skimage.metrics import structural_similarity as ssim

    found = np.full(len(first), np.nan)  # (N,)
    for i, (one, other) in enumerate(zip(first, second, strict=True)):
        if np.ptp(one) > 0 and np.ptp(other) > 0:
            signed = bool((one < 0).any() or (other < 0).any())
            found[i] = ssim(one / np.abs(one).max(), other / np.abs(other).max(), data_range=2.0 if signed else 1.0)
    return found


def own_values(attribution: Attribution, maps: Maps, index: int) -> Numbers:
    """A method's own values for one film, before painting on pixels: cells, superpixels, or the pixels themselves.

    attribution: of the method on these films, whose cells and regions also apply to `maps` (N, H, W): its regions, the cells
    that it enlarged, or the cells per side of its masks. Correlating painted pixels would count each superpixel as often as it
    has pixels, and interpolated pixels as independent values.
    """
    values = maps[index].astype(np.float64)
    if attribution.regions is not None:
        regions = attribution.regions[index].ravel()
        return np.bincount(regions, weights=values.ravel()) / np.maximum(np.bincount(regions), 1)
    cells = attribution.cells
    if cells is None:
        return values.ravel()
    grid = cells.down, cells.across
    return (shrink_to_cells(values, grid) if cells.layer else block_means(values, grid)).ravel()


def shrink_to_cells(values: NDArray[np.float64], grid: tuple[int, int]) -> NDArray[np.float64]:
    """The cells that a bilinear resize enlarged to this map: (H, W) -> grid; cells that were equal are equal again.

    Means of blocks would mix each cell with its neighbours, which makes unrelated maps look similar.
    """
    down, across = (np.linalg.pinv(enlarging(cells, extent)) for cells, extent in zip(grid, values.shape, strict=True))
    top = float(np.abs(values).max()) or 1.0
    return np.asarray(np.round(down @ (values / top) @ across.T, ROUNDED) * top, np.float64)


def enlarging(cells: int, extent: int) -> NDArray[np.float64]:
    """(extent, cells) weights of a bilinear resize along one side, between the middles of cells."""
    places = (np.arange(extent) + 0.5) * cells / extent - 0.5
    return np.stack([np.interp(places, np.arange(cells), row) for row in np.eye(cells)], axis=1)


def block_means(values: NDArray[np.float64], grid: tuple[int, int]) -> NDArray[np.float64]:
    """Mean of each block of an even grid over a map: (H, W) -> grid, or as it is where it has fewer pixels than blocks."""
    down, across = (
        np.minimum((np.arange(extent) * blocks) // extent, blocks - 1) for extent, blocks in zip(values.shape, grid, strict=True)
    )
    place = down[:, np.newaxis] * grid[1] + across
    size = np.bincount(place.ravel(), minlength=grid[0] * grid[1])
    total = np.bincount(place.ravel(), weights=values.ravel(), minlength=grid[0] * grid[1])
    return (total / np.maximum(size, 1)).reshape(grid)
