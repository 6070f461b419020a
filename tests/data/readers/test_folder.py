"""The side-car table of the reader `folder`; what it does without one is tested with the other sources."""

import json
from pathlib import Path

import pytest
from small_films import write_films, write_lines

from hilum.data.readers.folder import find_folder_faults, read_folder


def write_root(root: Path) -> Path:
    write_films(
        root, "normal/p1_a.png", "ill/p2_a.png", "ill/p2_b.png", "ill/p3_a.png", "outlines/p2.png", "lung_masks/ill/p2_b.png"
    )
    return root


def test_a_sidecar_adds_its_columns_and_the_folder_stays_the_finding(tmp_path: Path) -> None:
    write_lines(
        write_root(tmp_path) / "films.csv",
        "path,patient,view,age,sex,x,y,width,height,lung_mask,comment",
        "ill/p2_a.png,anna,PA,40,F,1,2,3,4,outlines/p2.png,one",
        "ill/p2_a.png,anna,PA,40,F,5,6,7,8,outlines/p2.png,two",
        "ill/p2_b.png,anna,AP,40,F,,,,,,",
        "ill/p3_a.png,,L,,,,,,,,",
        "ill/gone.png,x,PA,,,,,,,,",
    )
    table = read_folder(tmp_path, pattern=r"^(?P<patient>p\d+)_", table="films.csv").set_index("image_id")
    assert table["finding"].to_dict() == {"ill/p2_a": "ill", "ill/p2_b": "ill", "normal/p1_a": "normal"}
    assert table["patient_id"].to_dict() == {"ill/p2_a": "anna", "ill/p2_b": "anna", "normal/p1_a": "p1"}
    assert table["view"].to_dict() == {"ill/p2_a": "PA", "ill/p2_b": "AP", "normal/p1_a": ""}
    assert json.loads(table.loc["ill/p2_a", "boxes"]) == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert table["lung_mask"].to_dict() == {
        "ill/p2_a": "outlines/p2.png",
        "ill/p2_b": "lung_masks/ill/p2_b.png",
        "normal/p1_a": "",
    }
    left = {row["path"]: row["problem"] for row in table.attrs["left_out"]}
    assert left == {"ill/p3_a.png": "lateral view", "ill/gone.png": "row without a film"}
    assert "films without a row in films.csv: 1 of 4" in table.attrs["notes"]


def test_boxes_may_stand_in_one_cell(tmp_path: Path) -> None:
    write_lines(write_root(tmp_path) / "films.csv", "path,boxes", 'normal/p1_a.png,"[[1, 2, 3, 4]]"')
    table = read_folder(tmp_path, table="films.csv").set_index("image_id")
    assert json.loads(table.loc["normal/p1_a", "boxes"]) == [[1, 2, 3, 4]]


def test_a_sidecar_that_is_not_there_or_has_no_path_is_a_fault(tmp_path: Path) -> None:
    write_root(tmp_path)
    assert "must be there" in find_folder_faults(tmp_path, table="films.csv")[0]
    write_lines(tmp_path / "films.csv", "file,view", "a,PA")
    assert find_folder_faults(tmp_path, pattern="p", table="films.csv") == [
        "`pattern` must have a group named patient, got 'p'; use one such as (?P<patient>[^_]+)",
        "columns of films.csv must be of file, view, got path; correct the names",
    ]
    with pytest.raises(ValueError, match="got path; correct the names"):
        read_folder(tmp_path, table="films.csv")
