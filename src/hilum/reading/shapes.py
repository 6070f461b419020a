"""Boxes and polygons that a reader draws, in pixels of the film's own size, and the pixels inside them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

KINDS = ("box", "polygon")
MOST_POINTS = 2_000  # of a polygon: a hand-drawn outline has a few dozen
MOST_SHAPES = 100  # of one record

Point = tuple[float, float]


@dataclass(frozen=True)
class Shape:
    """A box by two opposite corners, or a polygon by three corners or more, closed by itself.

    points: x, y in pixels of the film's own size; pixel i covers i to i + 1, so the middle of the first is 0.5.
    """

    kind: Literal["box", "polygon"]
    points: tuple[Point, ...]

    def box(self) -> tuple[float, float, float, float]:
        """x, y, width, height of the smallest upright box around it."""
        across, down = [x for x, _ in self.points], [y for _, y in self.points]
        return min(across), min(down), max(across) - min(across), max(down) - min(down)


def read_shapes(values: Any, width: int, height: int) -> tuple[Shape, ...]:
    """Shapes from plain values, `[{"kind": "box", "points": [[x, y], [x, y]]}, ...]`, cut to the film of width x height pixels.

    Raises:
        ValueError: another form, too many shapes or points, numbers that are not finite, or a shape without area on the film.
    """
    if not isinstance(values, list | tuple) or len(values) > MOST_SHAPES:
        raise ValueError(f"marks must be a list of at most {MOST_SHAPES} shapes, got {str(values)[:60]}")
    return tuple(_read_shape(value, width, height) for value in values)


def _read_shape(value: Any, width: int, height: int) -> Shape:
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind not in KINDS:
        raise ValueError(f"a mark must be a {' or a '.join(KINDS)}, got {str(value)[:60]}; draw it again")
    points = value.get("points")
    least, most = (2, 2) if kind == "box" else (3, MOST_POINTS)
    try:
        pairs = [(float(x), float(y)) for x, y in points]
        sound = all(math.isfinite(x) and math.isfinite(y) for x, y in pairs) and least <= len(pairs) <= most
    except (TypeError, ValueError):
        sound = False
    if not sound:
        raise ValueError(f"a {kind} must have {least} to {most} points of two numbers, got {str(points)[:60]}; draw it again")
    cut = tuple((round(min(max(x, 0), width), 2), round(min(max(y, 0), height), 2)) for x, y in pairs)
    shape = Shape(kind, cut)
    if _area(shape) <= 0:
        raise ValueError(
            f"a {kind} must have an area on the film of {width} x {height} pixels, got {str(points)[:60]}; draw it again"
        )
    return shape


def write_shapes(shapes: Sequence[Shape]) -> list[dict[str, Any]]:
    """The plain values that `read_shapes` takes."""
    return [{"kind": shape.kind, "points": [list(point) for point in shape.points]} for shape in shapes]


def mask_shapes(shapes: Sequence[Shape], width: int, height: int) -> NDArray[np.bool_]:
    """(height, width) the pixels whose middle lies in one of the shapes; a polygon that crosses itself by the even-odd rule."""
    mask = np.zeros((height, width), bool)  # (H, W)
    for shape in shapes:
        if shape.kind == "box":
            x, y, wide, high = shape.box()
            left, top, right, bottom = (max(math.ceil(edge - 0.5), 0) for edge in (x, y, x + wide, y + high))
            mask[top:bottom, left:right] = True
        else:
            _fill(mask, shape.points)
    return mask


def _fill(mask: NDArray[np.bool_], points: Sequence[Point]) -> None:
    """Add a polygon's pixels, row by row: those between the first and second, third and fourth ... crossing of its edges."""
    starts = np.array(points, float)  # (P, 2)
    ends = np.roll(starts, -1, axis=0)
    low, high = starts[:, 1].min(), starts[:, 1].max()
    for row in range(max(math.ceil(low - 0.5), 0), min(math.ceil(high - 0.5), len(mask))):
        middle = row + 0.5
        crossing = (starts[:, 1] <= middle) != (ends[:, 1] <= middle)
        begun, ended = starts[crossing], ends[crossing]
        share = (middle - begun[:, 1]) / (ended[:, 1] - begun[:, 1])
        across = np.sort(begun[:, 0] + share * (ended[:, 0] - begun[:, 0]))
        edges = np.maximum(np.ceil(across - 0.5), 0).astype(int)
        for left, right in zip(edges[::2], edges[1::2], strict=True):
            mask[row, left:right] = True


def _area(shape: Shape) -> float:
    if shape.kind == "box":
        _, _, width, height = shape.box()
        return width * height
    x, y = np.array(shape.points, float).T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)
