import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dicom_roots import SECRETS, write_dicom_root, write_film
from small_films import write_films, write_lines

from hilum.app.film import open_film
from hilum.data.annotations import load_annotations
from hilum.data.burned_in.treatment import Treatment
from hilum.data.manifest.building import build_manifest
from hilum.data.manifest.prepared_set import write_prepared
from hilum.data.readers.raw_films import read_films
from hilum.reading.records import FilmFile, Record, Seen, make_record
from hilum.reading.shapes import mask_shapes
from hilum.reading.source_annotations import join_marks, write_annotations
from hilum.results import file_sha256
from hilum.settings.sources import CsvSource, DicomSource, FolderSource

BOX = {"kind": "box", "points": [[4, 6], [20, 14]]}
TRIANGLE = {"kind": "polygon", "points": [[2, 2], [30, 4], [16, 22]]}
SIZE = (24, 40)  # height, width of the films


def mark(root: Path, name: str, *shapes: dict, reader: str = "R1", told: str | None = None) -> Record:
    film = FilmFile(name if told is None else told, file_sha256(root / name), SIZE[1], SIZE[0])
    return make_record(reader, film, list(shapes), Seen())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    names = ("ill/a.png", "ill/b.png", "ill/c.png", "normal/d.png", "normal/e.png")
    return write_films(tmp_path / "films", *names, size=SIZE)


def annotated(source: FolderSource | CsvSource, root: Path, tmp_path: Path) -> dict:
    """Film -> annotations, as `prepare` reads them from the source and `explain` loads them."""
    tables = {"clinic": read_films(source, root, root)}
    labels = {"normal": ["normal"], "ill": ["ill"]}
    treatment = Treatment("keep", "text", "keep")
    prepared = build_manifest(tables, 32, "pad", labels, "stop", 0.1, treatment, workers=1)
    write_prepared(prepared, tmp_path / "prepared")
    ids = list(prepared.manifest["image_id"])
    assert len(ids) == 5  # no mask has become a film
    return dict(zip(ids, load_annotations(tmp_path / "prepared", ids), strict=True))


@pytest.mark.parametrize("reader", ["folder", "csv"])
def test_prepare_finds_boxes_and_masks_where_they_were_drawn(reader: str, root: Path, tmp_path: Path) -> None:
    records = [mark(root, "ill/a.png", BOX), mark(root, "ill/b.png", TRIANGLE, told=""), mark(root, "ill/c.png", BOX, TRIANGLE)]
    records.append(mark(root, "normal/d.png"))
    if reader == "folder":
        (written,) = write_annotations(records, root)
        assert written.settings == ("table: reader_marks.csv",)
        source: FolderSource | CsvSource = FolderSource(reader="folder", root=str(root), table="reader_marks.csv")
    else:
        films = [f"{name},{(name[0] == 'n' and 'normal') or 'ill'}" for name in ("ill/a", "ill/b", "c.png", "normal/d.png")]
        write_lines(root / "labels.csv", "Film,finding", *films, "e,normal")
        (written,) = write_annotations(records, root, "labels.csv", "Film")
        given = dict(line.split(": ") for line in written.settings)
        source = CsvSource(reader="csv", root=str(root), path="Film", finding="finding", **given)  # type: ignore[arg-type]
    assert written.films == 3 and len(written.left_out) == 1 and "counts: 1;" in written.left_out[0]
    found = annotated(source, root, tmp_path)
    own = {name: mask_shapes(records[k].shapes, SIZE[1], SIZE[0]) for k, name in enumerate("abc")}
    assert np.array_equal(found["clinic/ill/a"].at_raw_size("box"), own["a"]) and found["clinic/ill/a"].kinds == ["box"]
    assert np.array_equal(found["clinic/ill/b"].at_raw_size("lesion"), own["b"]) and found["clinic/ill/b"].kinds == ["lesion"]
    both = found["clinic/ill/c"]
    assert np.array_equal(both.at_raw_size("lesion") | both.at_raw_size("box"), own["c"])
    assert found["clinic/normal/d"].kinds == [] and found["clinic/normal/e"].kinds == []


def test_several_readers_agree_where_half_of_them_marked(root: Path) -> None:
    left, right = ({"kind": "box", "points": [[x, 0], [x + 10, 10]]} for x in (0, 5))
    marks = [mark(root, "ill/a.png", shape, reader=name) for shape, name in ((left, "R1"), (right, "R2"))]
    three = join_marks([*marks, mark(root, "ill/a.png", reader="R3")])
    assert three.mask is not None and np.array_equal(np.flatnonzero(three.mask[0]), np.arange(5, 10)) and not three.boxes
    two = join_marks(marks)
    assert two.mask is not None and two.mask[0].sum() == 15


def test_an_earlier_output_is_replaced(root: Path) -> None:
    write_annotations([mark(root, "ill/a.png", TRIANGLE), mark(root, "ill/b.png", TRIANGLE)], root)
    (written,) = write_annotations([mark(root, "ill/b.png", TRIANGLE)], root)
    assert [path.name for path in (root / "lesion_masks").rglob("*.png")] == ["b.png.png"]
    assert written.table.read_text().count("\n") == 2


def test_changed_films_and_rows_that_are_not_there_are_told(root: Path) -> None:
    records = [mark(root, "ill/a.png", BOX), mark(root, "ill/b.png", BOX)]
    write_lines(root / "labels.csv", "path,finding", "b.png,ill")
    write_films(root, "other.png", "ill/a.png", size=(9, 9))  # a.png has other pixels now
    (root / "other.png").unlink()
    (written,) = write_annotations(records, root, "labels.csv")
    assert json.loads(written.table.read_text().splitlines()[1].split('"')[1]) == [[4, 6, 16, 8]]
    assert len(written.left_out) == 1 and "ill/a.png" in written.left_out[0]
    with pytest.raises(ValueError, match="none of 1"):
        write_annotations(records[:1], root)
    with pytest.raises(ValueError, match="path, finding"):
        write_annotations(records, root, "labels.csv", "film")
    with pytest.raises(ValueError, match="blind marks"):
        write_annotations([], root)


def mark_dicom(file: Path, *shapes: dict) -> Record:
    """As the app records a mark on a film of DICOM: without its name."""
    film = open_film(file.read_bytes(), file.name)
    return make_record("R1", FilmFile("", film.sha256, film.width, film.height), list(shapes), Seen())


def test_marks_on_dicom_films_are_annotations_of_their_source_without_names(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write_dicom_root(root)
    files = [root / f"Roentgen_Anna_{k // 2}/film{k}{('.dcm', '.DICOM', '')[k % 3]}" for k in range(6)]
    box, outline = ({"kind": BOX["kind"], "points": [[3.5, 2], [20, 14]]}, TRIANGLE)
    records = [mark_dicom(files[0], box), mark_dicom(files[1], outline), mark_dicom(files[4], box, outline), mark_dicom(files[5])]
    assert (records[0].film.width, records[0].film.height) == (24, 30)
    (written,) = write_annotations(records, root)
    assert written.settings == ("marks: reader_marks_dicom.csv",) and written.films == 3
    assert len(written.left_out) == 1 and "counts: 1;" in written.left_out[0]
    source = DicomSource(
        reader="dicom", root=str(root), table="labels.csv", path="file", finding="finding", marks=written.table.name
    )
    folder, table = read_films(source, root, root)
    labels = {"normal": ["normal"], "ill": ["pneumonia/viral"]}
    prepared = build_manifest({"clinic": (folder, table)}, 32, "pad", labels, "stop", 0.1, Treatment("keep", "text", "keep"), 1)
    write_prepared(prepared, tmp_path / "prepared")
    ids = [f"clinic/{file_sha256(file)[:16]}" for file in files]
    found = load_annotations(tmp_path / "prepared", ids)
    assert [one.kinds for one in found] == [["box"], ["lesion"], [], [], ["lesion", "box"], []]
    drawn = [mask_shapes(record.shapes, 24, 30) for record in records]
    assert np.array_equal(found[0].boxes, [[3.5, 2, 16.5, 12]]) and np.array_equal(found[0].at_raw_size("box"), drawn[0])
    assert np.array_equal(found[1].at_raw_size("lesion"), drawn[1])
    assert np.array_equal(found[4].at_raw_size("lesion") | found[4].at_raw_size("box"), drawn[2])
    assert not prepared.problems["problem"].str.contains("picture of another form|broken").any(), "a mask is no film"
    told = written.table.read_text() + prepared.manifest.to_csv() + str(table.attrs["notes"]) + prepared.problems.to_csv()
    masks = [str(path) for path in (root / "lesion_masks").rglob("*")]
    assert len(masks) == 4 and not [secret for secret in SECRETS for text in (told, *masks) if secret in text]


def test_a_folder_of_both_kinds_gets_a_table_for_each(root: Path) -> None:
    write_film(root / "d" / "film.dcm", 1)
    pair = [mark(root, "ill/a.png", TRIANGLE), mark_dicom(root / "d" / "film.dcm", TRIANGLE)]
    pictures, dicoms = write_annotations(pair, root)
    assert (pictures.table.name, dicoms.table.name) == ("reader_marks.csv", "reader_marks_dicom.csv")
    assert len(list((root / "lesion_masks").rglob("*.png"))) == 2
    with pytest.raises(ValueError, match="--table must be of a source of pictures"):
        write_annotations(pair[1:], root, "labels.csv")


def masks_of(root: Path, column: str = "lesion_mask", table: str = "reader_marks.csv") -> list[bool]:
    """For each mask that a table names, whether it is there."""
    return [(root / mask).is_file() for mask in pd.read_csv(root / table)[column].dropna()]


def test_each_kind_of_films_is_replaced_by_itself(root: Path) -> None:
    """Films in a folder `dicom` too, beside whose masks those of DICOM lie."""
    write_films(root, *(f"dicom/{name}.png" for name in "ghijkf"), size=SIZE)  # f: other bytes than those of any film
    for seed in (1, 2):
        write_film(root / "d" / f"{seed}.dcm", seed)
    pictures = [mark(root, name, TRIANGLE) for name in ("ill/a.png", "dicom/f.png")]
    dicoms = [mark_dicom(root / "d" / f"{seed}.dcm", TRIANGLE) for seed in (1, 2)]
    write_annotations([*pictures, *dicoms], root)
    write_annotations(dicoms[:1], root)
    assert masks_of(root) == [True, True] and masks_of(root, table="reader_marks_dicom.csv") == [True]
    write_annotations(pictures[1:], root)
    assert masks_of(root) == [True] and masks_of(root, table="reader_marks_dicom.csv") == [True]
    assert len([path for path in (root / "lesion_masks").rglob("*") if path.is_file()]) == 2


def test_no_earlier_table_names_masks_that_are_gone(root: Path) -> None:
    """The table of a source `folder` and copies of those of `csv`; a table of the user's own that ends alike stays."""
    write_lines(root / "labels.csv", "path,finding", "a.png,ill", "b.png,ill")
    write_lines(root / "own_marked.csv", "path,finding", "a.png,ill")
    both = [mark(root, name, TRIANGLE) for name in ("ill/a.png", "ill/b.png")]
    write_annotations(both, root)
    write_annotations(both[:1], root, "labels.csv")
    assert masks_of(root, "reader_mask", "labels_marked.csv") == [True] and not (root / "reader_marks.csv").exists()
    write_annotations(both[1:], root, "labels_marked.csv")  # which is read, and so stays
    assert masks_of(root, "reader_mask", "labels_marked_marked.csv") == [True] and (root / "labels_marked.csv").exists()
    write_annotations(both, root)
    assert masks_of(root) == [True, True]
    assert sorted(path.name for path in root.glob("*.csv")) == ["labels.csv", "own_marked.csv", "reader_marks.csv"]


@pytest.mark.parametrize(("table", "column"), [("labels.csv", "film"), ("none.csv", "path")])
def test_a_table_that_cannot_be_read_is_refused_before_earlier_marks_are_deleted(root: Path, table: str, column: str) -> None:
    write_lines(root / "labels.csv", "path,finding", "a.png,ill", "b.png,ill")
    marks = [mark(root, name, TRIANGLE) for name in ("ill/a.png", "ill/b.png")]
    write_annotations(marks, root)
    with pytest.raises(ValueError, match=r"--column must be one of path, finding|none\.csv"):
        write_annotations(marks[:1], root, table, column)
    assert masks_of(root) == [True, True]
