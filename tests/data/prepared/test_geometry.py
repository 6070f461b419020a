"""A corner is followed from files on disk to prepared film, box and mask, and back, by the geometry that was stored."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hilum.data.burned_in.treatment import Treatment
from hilum.data.manifest.building import build_manifest
from hilum.data.manifest.prepared_set import write_prepared
from hilum.data.masks import load_masks
from hilum.data.prepared.loading import load_films, load_geometry
from hilum.records import MANIFEST

SIZE = 96
SHAPES = [(301, 177), (177, 301), (97, 255), (512, 512), (64, 50), (1201, 1600)]  # height, width of the upright film
BACK = {1: None, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270, 3: Image.Transpose.ROTATE_180}  # undo the display


def write_films(root: Path, orientation: int, ending: str) -> pd.DataFrame:
    """Black films with a white square in the lower right of the middle, stored turned, each with its box and mask."""
    rows = []
    for number, (height, width) in enumerate(SHAPES):
        top, left, high, wide = round(0.55 * height), round(0.6 * width), round(0.25 * height), round(0.2 * width)
        film = np.full((height, width), 10 + number, np.uint8)
        film[top : top + high, left : left + wide] = 250
        stored = Image.fromarray(film) if BACK[orientation] is None else Image.fromarray(film).transpose(BACK[orientation])
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored.save(root / f"{number}.{ending}", exif=exif, quality=95)
        Image.fromarray(film == 250).save(root / f"{number}_mask.png")
        box = json.dumps([[left, top, wide, high]])
        finding = "normal" if number % 2 else "ill"
        row = {"image_id": str(number), "path": f"{number}.{ending}", "finding": finding, "boxes": box}
        rows.append({**row, "lesion_mask": f"{number}_mask.png"})
    return pd.DataFrame(rows).reindex(columns=list(MANIFEST), fill_value="")


def edges(inside: np.ndarray) -> np.ndarray:
    """Left, top, right and bottom of the True pixels, continuous coordinates."""
    rows, columns = np.nonzero(inside)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], float)


def to_corners(box: np.ndarray) -> np.ndarray:
    return np.array([box[0], box[1], box[0] + box[2], box[1] + box[3]])


@pytest.mark.parametrize("ending", ["png", "jpeg"])
@pytest.mark.parametrize("orientation", BACK)
@pytest.mark.parametrize("square", ["pad", "stretch"])
def test_a_marked_corner_goes_there_and_back(tmp_path: Path, square: str, orientation: int, ending: str) -> None:
    table = write_films(tmp_path, orientation, ending)
    labels = {"normal": ["normal"], "ill": ["ill"]}
    write_prepared(
        build_manifest({"s": (tmp_path, table)}, SIZE, square, labels, "stop", 0.0, Treatment("keep", "letters"), 2),
        tmp_path / "prepared",
    )
    films, geometry = load_films(tmp_path / "prepared"), load_geometry(tmp_path / "prepared")
    masks = load_masks(tmp_path / "prepared", "lesion_mask", list(geometry))
    assert len(geometry) == len(masks) == len(SHAPES)
    for film, (name, place), row in zip(films, geometry.items(), table.itertuples(), strict=True):
        height, width = SHAPES[int(row.image_id)]
        assert (place.width, place.height) == (width, height)
        raw = np.array(json.loads(str(row.boxes)))
        box = to_corners(place.boxes_to_prepared(raw)[0])
        np.testing.assert_allclose(edges(film > 130), box, atol=1.0)  # forward: the film's own pixels are where the box says
        np.testing.assert_allclose(edges(masks[name]), box, atol=1.0)
        np.testing.assert_allclose(place.to_raw(box.reshape(2, 2)).ravel(), to_corners(raw[0]), atol=1e-6)
        heat = place.map_to_raw(film.astype(np.float32))  # backward: a map of the prepared film on the raw one
        assert heat.shape == (height, width)
        pixel = max(1 / place.scale_x, 1 / place.scale_y)  # raw pixels in a prepared one
        np.testing.assert_allclose(edges(heat > 130), to_corners(raw[0]), atol=1.0 + pixel)
