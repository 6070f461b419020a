"""The masks of prepared films, at the films' size."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hilum.records import Masks

MASK_KINDS = ("lung_mask", "lesion_mask")


@dataclass(frozen=True)
class PackedMasks:
    """The masks of those films that have one, eight pixels to a byte.

    image_id: (M,) strings. bits: (M, size, ceil(size / 8)) uint8, as numpy.packbits makes them. size: side in pixels.
    """

    image_id: NDArray[np.str_]
    bits: NDArray[np.uint8]
    size: int

    def unpack(self, image_ids: Sequence[str]) -> Masks:
        """The masks (N, size, size) of these films, in this order.

        Raises:
            ValueError: a film without a mask.
        """
        row = {image_id: index for index, image_id in enumerate(self.image_id)}
        absent = [image_id for image_id in image_ids if image_id not in row]
        if absent:
            raise ValueError(f"every film must have a mask, got {len(absent)} without one, such as {absent[0]}; leave them out")
        chosen = self.bits[np.array([row[image_id] for image_id in image_ids], int)]
        return np.unpackbits(chosen, axis=-1, count=self.size).astype(bool)


def load_masks(folder: Path, kind: str, image_ids: list[str]) -> dict[str, Masks]:
    """The masks of those films that have one: image_id -> (size, size) bool. kind: lung_mask or lesion_mask."""
    with np.load(folder / f"{kind}s.npz") as stored:
        masks = PackedMasks(stored["image_id"], stored["bits"], int(stored["size"]))
    known = set(masks.image_id.tolist())
    having = [image_id for image_id in image_ids if image_id in known]
    return dict(zip(having, masks.unpack(having), strict=True)) if having else {}
