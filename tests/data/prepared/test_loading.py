import hashlib
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hilum.data.burned_in.covering import COLUMNS
from hilum.data.manifest.prepared_set import GEOMETRY, Prepared, write_prepared
from hilum.data.masks import PackedMasks, load_masks
from hilum.data.prepared.geometry import fit_square
from hilum.data.prepared.loading import (
    BURNED_IN,
    LISTED,
    find_burned_in_table,
    load_films,
    load_geometry,
    load_split,
    load_whole_masks,
    read_burned_in,
    read_grey_bits,
    read_linked_patients,
)
from hilum.data.prepared.whole_masks import decode_mask, encode_mask
from hilum.data.quality.alike.copies import PROBLEMS
from hilum.data.quality.still_burned_in import StillBurnedIn
from hilum.records import FORMER, MANIFEST
from hilum.results import file_sha256

SIZE = 10  # not a multiple of 8: the last byte of a packed row is only partly used
FILMS = np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE), np.uint8)
WHOLE = {f"clinic/{i:03d}": encode_mask(np.random.default_rng(i).random((70 + i, 33)) < 0.5) for i in (3, 1)}
LUNGS = np.random.default_rng(1).random((2, SIZE, SIZE)) < 0.5


def make_prepared() -> Prepared:
    ids = [f"clinic/{i:03d}" for i in range(5)]
    columns = {name: [""] * 5 for name in MANIFEST}
    manifest = pd.DataFrame({**columns, "image_id": ids, "patient_id": [f"clinic/{i // 2}" for i in range(5)], "width": 1500})
    return Prepared(
        manifest=manifest,
        films=FILMS,
        masks={
            "lung_mask": PackedMasks(np.array(ids)[[1, 3]], np.packbits(LUNGS, axis=-1), SIZE),
            "lesion_mask": PackedMasks(np.array([], object), np.zeros((0, SIZE, 2), np.uint8), SIZE),
        },
        whole_masks={"lung_mask": WHOLE, "lesion_mask": {}},
        problems=pd.DataFrame(
            [("clinic/9", "9.png", "broken film", "a comma, and a line")], columns=["image_id", "path", "problem", "detail"]
        ),
        findings=pd.DataFrame(columns=["finding", "label", "source", "films"]),
        linked_patients=pd.DataFrame([("clinic/0", "clinic/1")], columns=["patient_id", "other"]),
        geometry=pd.DataFrame(
            [(name, *astuple(fit_square(1500, 901 + i, SIZE, "pad"))) for i, name in enumerate(ids)], columns=list(GEOMETRY)
        ),
        burned_in=pd.DataFrame([(name, 1, 0.01, "[[1.0, 2.0, 3.5, 4.0]]", "", "", "") for name in ids], columns=list(COLUMNS)),
        still_burned_in=StillBurnedIn(pd.DataFrame(columns=list(PROBLEMS)), {}, {}),
        behind={},
        grey_bits={"clinic": 12},
        notes=("clinic: 5 films",),
        decoded=5,
        recalled=0,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_prepared(make_prepared(), tmp_path / "prepared")
    return tmp_path / "prepared"


def write_split(path: Path, rows: list[int], labels: list[str]) -> Path:
    table = make_prepared().manifest.iloc[rows].assign(label=labels, row=rows)
    table["pixel_sha256"] = [hashlib.sha256(FILMS[row].tobytes()).hexdigest() for row in rows]
    path.mkdir(exist_ok=True)
    table[list(LISTED)].to_csv(path / "val.csv", index=False)
    return path


def test_films_and_tables_come_back_as_they_were(folder: Path) -> None:
    films = load_films(folder)
    assert films.dtype == np.uint8
    np.testing.assert_array_equal(films, FILMS)
    assert pd.read_csv(folder / "manifest.csv")["image_id"].tolist() == make_prepared().manifest["image_id"].tolist()
    assert pd.read_csv(folder / "problems.csv")["detail"].tolist() == ["a comma, and a line"]
    assert pd.read_csv(folder / "linked_patients.csv").to_numpy().tolist() == [["clinic/0", "clinic/1"]]


def test_linked_patients_come_back_under_the_names_of_the_manifest(tmp_path: Path) -> None:
    linked = pd.DataFrame([("=clinic/0", "None"), ("'-1a", "-2")], columns=["patient_id", "other"])
    write_prepared(replace(make_prepared(), linked_patients=linked), tmp_path / "other")
    pd.testing.assert_frame_equal(read_linked_patients(tmp_path / "other"), linked, check_dtype=False)


def test_every_film_keeps_the_geometry_that_prepared_it(folder: Path) -> None:
    stored = load_geometry(folder)
    assert stored == {f"clinic/{i:03d}": fit_square(1500, 901 + i, SIZE, "pad") for i in range(5)}


def test_the_depths_of_sources_come_back_and_are_unknown_of_older_films(tmp_path: Path) -> None:
    for settled, known in (({"clinic": 12}, [12]), ({"a": 12, "b": 10, "c": 12}, [10, 12]), ({}, [])):
        write_prepared(replace(make_prepared(), grey_bits=settled), tmp_path / "other")
        assert read_grey_bits(tmp_path / "other") == known
    assert read_grey_bits(tmp_path / "older") is None


def test_equal_content_is_written_as_equal_bytes(folder: Path, tmp_path: Path) -> None:
    write_prepared(make_prepared(), tmp_path / "again")
    names = sorted(file.name for file in folder.iterdir())
    assert names == [
        "burned_in.csv",
        "films.npy",
        "geometry.csv",
        "grey_bits.json",
        "lesion_masks.npz",
        "linked_patients.csv",
        "lung_masks.npz",
        "manifest.csv",
        "problems.csv",
        "whole_lesion_masks.zip",
        "whole_lung_masks.zip",
    ]
    assert [file_sha256(folder / name) for name in names] == [file_sha256(tmp_path / "again" / name) for name in names]


def test_the_masks_of_the_films_that_have_one_come_back_in_the_order_asked_for(folder: Path) -> None:
    masks = load_masks(folder, "lung_mask", ["clinic/003", "clinic/000", "clinic/001"])
    assert list(masks) == ["clinic/003", "clinic/001"]
    np.testing.assert_array_equal(masks["clinic/003"], LUNGS[1])
    np.testing.assert_array_equal(masks["clinic/001"], LUNGS[0])
    assert masks["clinic/001"].dtype == bool


def test_masks_come_back_as_they_were_drawn(folder: Path) -> None:
    whole = load_whole_masks(folder, "lung_mask", ["clinic/001", "clinic/002", "clinic/003"])
    assert list(whole) == ["clinic/001", "clinic/003"]
    for image_id, png in whole.items():
        np.testing.assert_array_equal(decode_mask(png), decode_mask(WHOLE[image_id]))
        assert decode_mask(png).shape == (70 + int(image_id[-1]), 33)


def test_films_without_masks_give_none(folder: Path) -> None:
    assert load_whole_masks(folder, "lesion_mask", ["clinic/001"]) == {}
    assert load_masks(folder, "lung_mask", ["clinic/000"]) == {}
    assert load_masks(folder, "lesion_mask", ["clinic/001"]) == {}


def test_a_split_is_read_with_its_own_films_labels_and_hashes(folder: Path, tmp_path: Path) -> None:
    split = write_split(tmp_path / "split", [4, 0, 2], ["b", "a", "c"])
    read = load_split(folder, split, "val", ["c", "a", "b"])
    assert read.examples.labels.tolist() == [2, 1, 0]
    assert read.examples.labels.dtype == np.int64
    np.testing.assert_array_equal(read.examples.films, FILMS[[4, 0, 2]])
    assert read.table["image_id"].tolist() == ["clinic/004", "clinic/000", "clinic/002"]
    assert read.examples.keys == tuple(hashlib.sha256(film.tobytes()).hexdigest() for film in read.examples.films)


def test_some_films_of_a_split_are_those_of_all_of_them(folder: Path, tmp_path: Path) -> None:
    split = write_split(tmp_path / "split", [4, 0, 2], ["b", "a", "c"])
    read = load_split(folder, split, "val", ["c", "a", "b"])
    for positions in ([2, 0], [1], [], [0, 0, 1]):
        some, whole = read.take(np.array(positions, int)), read.examples.take(np.array(positions, int))
        np.testing.assert_array_equal(some.films, whole.films)
        assert (some.labels.tolist(), some.keys) == (whole.labels.tolist(), whole.keys)
        assert type(some.films) is np.ndarray


def test_patients_whose_names_are_numbers_stay_strings(folder: Path, tmp_path: Path) -> None:
    split = write_split(tmp_path / "split", [0, 1], ["a", "a"])
    table = pd.read_csv(split / "val.csv", dtype=str).assign(patient_id="007", image_id=["1", "02"])
    table.to_csv(split / "val.csv", index=False)
    read = load_split(folder, split, "val", ["a"])
    assert read.table["patient_id"].tolist() == ["007", "007"]
    assert read.table["image_id"].tolist() == ["1", "02"]


def test_a_missing_split_is_refused_with_the_remedy(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"train\.csv must be there before this stage runs; run `dvc repro`"):
        load_split(folder, tmp_path, "train", ["a"])


def test_a_label_outside_the_class_order_is_refused(folder: Path, tmp_path: Path) -> None:
    split = write_split(tmp_path / "split", [0, 1], ["a", "other"])
    with pytest.raises(ValueError, match="other"):
        load_split(folder, split, "val", ["a", "b"])


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 300_000)
    assert file_sha256(tmp_path / "file") == hashlib.sha256(b"x" * 300_000).hexdigest()


def test_a_class_may_be_called_none(folder: Path, tmp_path: Path) -> None:
    split = write_split(tmp_path / "split", [0, 1], ["None", "ill"])
    assert load_split(folder, split, "val", ["None", "ill"]).examples.labels.tolist() == [0, 1]


def test_what_is_burned_in_is_read_from_films_prepared_under_the_former_names(folder: Path, tmp_path: Path) -> None:
    table = read_burned_in(folder)
    assert find_burned_in_table(tmp_path) is None
    with pytest.raises(ValueError, match=r"burned_in\.csv must be there before this stage runs; run `dvc repro`"):
        read_burned_in(tmp_path)
    former = table.drop(columns=["left", "left_boxes"]).rename(columns=FORMER)
    former.to_csv(tmp_path / FORMER[BURNED_IN], index=False)
    assert "markers" in (tmp_path / "markers.csv").read_text()
    pd.testing.assert_frame_equal(read_burned_in(tmp_path)[list(table.columns)], table)
