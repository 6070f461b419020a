"""What was found burned into a film: boxes around single letters, outlines around text, and the pixels that they cover."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from hilum.data.burned_in.letters import SIDE
from hilum.data.prepared.geometry import Geometry

MARGIN = 1.5  # pixels of the searched film around a letter's box that are covered as well: a letter's edge is soft


@dataclass(frozen=True)
class BurnedIn:
    """Letters and text in pixels of the film searched.

    letters: (M, 4) x, y, width, height. text: outlines (P, 2) of x, y, with a margin for soft edges.
    """

    letters: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 4)))
    text: tuple[NDArray[np.float64], ...] = ()

    def __len__(self) -> int:
        """Number of places: single letters outside of text, and outlines of text."""
        return len(self.letters) + len(self.text)

    def list_boxes(self) -> NDArray[np.float64]:
        """A box (N, 4) of x, y, width, height around each place."""
        corners = [np.r_[one.min(0), one.max(0) - one.min(0)] for one in self.text]
        return np.vstack([self.letters, *corners]).reshape(-1, 4)  # (N, 4)

    def scale(self, across: float, down: float) -> "BurnedIn":
        """The same on a film scaled by these factors."""
        return BurnedIn(self.letters * (across, down, across, down), tuple(one * (across, down) for one in self.text))

    def to_raw(self, geometry: Geometry) -> "BurnedIn":
        """What was found in a prepared film, in the pixels of its raw film."""
        ends = geometry.to_raw(self.letters[:, :2] + self.letters[:, 2:])
        starts = geometry.to_raw(self.letters[:, :2])
        return BurnedIn(np.hstack([starts, ends - starts]), tuple(geometry.to_raw(one) for one in self.text))

    def measure_area(self) -> float:
        """Pixels that boxes and outlines cover; overlaps count repeatedly."""
        outlines = sum(float(cv2.contourArea(one.astype(np.float32))) for one in self.text)
        return float((self.letters[:, 2] * self.letters[:, 3]).sum()) + outlines

    def paint(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """(H, W): 255 in the boxes and a margin around them and in the outlines, 0 elsewhere."""
        margin = measure_margin(shape)
        covered = np.zeros(shape, np.uint8)  # (H, W)
        for x, y, width, height in self.letters:
            rows = slice(max(0, int(np.floor(y - margin))), int(np.ceil(y + height + margin)))
            covered[rows, max(0, int(np.floor(x - margin))) : int(np.ceil(x + width + margin))] = 255
        for one in self.text:
            cv2.fillPoly(covered, [np.rint(one - 0.5).astype(np.int32)], 255)
        return covered


def measure_margin(shape: tuple[int, ...]) -> float:
    """The margin that `paint` covers around a box, pixels of a film of that shape."""
    return MARGIN * max(1.0, max(shape) / SIDE)


def join_found(one: BurnedIn, other: BurnedIn) -> BurnedIn:
    """What two searches of one film found: letters that lie in text are part of it."""
    text = (*one.text, *other.text)
    letters = np.vstack([one.letters, other.letters])
    middles = letters[:, :2] + letters[:, 2:] / 2
    outside = [
        all(cv2.pointPolygonTest(outline.astype(np.float32), (float(x), float(y)), False) < 0 for outline in text)
        for x, y in middles
    ]
    return BurnedIn(letters[np.array(outside, bool)], text)
