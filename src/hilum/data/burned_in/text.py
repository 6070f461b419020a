"""Where text is burned into a film: names, dates and numbers of four letters or more, of any size, angle and place."""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from hilum.data.burned_in.strokes import LENGTH, Parts, list_parts

SMALLEST = 96  # pixels of the longer side: on smaller films no name can be read, and ribs look like letters
FEWEST = 4  # letters of a text
MOST = 40  # more are no stronger evidence: noise has thousands
REACH = (1.5, 2.0)  # neighbours if their middles are closer than so many times the longer letter plus so many pixels
ALIKE = {"length": 0.5, "contrast": 0.55}  # the smaller of two by the larger one, at least
INK = 60.0  # grey levels between two of one text, at most
SURE = 2.0  # evidence from which a group of parts is text
LIKELY = 0.0  # the same next to text: the rest of a line on bright tissue
# The evidence for text, the logistic regression of `python benchmarks/burned_in.py --fit`: mean, spread and weight of each.
EVIDENCE: dict[str, tuple[float, float, float]] = {
    "log number": (1.93, 0.541, 0.41),
    "log sharpness": (3.41, 0.9, 2.20),
    "log contrast": (3.83, 0.737, 1.50),
    "spread of length": (0.28, 0.127, -0.09),
    "spread of contrast": (0.118, 0.0748, 0.73),
    "spread of ink": (14.3, 8.46, -0.96),
    "evenness of direction": (0.565, 0.297, 0.17),
    "gap": (1.14, 0.3, -0.81),
}
CONSTANT = 0.54
ROOM = 0.35  # of a letter: margin covered around letters, for their soft edges
ALONG = 0.8  # of a letter: the same along the line, for a letter that was not found


@dataclass(frozen=True)
class Group:
    """Parts arranged like the letters of a text.

    members: (M,) rows of Parts. turn: direction of its lines, radians, positive downwards. evenness: of the directions of the
    nearest neighbours, 0 to 1. gap: mean distance of nearest neighbours, in lengths.
    """

    members: NDArray[np.intp]
    turn: float
    evenness: float
    gap: float


def find_text(grey: NDArray[np.uint8]) -> list[NDArray[np.float64]]:
    """Outlines (P, 2) of x, y in pixels of a film (H, W) uint8 around its lines and blocks of text.

    Parts as thin as strokes are joined with neighbours of similar size, contrast and ink; a group is text by the evidence of its
    number, sharpness, evenness and direction, of which less is needed next to other text.
    """
    if max(grey.shape) < SMALLEST:
        return []
    weighed = [(weigh(measure_group(parts, group)), parts, group) for parts in list_parts(grey) for group in join_parts(parts)]
    covered = np.zeros(grey.shape, np.uint8)  # (H, W)
    for evidence, parts, group in sorted(weighed, key=lambda one: -one[0]):
        if evidence < LIKELY:
            break
        places = _place(parts, group)
        if evidence >= SURE or _touches(covered, places):
            for one in places:
                cv2.fillPoly(covered, [one], 255)
    outlines, _ = cv2.findContours(covered, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [np.asarray(one, float).reshape(-1, 2) + 0.5 for one in outlines]


def join_parts(parts: Parts) -> list[Group]:
    """The groups of FEWEST parts or more that are joined by similar neighbours."""
    first, second = cKDTree(parts.middles).query_pairs(REACH[0] * LENGTH[1] + REACH[1], output_type="ndarray").T
    apart = np.linalg.norm(parts.middles[first] - parts.middles[second], axis=1)
    joined = apart < REACH[0] * np.maximum(parts.length[first], parts.length[second]) + REACH[1]
    joined &= np.abs(parts.ink[first] - parts.ink[second]) < INK
    for name, least in ALIKE.items():
        one, other = getattr(parts, name)[first], getattr(parts, name)[second]
        joined &= np.minimum(one, other) > least * np.maximum(one, other)
    first, second, apart = first[joined], second[joined], apart[joined]
    count = len(parts.length)
    graph = coo_matrix((np.ones(len(first)), (first, second)), (count, count))
    names = connected_components(graph, directed=False)[1]
    nearest, turn = _find_nearest(parts, first, second, apart)
    order = np.argsort(names, kind="stable")
    return [
        _describe(members, parts, nearest, turn)
        for members in np.split(order, np.flatnonzero(np.diff(names[order])) + 1)
        if len(members) >= FEWEST
    ]


def _find_nearest(
    parts: Parts, first: NDArray[np.intp], second: NDArray[np.intp], apart: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The distance of each part's nearest joined neighbour, and its direction, radians."""
    across, down = (parts.middles[second] - parts.middles[first]).T
    ends, distance, turn = np.r_[first, second], np.r_[apart, apart], np.tile(np.arctan2(down, across), 2)
    order = np.lexsort((distance, ends))
    own, place = np.unique(ends[order], return_index=True)
    nearest, direction = np.full(len(parts.length), np.inf), np.zeros(len(parts.length))
    nearest[own], direction[own] = distance[order][place], turn[order][place]
    return nearest, direction


def _describe(members: NDArray[np.intp], parts: Parts, nearest: NDArray[np.float64], turn: NDArray[np.float64]) -> Group:
    mean = np.exp(2j * turn[members]).mean()  # twice the angle: a line has no forward direction
    gap = nearest[members].mean() / np.median(parts.length[members])
    return Group(members, float(np.angle(mean)) / 2, float(np.abs(mean)), float(gap))


def measure_group(parts: Parts, group: Group) -> dict[str, float]:
    """The values that EVIDENCE weighs, by its names."""
    own = group.members
    length, contrast = parts.length[own], parts.contrast[own]
    return {
        "log number": float(np.log(min(len(own), MOST))),
        "log sharpness": float(np.log(parts.sharpness[own].mean() + 1)),
        "log contrast": float(np.log(contrast.mean() + 1)),
        "spread of length": float(length.std() / length.mean()),
        "spread of contrast": float(contrast.std() / contrast.mean()),
        "spread of ink": float(parts.ink[own].std()),
        "evenness of direction": group.evenness,
        "gap": group.gap,
    }


def weigh(measured: Mapping[str, float]) -> float:
    """The log odds that a group is text."""
    return CONSTANT + sum(weight * (measured[name] - mean) / spread for name, (mean, spread, weight) in EVIDENCE.items())


def _place(parts: Parts, group: Group) -> NDArray[np.int32]:
    """Corners (M, 4, 2) of a rectangle over each letter of a group that lies along the line and reaches beyond the letter."""
    along = np.array([np.cos(group.turn), np.sin(group.turn)])
    across = np.array([-along[1], along[0]])
    length = parts.length[group.members, np.newaxis]
    middle, wide, high = parts.middles[group.members], (0.5 + ALONG) * length * along, (0.5 + ROOM) * length * across
    corners = np.stack([middle - wide - high, middle + wide - high, middle + wide + high, middle - wide + high], axis=1)
    return np.rint(corners / parts.scale).astype(np.int32)


def _touches(covered: NDArray[np.uint8], places: NDArray[np.int32]) -> bool:
    """Whether a corner or the middle of one of the rectangles (M, 4, 2) is covered already."""
    points = np.concatenate([places.reshape(-1, 2), places.mean(1).astype(np.int32)])
    x, y = np.clip(points, 0, np.array(covered.shape[::-1]) - 1).T
    return bool(covered[y, x].any())
