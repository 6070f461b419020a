import json
from pathlib import Path

import pytest
from small_films import write_films, write_lines

from hilum.data.readers.nih import find_nih_faults, read_nih

HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
)
BOXES = "Image Index,Finding Label,Bbox [x,y,w,h],,,"


def write_root(root: Path, entries: str = "Data_Entry_2017.csv", size: tuple[int, int] = (1024, 1024)) -> Path:
    write_films(
        root, "images_001/images/00000001_000.png", "images_001/images/00000001_001.png", "images_002/00000002_000.png", size=size
    )
    write_lines(
        root / entries,
        HEADER,
        "00000001_000.png,Cardiomegaly|Emphysema,0,1,058Y,M,PA,2682,2749,0.143,0.143,",
        "00000001_001.png,No Finding,1,1,58,M,AP,2894,2729,0.143,0.143,",
        "00000002_000.png,Pneumonia,0,2,411,F,PA,2500,2048,0.168,0.168,",
        "00000003_000.png,Hernia,0,3,81,F,PA,2582,2991,0.143,0.143,",
    )
    return root


def write_split(root: Path) -> None:
    write_lines(root / "train_val_list.txt", "00000001_000.png", "00000001_001.png", "00000003_000.png")
    write_lines(root / "test_list.txt", "00000002_000.png")


@pytest.mark.parametrize("entries", ["Data_Entry_2017.csv", "Data_Entry_2017_v2020.csv"])
def test_entries_of_either_version(entries: str, tmp_path: Path) -> None:
    table = read_nih(write_root(tmp_path, entries, size=(8, 8))).set_index("image_id")
    assert table["finding"].to_dict() == {
        "images_001/images/00000001_000": "Cardiomegaly|Emphysema",
        "images_001/images/00000001_001": "No Finding",
        "images_002/00000002_000": "Pneumonia",
    }
    assert table["patient_id"].tolist() == ["1", "1", "2"]
    assert table["age"].tolist() == ["58", "58", ""], "411 years are an error of the first version"
    assert table["sex"].tolist() == ["M", "M", "F"]
    assert table["view"].tolist() == ["PA", "AP", "PA"]
    assert set(table["official_split"]) == {""}


def test_a_part_of_the_download_is_said(tmp_path: Path) -> None:
    table = read_nih(write_root(tmp_path, size=(8, 8)))
    assert [(row["path"], row["problem"]) for row in table.attrs["left_out"]] == [("00000003_000.png", "row without a film")]


def test_the_official_split(tmp_path: Path) -> None:
    write_split(write_root(tmp_path, size=(8, 8)))
    assert read_nih(tmp_path)["official_split"].tolist() == ["train", "train", "test"]
    write_lines(tmp_path / "train_val_list.txt", "00000001_000.png")
    table = read_nih(tmp_path)
    assert table["official_split"].tolist() == ["train", "", "test"]
    assert any(
        note.startswith("films in neither list of the official split: 1, such as images_001") for note in table.attrs["notes"]
    )


def test_half_an_official_split_and_a_film_in_both_lists_are_refused(tmp_path: Path) -> None:
    write_split(write_root(tmp_path, size=(8, 8)))
    write_lines(tmp_path / "test_list.txt", "00000002_000.png", "00000001_001.png")
    with pytest.raises(ValueError, match=r"got 1 in both, such as 00000001_001\.png"):
        read_nih(tmp_path)
    (tmp_path / "test_list.txt").unlink()
    with pytest.raises(ValueError, match=r"by both train_val_list\.txt and test_list\.txt, got train_val_list\.txt only"):
        read_nih(tmp_path)
    assert len(find_nih_faults(tmp_path)) == 1


def test_several_boxes_are_one_row(tmp_path: Path) -> None:  # defect 2
    write_lines(
        write_root(tmp_path) / "BBox_List_2017.csv",
        BOXES,
        "00000001_000.png,Cardiomegaly,225.084745762712,547.019216763771,86.7796610169491,79.1864406779661,,,",
        "00000001_000.png,Emphysema,10,20,30,40,,,",
        "00000009_000.png,Mass,10,20,30,40,,,",
    )
    table = read_nih(tmp_path)
    assert len(table) == 3
    assert json.loads(table["boxes"][0]) == [[225.085, 547.019, 86.78, 79.186], [10, 20, 30, 40]]
    assert json.loads(table["box_findings"][0]) == ["Cardiomegaly", "Emphysema"]
    assert table["boxes"].tolist()[1:] == ["", ""]
    assert "films with boxes that the table of entries does not know: 1, such as 00000009_000.png" in table.attrs["notes"]
    assert not any("scaled" in note for note in table.attrs["notes"])


def test_boxes_follow_films_of_another_size_and_a_note_says_so(tmp_path: Path) -> None:
    write_root(tmp_path, size=(256, 512))  # height, width
    write_lines(tmp_path / "BBox_List_2017.csv", BOXES, "00000002_000.png,Pneumonia,100,200,40,80,,,")
    table = read_nih(tmp_path)
    assert json.loads(table["boxes"][2]) == [[50, 50, 20, 20]]
    assert any("not 1024 x 1024 pixels, to which their boxes are scaled: 1" in note for note in table.attrs["notes"])


def test_a_root_of_another_kind_is_reported(tmp_path: Path) -> None:
    write_films(tmp_path, "a.png")
    told = find_nih_faults(tmp_path)
    assert len(told) == 1
    assert told[0].startswith("an nih root must hold Data_Entry_2017_v2020.csv or Data_Entry_2017.csv, or BBox_List_2017.csv")
    write_lines(tmp_path / "Data_Entry_2017.csv", "Image Index,Label", "a.png,x")
    assert "must have the columns Finding Labels, Patient ID, got Image Index, Label" in find_nih_faults(tmp_path)[0]


def test_the_real_films_with_boxes(shared: Path) -> None:
    table = read_nih(shared / "data" / "nih-boxes")
    assert len(table) == 20
    assert table["patient_id"].nunique() == 20
    assert sum(len(json.loads(boxes)) for boxes in table["boxes"]) == 24
    findings = table.set_index("patient_id")["finding"]
    assert findings["00005869"] == "Pneumonia|Pneumothorax"
    assert findings["00010277"] == "Effusion|Infiltration|Mass|Pneumonia"
    assert all("Pneumonia" in finding.split("|") for finding in findings)
    for boxes in table["boxes"]:
        assert all(x >= 0 and x + width <= 1024 and y >= 0 and y + height <= 1024 for x, y, width, height in json.loads(boxes))
    assert table.attrs["left_out"] == []
    assert table.attrs["notes"] == ["no Data_Entry_2017.csv: films and findings are those of BBox_List_2017.csv alone"]
