"""How a film is to be read, and the result of reading it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from hilum.data.decoding.depth import GREY_BITS
from hilum.data.decoding.limits import MAX_PIXELS


@dataclass(frozen=True)
class Order:
    """How a film is to be read.

    max_pixels: see `limits`. draft: (width, height) below which no JPEG is decoded; None: whole. exact: grey levels of a grey
    DICOM stay float32, to be rounded after resizing. bits: the depths that a film of 16 bits may have.
    """

    max_pixels: int = MAX_PIXELS
    draft: tuple[int, int] | None = None
    exact: bool = False
    bits: Sequence[int] = GREY_BITS


@dataclass(frozen=True)
class FilmRead:
    """A decoded film.

    grey: (H, W) uint8 grey levels; smaller than height x width where a draft was asked for. `read_levels` may give float32.
    width, height: of the whole film, upright, pixels. bits: of a film of 16 bits, the depth that its pixels use
    (`depth.find_bits`), whatever it was scaled by; 0: any other film. remarks: oddities that did not prevent reading.
    """

    grey: NDArray[Any]
    width: int
    height: int
    bits: int = 0
    remarks: tuple[str, ...] = ()
