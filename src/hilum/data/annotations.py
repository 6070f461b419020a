"""Expert annotations of a film: lesions, lungs and boxes, at the size of the prepared film and at its original size."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hilum.data.masks import load_masks
from hilum.data.prepared.geometry import Geometry
from hilum.data.prepared.loading import load_geometry, load_whole_masks, read_manifest
from hilum.data.prepared.whole_masks import AnnotationMask, decode_mask

KINDS = {"lesion": "lesion mask", "box": "box", "lungs": "lung mask"}  # in the order in which they are listed
STORED = {"lesion": "lesion_mask", "lungs": "lung_mask"}  # what `prepare` calls those that are masks


@dataclass(frozen=True)
class FilmAnnotations:
    """The annotations of one film.

    geometry: where the raw film lies in the prepared square.
    masks: `lesion` and `lungs` where the film has them, (size, size) of the prepared film, where a small one may be empty.
    whole: the same as they were drawn, of `whole_masks.encode_mask`.
    boxes: (B, 4) of x, y, width, height in raw pixels; findings: what each box shows, empty where unknown.
    """

    geometry: Geometry
    masks: dict[str, AnnotationMask]
    whole: dict[str, bytes]
    boxes: NDArray[np.float64]
    findings: tuple[str, ...]

    @property
    def kinds(self) -> list[str]:
        """The kinds of KINDS that this film has."""
        return [kind for kind in KINDS if (len(self.boxes) if kind == "box" else kind in self.whole)]

    def at_raw_size(self, kind: str) -> AnnotationMask:
        """An annotation of KINDS at the film's original size, (height, width); boxes as the pixels whose middle lies in one."""
        if kind != "box":
            return self.geometry.mask_to_raw(decode_mask(self.whole[kind]))
        found = np.zeros((self.geometry.height, self.geometry.width), bool)  # (H, W)
        for x, y, width, height in self.boxes:
            left, top, right, bottom = np.ceil(np.maximum([x, y, x + width, y + height], 0) - 0.5).astype(int)
            found[top:bottom, left:right] = True
        return found

    def boxes_prepared(self) -> NDArray[np.float64]:
        """The boxes (B, 4) in pixels of the prepared film."""
        return self.geometry.boxes_to_prepared(self.boxes)


def no_annotations(geometry: Geometry) -> FilmAnnotations:
    """A film without annotations: its geometry alone."""
    return FilmAnnotations(geometry, {}, {}, np.zeros((0, 4)), ())


def load_annotations(prepared: Path, image_ids: Sequence[str]) -> list[FilmAnnotations]:
    """The annotations of these films, in this order; masks without a pixel are left out.

    Raises: ValueError for a film that the manifest does not know.
    """
    rows = {str(row["image_id"]): row for row in read_manifest(prepared / "manifest.csv").to_dict("records")}
    if strange := [image_id for image_id in image_ids if image_id not in rows]:
        raise ValueError(f"every film must be in the manifest, got {len(strange)} others such as {strange[0]}; run `dvc repro`")
    geometry = load_geometry(prepared)
    ids = list(image_ids)
    masks = {name: load_masks(prepared, kind, ids) for name, kind in STORED.items()}
    drawn = {name: load_whole_masks(prepared, kind, ids) for name, kind in STORED.items()}
    found = []
    for image_id in image_ids:
        row = rows[image_id]
        whole = {name: known[image_id] for name, known in drawn.items() if image_id in known}
        whole = {name: png for name, png in whole.items() if decode_mask(png).any()}
        own = {name: masks[name][image_id] for name in whole}
        boxes = np.array(json.loads(row["boxes"] or "[]"), np.float64).reshape(-1, 4)  # (M, 4)
        names = tuple(str(finding) for finding in json.loads(row["box_findings"] or "[]"))
        findings = names if len(names) == len(boxes) else ("",) * len(boxes)
        found.append(FilmAnnotations(geometry[image_id], own, whole, boxes, findings))
    return found
