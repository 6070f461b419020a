"""Does a map stay the same when nothing that matters changed? Small noise on the film; another seed."""

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np

from hilum.explain.measures.faithfulness import Numbers
from hilum.explain.measures.similarity import rank_correlation
from hilum.records import Images, Maps


def max_sensitivity(
    explain: Callable[[Images], Maps], images: Images, maps: Maps, radius: float, samples: int, seed: int
) -> Numbers:
    """The largest relative change of a map under noise that no reader would see.

    explain: films to maps with targets, settings and seed of `maps`; images: (N, H, W, 1) float32 grey levels 0-255;
    radius: noise is uniform within this many grey levels. Gives (N,): the largest norm of the difference over the map's own
    norm, signs included; 0 no change, 1 as large as the map; NaN where the map is all 0.
    Source: Yeh et al. 2019, arXiv 1901.09392, whose change is not divided; divided as Quantus does: methods differ in unit.
    xplique's average stability is another measure: a mean, not divided, under noise that only brightens.
    """
    rng = np.random.default_rng(seed)
    size = np.linalg.norm(maps.reshape(len(maps), -1).astype(np.float64), axis=1)  # (N,)
    worst = np.zeros(len(maps), np.float64)  # (N,)
    for _ in range(samples):
        noise = rng.uniform(-radius, radius, images.shape)
        moved = explain(np.clip(images + noise, 0, 255).astype(np.float32))
        change = (moved.astype(np.float64) - maps).reshape(len(maps), -1)  # (N, H * W)
        worst = np.maximum(worst, np.linalg.norm(change, axis=1))
    return np.where(size > 0, worst / np.where(size > 0, size, 1), np.nan)


def repeatability(values: Sequence[Sequence[Numbers]]) -> Numbers:
    """Mean Spearman correlation over all pairs of seeds, per film: 1 if the seed does not matter.

    values: per seed, per film, what the method found (one shape for all seeds). Gives (N,), NaN where a map is constant.
    """
    pairs = list(combinations(values, 2))
    if not pairs:
        raise ValueError("repeatability must have two seeds or more, got one; raise `explain.repeats`")
    found = [[rank_correlation(one, other) for one, other in zip(*pair, strict=True)] for pair in pairs]
    return np.asarray(found, np.float64).mean(axis=0)
