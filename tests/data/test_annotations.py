import json
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hilum.data.annotations import FilmAnnotations, load_annotations
from hilum.data.burned_in.treatment import Treatment
from hilum.data.manifest.building import build_manifest
from hilum.data.manifest.prepared_set import GEOMETRY, Prepared, write_prepared
from hilum.data.masks import PackedMasks
from hilum.data.prepared.geometry import fit_square
from hilum.data.prepared.whole_masks import encode_mask
from hilum.data.quality.still_burned_in import StillBurnedIn
from hilum.explain.measures.localization import hit_rate, relevance_mass
from hilum.records import MANIFEST

SIZE = 20
DRAWN = np.zeros((40, 80), bool)  # at the film's own size
DRAWN[1:21, 17:30] = True
SQUARE = fit_square(80, 40, SIZE, "pad")
LESION = SQUARE.mask_to_prepared(DRAWN)


def film(image_id: str, **more: object) -> dict[str, object]:
    return {**dict.fromkeys(MANIFEST, ""), "image_id": image_id, "width": 80, "height": 40, **more}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [
        film("s/boxed", boxes=json.dumps([[10.5, 0, 3, 2], [70, 30, 10, 10]]), box_findings=json.dumps(["Nodule", "Mass"])),
        film("s/masked"),
        film("s/plain", boxes="[]"),
    ]
    empty = np.zeros((1, SIZE, SIZE), bool)
    whole = {"lung_mask": {"s/plain": encode_mask(empty[0])}, "lesion_mask": {"s/masked": encode_mask(DRAWN)}}
    masks = {
        "lung_mask": PackedMasks(np.array(["s/plain"]), np.packbits(empty, axis=-1), SIZE),
        "lesion_mask": PackedMasks(np.array(["s/masked"]), np.packbits(LESION[np.newaxis], axis=-1), SIZE),
    }
    nothing = pd.DataFrame()
    none_left = StillBurnedIn(nothing, {}, {})
    films = np.zeros((3, SIZE, SIZE), np.uint8)
    geometry = pd.DataFrame([(row["image_id"], *astuple(SQUARE)) for row in rows], columns=list(GEOMETRY))
    tables = (nothing, nothing, nothing, geometry, nothing)
    write_prepared(Prepared(pd.DataFrame(rows), films, masks, whole, *tables, none_left, {}, {}, (), 0, 0), tmp_path)
    return tmp_path


def test_each_film_has_its_annotations_and_an_empty_mask_is_none(folder: Path) -> None:
    masked, plain, boxed = load_annotations(folder, ["s/masked", "s/plain", "s/boxed"])
    assert (masked.kinds, plain.kinds, boxed.kinds) == (["lesion"], [], ["box"])
    np.testing.assert_array_equal(masked.masks["lesion"], LESION)
    assert boxed.findings == ("Nodule", "Mass")


def test_boxes_are_pixels_whose_middle_lies_inside(folder: Path) -> None:
    (boxed,) = load_annotations(folder, ["s/boxed"])
    annotation = boxed.at_raw_size("box")
    assert annotation.shape == (40, 80)
    assert annotation[:2, 10:13].all() and annotation[30:40, 70:80].all() and annotation.sum() == 6 + 100
    np.testing.assert_allclose(boxed.boxes_prepared()[1], [17.5, 12.5, 2.5, 2.5])  # a quarter of the size, 5 rows of padding


def test_masks_are_those_that_were_drawn_at_the_original_size(folder: Path) -> None:
    (masked,) = load_annotations(folder, ["s/masked"])
    np.testing.assert_array_equal(masked.at_raw_size("lesion"), DRAWN)


@pytest.mark.parametrize("square", ["pad", "stretch"])
def test_a_mask_of_another_resolution_takes_the_film_s_size(square: str) -> None:
    geometry = fit_square(300, 200, 64, square)
    down, across = np.mgrid[:200, :300]
    disc = (down - 90) ** 2 + (across - 140) ** 2 < 60**2
    coarse = encode_mask(disc[::2, ::2])
    back = FilmAnnotations(geometry, {"lesion": disc[:64, :64]}, {"lesion": coarse}, np.zeros((0, 4)), ()).at_raw_size("lesion")
    assert (back & disc).sum() / (back | disc).sum() > 0.97


@pytest.mark.parametrize("square", ["pad", "stretch"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_marked_corner_is_met_at_the_original_size(tmp_path: Path, square: str, orientation: int) -> None:
    """A lesion of 19 x 19 pixels in the far corner of a film of 2,000 x 1,500: at 64 pixels nothing of it is left."""
    film = np.full((1500, 2000), 40, np.uint8)
    lesion = np.zeros(film.shape, bool)
    lesion[1481:, 1981:] = True
    exif = Image.Exif()
    exif[274] = orientation
    turned = np.rot90(film, 1) if orientation == 6 else film  # stored so that a reader turns it upright
    Image.fromarray(np.ascontiguousarray(turned)).save(tmp_path / "film.jpg", exif=exif)
    Image.fromarray(lesion).save(tmp_path / "lesion.png")
    row = {
        "image_id": "one",
        "path": "film.jpg",
        "finding": "ill",
        "lesion_mask": "lesion.png",
        "boxes": "[[1981, 1481, 19, 19]]",
    }
    table = pd.DataFrame([{**row, "patient_id": "p"}])
    made = build_manifest({"s": (tmp_path, table)}, 64, square, {"ill": ["ill"]}, "stop", 0.0, Treatment("keep", "letters"), 1)
    write_prepared(made, tmp_path / "prepared")
    (annotations,) = load_annotations(tmp_path / "prepared", ["s/one"])
    assert annotations.kinds == ["lesion", "box"] and not annotations.masks["lesion"].any()
    for kind in annotations.kinds:
        np.testing.assert_array_equal(annotations.at_raw_size(kind), lesion)
    heat = np.zeros((64, 64), np.float32)
    corner = annotations.geometry.to_prepared(np.array([[1999.5, 1499.5]]))[0].astype(int)
    heat[corner[1], corner[0]] = 1
    on_film = annotations.geometry.map_to_raw(heat)
    assert on_film.shape == lesion.shape
    missed = annotations.geometry.map_to_raw(np.roll(heat, -3, axis=1))
    assert (hit_rate(on_film, lesion), hit_rate(missed, lesion)) == (1, 0)
    assert relevance_mass(on_film, lesion) > 20 * lesion.mean() > relevance_mass(missed, lesion)


def test_an_unknown_film_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"be in the manifest, got .* such as s/none"):
        load_annotations(folder, ["s/none"])
