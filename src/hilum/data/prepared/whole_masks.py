"""Masks as they were drawn, before resizing to the prepared film: a ZIP file with a PNG of one bit per film."""

import zipfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

AnnotationMask = NDArray[np.bool_]
_DATE = (1980, 1, 1, 0, 0, 0)  # of every entry, so that equal masks give equal bytes


def encode_mask(mask: AnnotationMask) -> bytes:
    """A mask (h, w) as a PNG of one bit per pixel: 2,000 x 2,000 pixels of a lung take about 8 KB."""
    stream = BytesIO()
    Image.fromarray(mask).save(stream, "PNG")
    return stream.getvalue()


def decode_mask(png: bytes) -> AnnotationMask:
    """The mask (h, w) of `encode_mask`."""
    return np.asarray(Image.open(BytesIO(png)), bool)


def write_whole_masks(masks: Mapping[str, bytes], file: Path) -> None:
    """Write PNG bytes by image_id; equal content gives equal bytes."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for image_id in sorted(masks):
            archive.writestr(zipfile.ZipInfo(f"{image_id}.png", _DATE), masks[image_id])


def read_whole_masks(file: Path, image_ids: Sequence[str]) -> dict[str, bytes]:
    """The PNG bytes of the masks of those films that have one."""
    with zipfile.ZipFile(file) as archive:
        known = set(archive.namelist())
        return {image_id: archive.read(f"{image_id}.png") for image_id in image_ids if f"{image_id}.png" in known}
