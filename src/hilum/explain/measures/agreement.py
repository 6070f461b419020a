"""Do two methods highlight the same places? Every pair of methods, and the films on which none agree."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.explain.measures.reference_maps import random_maps
from hilum.explain.measures.similarity import block_means, rank_correlation
from hilum.records import Maps

GRID = (16, 16)  # maps are compared as means of blocks: single pixels of gradient maps are noise
TOP = 0.1  # share of the blocks that count as a map's strongest
PAIRS, QUANTILE = 200, 0.95  # random maps, whose agreement is that of unrelated maps


def compare_methods(maps: Mapping[str, Maps], image_ids: list[str], patient_ids: list[str]) -> pd.DataFrame:
    """Agreement of every pair of methods on every film.

    maps: method -> (N, H, W), of which the positive part counts, because unsigned methods have no other.
    Columns image_id, patient_id, first, second, spearman (-1 to 1, NaN where a map is constant) and overlap (share of the
    strongest tenth of the blocks in both, 0 to 1; by chance 0.1).
    Source: Krishna et al. 2022 (the disagreement problem), arXiv 2202.01602.
    """
    positive = {name: np.maximum(found, 0).astype(np.float64) for name, found in maps.items()}
    blocks = {name: [block_means(values, GRID) for values in found] for name, found in positive.items()}
    rows = []
    for first, second in combinations(maps, 2):
        for i, (image_id, patient_id) in enumerate(zip(image_ids, patient_ids, strict=True)):
            one, other = blocks[first][i], blocks[second][i]
            rows.append((image_id, patient_id, first, second, rank_correlation(one, other), top_overlap(one, other, TOP)))
    return pd.DataFrame(rows, columns=["image_id", "patient_id", "first", "second", "spearman", "overlap"])


def top_overlap(one: NDArray[np.float64], other: NDArray[np.float64], share: float) -> float:
    """Share of the strongest blocks of one map that are among the strongest of the other, 0 to 1; NaN where one is constant.

    Blocks that tie for the last places share them, as if each order of them were equally likely.
    """
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    count = max(1, round(share * one.size))
    return float((_membership(one, count) * _membership(other, count)).sum() / count)


def agreement_by_chance(shape: tuple[int, int], seed: int) -> float:
    """The Spearman correlation that only one pair in twenty of random maps of this size (H, W) exceeds."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(PAIRS):
        one, other = (block_means(values.astype(np.float64), GRID) for values in random_maps((2, *shape), rng))
        found.append(rank_correlation(one, other))
    return float(np.quantile(found, QUANTILE))


def find_disagreement(pairs: pd.DataFrame, chance: float) -> pd.DataFrame:
    """The films on which no pair of methods agrees better than by chance: columns image_id, best (of its pairs), chance."""
    best = pairs.groupby("image_id", sort=False)["spearman"].max()
    disagreeing = best[~(best > chance)]
    return pd.DataFrame({"image_id": disagreeing.index.to_list(), "best": disagreeing.to_numpy(), "chance": chance})


def _membership(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """How much each block belongs to the `count` strongest, 0 to 1; the sum is `count`."""
    flat = values.ravel()
    last = np.sort(flat)[-count]
    above, tied = flat > last, flat == last
    return np.where(above, 1.0, np.where(tied, (count - above.sum()) / tied.sum(), 0.0))
