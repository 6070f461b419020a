"""The reader of a folder of DICOM films with a table of labels."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dicom_forms import describe, write
from dicom_roots import SECRETS, write_dicom_root, write_film
from PIL import Image
from pydicom import uid

from hilum.data.readers.dicom_folder import find_dicom_faults, read_dicom_folder
from hilum.data.readers.identity import hide_patient, read_salt
from hilum.data.readers.raw_films import read_films
from hilum.data.readers.registry import READERS
from hilum.settings.sources import DicomSource


def relabel(root: Path, *lines: str) -> None:
    (root / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_mapped(root: Path, **changes: str) -> pd.DataFrame:
    """The reader with the columns of the fixtures."""
    return read_dicom_folder(root, **{"table": "labels.csv", "path": "file", "finding": "finding", **changes})  # type: ignore[arg-type]


def test_films_are_named_by_content_and_patients_by_salted_hash(tmp_path: Path) -> None:
    write_dicom_root(tmp_path / "root")
    table = read_mapped(tmp_path / "root")
    salt = read_salt(tmp_path / "root")
    assert len(table) == 6
    assert table["image_id"].is_monotonic_increasing
    for row in table.itertuples():
        file = table.attrs["files"][row.path]
        sha = hashlib.sha256((tmp_path / "root" / file).read_bytes()).hexdigest()
        assert (row.path, row.image_id) == (f"{sha}.dcm", sha[:16])
        number = int(file.split("film")[1][0])
        assert row.patient_id == hide_patient(salt, f" HOSPITAL-{number // 2}")
        assert row.finding == ("normal", "pneumonia/viral")[number % 2]
        assert (row.view, row.age, row.sex) == ("PA", "41", "F")
    assert table["patient_id"].nunique() == 3
    told = table.to_csv() + str(table.attrs["notes"]) + str(table.attrs["problems"])
    assert not [secret for secret in SECRETS if secret in told]


def test_films_are_found_by_uid(tmp_path: Path) -> None:
    uids = write_dicom_root(tmp_path / "root")
    relabel(tmp_path / "root", "uid,what", *(f"{name},{'ab'[k % 2]}" for k, name in enumerate(uids)))
    table = read_mapped(tmp_path / "root", path="", uid="uid", finding="what")
    assert sorted(table["finding"]) == ["a"] * 3 + ["b"] * 3
    assert not any(name in table.to_csv() for name in uids)


@pytest.mark.parametrize("name", ["p/film.dcm", "p/film", "film.dcm", "film", ".\\p\\film.dcm", "./p/film.dcm"])
def test_a_film_is_found_by_path_or_name(name: str, tmp_path: Path) -> None:
    write_film(tmp_path / "root" / "p" / "film.dcm", 1)
    relabel(tmp_path / "root", "file,finding", f"{name},ill")
    assert read_mapped(tmp_path / "root")["finding"].tolist() == ["ill"]


def test_the_patient_of_the_table_goes_before_the_headers(tmp_path: Path) -> None:
    for k in range(2):
        write_film(tmp_path / "root" / f"{k}.dcm", k)
    relabel(tmp_path / "root", "file,finding,patient", "0.dcm,a,X", "1.dcm,a,Y")
    salt = read_salt(tmp_path / "root")
    table = read_mapped(tmp_path / "root", patient="patient")
    assert set(table["patient_id"]) == {hide_patient(salt, "X"), hide_patient(salt, "Y")}
    assert read_mapped(tmp_path / "root")["patient_id"].nunique() == 1


def test_a_film_without_a_patient_is_one_of_its_own_and_a_note_says_so(tmp_path: Path) -> None:
    for k in range(2):
        write_film(tmp_path / "root" / f"{k}.dcm", k, PatientID="")
    relabel(tmp_path / "root", "file,finding", "0.dcm,a", "1.dcm,a")
    table = read_mapped(tmp_path / "root")
    assert table["patient_id"].is_unique
    assert table.attrs["notes"] == ["films whose header names no patient: 2; each counts as a separate patient"]


def anonymise(root: Path, identifiers: list[str], **attributes: str) -> None:
    for k, identifier in enumerate(identifiers):
        write_film(root / f"{k}.dcm", k, PatientID=identifier, **attributes)
    relabel(root, "file,finding,who", *(f"{k}.dcm,{'ab'[k % 2]},person {k // 2}" for k in range(len(identifiers))))


@pytest.mark.parametrize(
    ("identifiers", "got"),
    [
        (["ANONYMOUS"] * 16, r"16 of 16 films with a placeholder for it: ANONYMOUS \(16\)"),
        (["0"] * 16, r"16 of 16 films with a placeholder for it: 0 \(16\)"),
        (["anon"] * 3, r"3 of 3 films with a placeholder for it: ANON \(3\)"),
        (["unknown"] * 9 + ["000000"] * 3 + ["A", "B"], r"12 of 14 films with a placeholder for it: UNKNOWN \(9\), 0 \(3\)"),
        ([""] * 11 + ["A", "B"], "11 of 13 films without one"),
        (
            ["***"] * 2 + [""] * 2 + ["A"],
            r"2 of 5 films with a placeholder for it: punctuation \(2\) and 2 of 5 films without one",
        ),
        (["Roentgen-7"] * 11 + [f"P{k}" for k in range(5)], "11 of 16 films that share one"),
    ],
)
def test_headers_that_tell_no_patients_apart_are_refused(identifiers: list[str], got: str, tmp_path: Path) -> None:
    anonymise(tmp_path / "root", identifiers)
    with pytest.raises(ValueError, match=f"must distinguish patients, got {got}; .* name the column .*`patient`") as error:
        read_mapped(tmp_path / "root")
    assert "Roentgen" not in str(error.value)
    told = read_mapped(tmp_path / "root", patient="who")
    assert told["patient_id"].nunique() == (len(identifiers) + 1) // 2, "the table tells them apart"


@pytest.mark.parametrize(
    "identifiers",
    [["P1"] * 9 + ["P2"] * 2, ["P1"] * 11 + ["P2"] * 11, [""] * 5 + [f"P{k}" for k in range(6)]],
)
def test_patients_with_many_films_are_believed(identifiers: list[str], tmp_path: Path) -> None:
    anonymise(tmp_path / "root", identifiers)
    assert read_mapped(tmp_path / "root")["patient_id"].nunique() == len(set(identifiers) - {""}) + identifiers.count("")


def test_a_few_films_under_a_placeholder_stay_together_and_a_note_says_so(tmp_path: Path) -> None:
    anonymise(tmp_path / "root", ["Anonymous"] * 3 + ["A", "B", "C", "D"])
    table = read_mapped(tmp_path / "root")
    assert table["patient_id"].value_counts().tolist() == [3, 1, 1, 1, 1]
    assert table.attrs["notes"] == [
        "films whose header has a placeholder as patient: 3, ANONYMOUS (3); each word counts as one patient"
    ]


def test_films_with_a_damaged_header_do_not_count_as_nameless(tmp_path: Path) -> None:
    anonymise(tmp_path / "root", ["A", "B"])
    for k in range(12):
        (tmp_path / "root" / f"broken{k}.dcm").write_bytes(b"no film")
    assert len(read_mapped(tmp_path / "root")) == 14


def test_what_is_no_film_is_left_out_and_what_is_broken_stays(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write_film(root / "1.dcm", 1)
    (root / "report.dcm").write_bytes(write(describe(np.zeros((9, 9), np.uint16), Rows=None, Columns=None, PixelData=None)))
    (root / "broken.dcm").write_bytes(b"no film")
    relabel(root, "file,finding", "1.dcm,a", "broken.dcm,a", "gone.dcm,a")
    table = read_mapped(root)
    assert sorted(table.attrs["files"].values()) == ["1.dcm", "broken.dcm"]
    assert table.attrs["notes"] == [
        "DICOM files without an image (reports, directories): 1, left out",
        "rows of labels.csv that fit no film: 1, the first on line 4",
        "films whose header names no patient: 1; each counts as a separate patient",
    ]


def test_files_beside_dicom_films_are_listed_by_their_hash(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write_film(root / "1.dcm", 1)
    relabel(root, "file,finding", "1.dcm,a")
    for k, name in enumerate(("masks/Roentgen_Anna.png", "lung_masks/1.png", "Roentgen_Anna.jpg")):
        (root / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((9, 9), k, np.uint8)).save(root / name)
    (root / "Roentgen_Anna.zip").write_bytes(b"PK\3\4")
    (root / "Thumbs.db").write_bytes(b"thumbnails")
    read_salt(root)
    source = DicomSource(reader="dicom", root=str(root), table="labels.csv", path="file", finding="finding")
    table = read_films(source, root, root)[1]
    left = {row["path"]: (row["problem"], row["detail"]) for row in table.attrs["left_out"]}
    picture = hashlib.sha256((root / "masks" / "Roentgen_Anna.png").read_bytes()).hexdigest()
    assert left[picture] == ("picture of another form", "a source of DICOM films takes no other pictures, nor files of masks")
    assert left[hashlib.sha256(b"PK\3\4").hexdigest()][0] == "no film" and len(left) == 4
    counted = [note.split(", such as")[0] for note in table.attrs["notes"]]
    assert {"picture of another form: 3", "no film: 1", "system files, not read: 1"} <= {*counted}
    assert "Roentgen" not in str(table.attrs["left_out"]) + str(table.attrs["notes"])


def test_equal_films_stay_two_rows(tmp_path: Path) -> None:
    write_film(tmp_path / "root" / "1.dcm", 1)
    (tmp_path / "root" / "2.dcm").write_bytes((tmp_path / "root" / "1.dcm").read_bytes())
    relabel(tmp_path / "root", "file,finding", "1.dcm,a", "2.dcm,b")
    table = read_mapped(tmp_path / "root")
    assert table["finding"].tolist() == ["a", "b"]
    assert table["image_id"].is_unique


def test_a_film_without_a_row_has_no_finding(tmp_path: Path) -> None:
    for k in range(2):
        write_film(tmp_path / "root" / f"{k}.dcm", k)
    relabel(tmp_path / "root", "file,finding", "0.dcm,a")
    table = read_mapped(tmp_path / "root")
    assert sorted(table["finding"]) == ["", "a"]
    assert "films without a row in labels.csv: 1" in table.attrs["notes"][0]


def test_remarks_are_listed_by_image_id(tmp_path: Path) -> None:
    write_film(tmp_path / "root" / "1.dcm", 1, BurnedInAnnotation=None, SOPClassUID=uid.SecondaryCaptureImageStorage)
    relabel(tmp_path / "root", "file,finding", "1.dcm,a")
    table = read_mapped(tmp_path / "root")
    assert [(row[0], row[1]) for row in table.attrs["problems"]] == [(table["image_id"][0], "burned-in text")]


@pytest.mark.parametrize(
    ("lines", "settings", "told"),
    [
        (["file,finding", "1.dcm,a", "1.dcm,b"], {}, "one finding and one patient, got 1 with several, the first on lines 2, 3"),
        (["file,finding", "9.dcm,a"], {}, "got 1 that fit none"),
        (["file,finding", "same.dcm,a"], {}, "fit several, the first on line 2; write the path"),
        (["file,label", "1.dcm,a"], {}, "must have the columns file, finding, got file, label"),
        ([""], {}, "must be CSV with a header"),
        (["file,finding", "1.dcm,a"], {"table": "none.csv"}, "got no none.csv below"),
        (["file,finding", "1.dcm,a"], {"table": "../labels.csv"}, "must lie below the root"),
        (["file,finding", "1.dcm,a"], {"uid": "uid"}, "one of them"),
        (["file,finding", "1.dcm,a"], {"path": ""}, "one of them"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(lines: list[str], settings: dict[str, str], told: str, tmp_path: Path) -> None:
    for k, name in enumerate(("1.dcm", "a/same.dcm", "b/same.dcm")):
        write_film(tmp_path / "root" / name, k)
    relabel(tmp_path / "root", *lines)
    with pytest.raises(ValueError, match=told):
        read_mapped(tmp_path / "root", **settings)


def test_a_fault_of_a_table_is_reported_without_quoting_it(tmp_path: Path) -> None:
    write_film(tmp_path / "root" / "1.dcm", 1)
    for content in (
        "file,finding\nRöntgen.dcm,a,b\n",
        "file,finding\nRöntgen.dcm,a\0\n",
        'file,finding\n"Röntgen.dcm,a\n' * 9_000,
    ):
        (tmp_path / "root" / "labels.csv").write_bytes(content.encode("latin-1"))
        with pytest.raises(ValueError, match="must") as error:
            read_mapped(tmp_path / "root")
        assert "ntgen" not in str(error.value)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda text: text.replace("finding", "diagnosis"), "must have the columns file, finding, got file, diagnosis, ward"),
        (lambda text: text.replace(",", " "), "must have the columns file, finding"),
        (lambda text: text + "a,b,c,d,e\n", "cells"),
        (lambda text: "", "must be CSV with a header"),
    ],
)
def test_check_reports_the_fault_of_a_table(tmp_path: Path, spoil: Callable[[str], str], told: str) -> None:
    write_dicom_root(tmp_path)
    find = READERS["dicom"].faults
    assert find is not None and find(tmp_path, table="labels.csv", path="file", finding="finding") == []
    (tmp_path / "labels.csv").write_text(spoil((tmp_path / "labels.csv").read_text()))
    (fault,) = find(tmp_path, table="labels.csv", path="file", finding="finding")
    assert told in fault


def test_a_table_of_a_hundred_thousand_films_is_looked_at_within_a_second(tmp_path: Path) -> None:
    lines = "".join(f"folder/film{k}.dcm,pneumonia,ward {k}\n" for k in range(100_000))
    (tmp_path / "labels.csv").write_text(f"file,finding,ward\n{lines}")
    start = time.process_time()
    assert find_dicom_faults(tmp_path, "labels.csv", path="file", finding="finding") == []
    assert time.process_time() - start < 1


def write_marks(root: Path, *lines: str) -> str:
    (root / "marks.csv").write_text("\n".join(["sha256,boxes,lesion_mask", *lines]) + "\n")
    return "marks.csv"


def test_marks_are_found_by_the_hash_of_a_film_and_their_masks_are_named_after_it(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write_dicom_root(root)
    Image.new("L", (24, 30), 255).save(root / "Roentgen_Anna_0" / "drawn.png")
    first, second = (
        hashlib.sha256((root / "Roentgen_Anna_0" / name).read_bytes()).hexdigest() for name in ("film0.dcm", "film1.DICOM")
    )
    marks = write_marks(root, f'{first},"[[1, 2, 3.5, 4]]",Roentgen_Anna_0/drawn.png', f"{second},,", f"{'0' * 64},,")
    _, table = read_films(
        DicomSource(reader="dicom", root=str(root), table="labels.csv", path="file", finding="finding", marks=marks), root, root
    )
    row = table.set_index("path").loc[f"{first}.dcm"]
    assert row["boxes"] == "[[1.0, 2.0, 3.5, 4.0]]" and row["lesion_mask"] == f"{first}.lesion_mask.png"
    assert table.attrs["files"][row["lesion_mask"]] == "Roentgen_Anna_0/drawn.png"
    assert (table["lesion_mask"] != "").sum() == 1 and (table["boxes"] != "").sum() == 1
    assert "marks of films that are not below the root: 1" in table.attrs["notes"]
    assert not [row for row in table.attrs["left_out"] if "form" in row["problem"]], "the mask is not left out"
    assert find_dicom_faults(root, "labels.csv", path="file", finding="finding", marks="absent.csv")


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["Roentgen.dcm,,"], "64 digits from 0 to f, got something else on line 2"),
        ([f"{'a' * 64},,", f"{'a' * 64},,"], "one row in marks.csv, got a second one on line 3"),
        ([f"{'a' * 64},Roentgen,"], r"boxes must be a JSON list .* line 2"),
        ([f"{'a' * 64},,../Roentgen.png"], "a file below the root, got none on line 2"),
        ([f"{'a' * 64},,Roentgen.png"], "a file below the root, got none on line 2"),
    ],
)
def test_invalid_marks_are_refused_by_their_line_without_a_name(lines: list[str], says: str, tmp_path: Path) -> None:
    write_dicom_root(tmp_path / "root")
    with pytest.raises(ValueError, match=says) as fault:
        read_mapped(tmp_path / "root", marks=write_marks(tmp_path / "root", *lines))
    assert "Roentgen" not in str(fault.value)
