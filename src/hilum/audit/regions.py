"""The lungs of a source's films and what is around them: one region for all films, so that no outline reveals a class."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from hilum.records import Masks

Region = NDArray[np.bool_]  # (H, W)
Blend = NDArray[np.float32]  # (H, W) share of the other film, 0 to 1

SELDOM = 0.02  # a pixel that is lung in at most this share of the masks counts as around the lungs
MARGIN = 0.10  # and in at most this share of them as a place for a mark, which covers few pixels
NARROWER = 0.05  # of the side: what the rectangle is narrower by on each side where marks are looked for
RING = 0.05  # of the side: the border that is blacked out
FEATHER = 0.01  # of the side: width of the blend between two films


@dataclass(frozen=True)
class Regions:
    """lungs: (H, W) pixels that are lung in any film; around: (H, W) those that are lung in (nearly) none.

    margin: (H, W) those that are lung in few films, where marks are looked for.
    """

    lungs: Region
    around: Region
    margin: Region


def regions_of_masks(masks: Masks) -> Regions:
    """The regions of one source, from lung masks (N, size, size) of its films."""
    share = masks.mean(axis=0)
    return Regions(share > 0, share <= SELDOM, share <= MARGIN)


def regions_of_rectangle(top: float, bottom: float, left: float, right: float, size: int) -> Regions:
    """The regions of a source without lung masks: a rectangle, its edges as shares of the side."""
    inner = (top + NARROWER, bottom - NARROWER, left + NARROWER, right - NARROWER)
    lungs, core = (_rectangle(*edges, size) for edges in ((top, bottom, left, right), inner))
    return Regions(lungs, ~lungs, ~(core if core.any() else lungs))


def _rectangle(top: float, bottom: float, left: float, right: float, size: int) -> Region:
    found = np.zeros((size, size), bool)  # (size, size)
    found[round(top * size) : round(bottom * size), round(left * size) : round(right * size)] = True
    return found


def join_regions(regions: Iterable[Regions]) -> Regions:
    """One region for films of several sources: lung where any source has lung, around and margin where all have them."""
    found = list(regions)
    around, margin = (np.all([getattr(one, name) for one in found], axis=0) for name in ("around", "margin"))
    return Regions(np.any([one.lungs for one in found], axis=0), around, margin)


def ring_of(size: int) -> Region:
    """The outer RING of a film on all sides."""
    wide = max(1, round(RING * size))
    ring = np.ones((size, size), bool)
    ring[wide:-wide, wide:-wide] = False
    return ring


def soften(region: Region) -> Blend:
    """1 in the region and 0 away from it, with an edge over FEATHER of the side, so that no seam looks like a finding."""
    return gaussian_filter(region.astype(np.float32), FEATHER * len(region), mode="nearest")
