import json
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hilum.data.images import fit_square
from hilum.data.manifest import GEOMETRY, PackedMasks, Prepared
from hilum.data.marks import FilmMarks, load_marks
from hilum.data.prepared import write_prepared
from hilum.records import MANIFEST

SIZE = 20
LESION = np.zeros((SIZE, SIZE), bool)
LESION[5:10, 4:8] = True


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
    masks = {
        "lung_mask": PackedMasks(np.array(["s/plain"]), np.packbits(empty, axis=-1), SIZE),
        "lesion_mask": PackedMasks(np.array(["s/masked"]), np.packbits(LESION[np.newaxis], axis=-1), SIZE),
    }
    nothing = pd.DataFrame()
    films = np.zeros((3, SIZE, SIZE), np.uint8)
    square = astuple(fit_square(80, 40, SIZE, "pad"))
    geometry = pd.DataFrame([(row["image_id"], *square) for row in rows], columns=list(GEOMETRY))
    write_prepared(Prepared(pd.DataFrame(rows), films, masks, nothing, nothing, nothing, geometry, nothing, ()), tmp_path)
    return tmp_path


def test_each_film_has_its_marks_and_an_empty_mask_is_none(folder: Path) -> None:
    masked, plain, boxed = load_marks(folder, ["s/masked", "s/plain", "s/boxed"])
    assert (masked.kinds, plain.kinds, boxed.kinds) == (["lesion"], [], ["box"])
    np.testing.assert_array_equal(masked.masks["lesion"], LESION)
    assert boxed.findings == ("Nodule", "Mass")


def test_boxes_are_pixels_whose_middle_lies_inside(folder: Path) -> None:
    (boxed,) = load_marks(folder, ["s/boxed"])
    mark = boxed.at_raw_size("box")
    assert mark.shape == (40, 80)
    assert mark[:2, 10:13].all() and mark[30:40, 70:80].all() and mark.sum() == 6 + 100
    np.testing.assert_allclose(boxed.boxes_prepared()[1], [17.5, 12.5, 2.5, 2.5])  # a quarter of the size, 5 rows of padding


def test_masks_come_back_at_the_original_size_without_the_padding(folder: Path) -> None:
    (masked,) = load_marks(folder, ["s/masked"])
    mark = masked.at_raw_size("lesion")
    assert mark.shape == (40, 80)
    down, across = np.nonzero(mark)
    assert (down.min(), down.max(), across.min(), across.max()) == (0, 19, 16, 31)


def test_a_mask_survives_the_way_there_and_back() -> None:
    geometry = fit_square(300, 200, 64, "pad")
    down, across = np.mgrid[:200, :300]
    disc = (down - 90) ** 2 + (across - 140) ** 2 < 60**2
    back = FilmMarks(geometry, {"lesion": geometry.mask_to_prepared(disc)}, np.zeros((0, 4)), ()).at_raw_size("lesion")
    assert (back & disc).sum() / (back | disc).sum() > 0.95


def test_an_unknown_film_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"stand in the manifest, got .* such as s/none"):
        load_marks(folder, ["s/none"])
