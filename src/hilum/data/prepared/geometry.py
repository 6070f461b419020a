"""The position of a raw film in its prepared square, and the mapping of film, boxes and masks there and of maps back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SQUARES = ("pad", "stretch")


@dataclass(frozen=True)
class Geometry:
    """Where a raw film lies in its prepared square: prepared = raw * scale + offset, on each axis.

    Coordinates are continuous: pixel i covers i to i + 1, and its middle is i + 0.5.
    width, height: of the upright raw film, pixels. size: side of the square, pixels.
    """

    width: int
    height: int
    size: int
    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float

    def to_prepared(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (N, 2) of x, y in raw pixels -> (N, 2) in prepared pixels."""
        return np.asarray(points, float) * (self.scale_x, self.scale_y) + (self.offset_x, self.offset_y)

    def to_raw(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (N, 2) of x, y in prepared pixels -> (N, 2) in raw pixels."""
        return (np.asarray(points, float) - (self.offset_x, self.offset_y)) / (self.scale_x, self.scale_y)

    def boxes_to_prepared(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Boxes (N, 4) of x, y, width, height in raw pixels -> (N, 4) in prepared pixels."""
        boxes = np.asarray(boxes, float).reshape(-1, 4)  # (M, 4)
        return np.hstack([self.to_prepared(boxes[:, :2]), boxes[:, 2:] * (self.scale_x, self.scale_y)])  # (M, 4)

    def mask_to_prepared(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A mask (h, w) of the whole raw film, at any resolution -> (size, size); a pixel is in if half of it is."""
        grey = self._grey_at_raw_size(mask)
        if self.scale_x == self.scale_y:
            grey = square_film(grey, "pad")
        return resize_film(grey, self.size) >= 128

    def map_to_raw(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """A map (size, size) of the prepared film -> (height, width) of the raw film, bilinear, padding cut away."""
        edges = (0, 0, self.size, self.size)
        left, top = self.to_prepared(np.array([[0.0, 0.0]]))[0]
        right, bottom = self.to_prepared(np.array([[self.width, self.height]], float))[0]
        box = (max(left, edges[0]), max(top, edges[1]), min(right, edges[2]), min(bottom, edges[3]))
        picture = Image.fromarray(np.asarray(values, np.float32))
        return np.asarray(picture.resize((self.width, self.height), Image.Resampling.BILINEAR, box=box))

    def mask_to_raw(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A mask (h, w) of the whole raw film, at any resolution -> (height, width); a pixel is in if half of it is."""
        return self._grey_at_raw_size(mask) >= 128

    def _grey_at_raw_size(self, mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
        grey = np.where(mask, np.uint8(255), np.uint8(0))
        if grey.shape == (self.height, self.width):
            return grey
        return np.asarray(Image.fromarray(grey).resize((self.width, self.height), Image.Resampling.BILINEAR))


def check_square(square: str) -> None:
    """Check that the word is pad or stretch.

    Raises:
        ValueError: it is another word.
    """
    if square not in SQUARES:
        raise ValueError(f"`square` must be one of {', '.join(SQUARES)}, got {square!r}")


def fit_square(width: int, height: int, size: int, square: str) -> Geometry:
    """The geometry that `pad` or `stretch` gives a raw film of width x height pixels in a square of `size` pixels.

    Raises:
        ValueError: another word than pad or stretch.
    """
    check_square(square)
    if square == "stretch":
        return Geometry(width, height, size, size / width, size / height, 0.0, 0.0)
    side = max(width, height)
    scale = size / side
    return Geometry(width, height, size, scale, scale, (side - width) // 2 * scale, (side - height) // 2 * scale)


def square_film(grey: NDArray[Any], mode: str) -> NDArray[Any]:
    """`pad`: black on both sides of the shorter axis until the film (H, W) is square; `stretch`: unchanged, resizing does it.

    Raises:
        ValueError: another mode.
    """
    check_square(mode)
    height, width = grey.shape
    side = max(height, width)
    if mode == "stretch" or height == width:
        return grey
    return _pad(grey, side, side)


def _pad(grey: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Black on all sides of a film until it is height x width."""
    top, left = (height - grey.shape[0]) // 2, (width - grey.shape[1]) // 2
    return np.pad(grey, ((top, height - grey.shape[0] - top), (left, width - grey.shape[1] - left)))


def resize_film(grey: NDArray[Any], size: int) -> NDArray[Any]:
    """A film (H, W), uint8 or float32, to (size, size) of that type with Pillow's bilinear filter, whose support grows with the
    reduction (anti-aliased)."""
    if grey.shape == (size, size):
        return grey
    return np.asarray(Image.fromarray(grey).resize((size, size), Image.Resampling.BILINEAR))


def resize_part(grey: NDArray[Any], size: int, part: tuple[int, int, int, int]) -> NDArray[Any]:
    """The result of `resize_film` between left, top, right and bottom, in its pixels; the rest is not computed."""
    across, down = grey.shape[1] / size, grey.shape[0] / size
    left, top, right, bottom = part
    box = (left * across, top * down, right * across, bottom * down)
    return np.asarray(Image.fromarray(grey).resize((right - left, bottom - top), Image.Resampling.BILINEAR, box=box))


def fit_film(grey: NDArray[Any], size: int, square: str) -> NDArray[np.uint8]:
    """A film (H, W), uint8 or float32, squared and resized to (size, size) uint8.

    Raises:
        ValueError: a square that is neither pad nor stretch.
    """
    if square == "pad" and grey.shape[1] > grey.shape[0]:  # columns first, before black rows are added
        narrow = np.asarray(Image.fromarray(grey).resize((size, grey.shape[0]), Image.Resampling.BILINEAR))
        grey, square = _pad(narrow, grey.shape[1], size), "stretch"
    return round_levels(resize_film(square_film(grey, square), size))


def round_levels(grey: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey levels of any kind as uint8, 0 to 255."""
    return grey if grey.dtype == np.uint8 else np.rint(grey.clip(0, 255)).astype(np.uint8)
