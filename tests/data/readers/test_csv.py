import json
from pathlib import Path

import pytest
from small_films import write_films, write_lines

from hilum.data.readers.csv import find_csv_faults, read_csv

HOT = {"table": "t.csv", "path": "Path", "findings": ["Effusion", "Pneumonia", "No Finding"]}


def test_one_column_of_findings_with_everything_that_a_table_may_tell(tmp_path: Path) -> None:
    write_films(tmp_path, "f/a.png", "f/b.png", "masks/a.png")
    write_lines(
        tmp_path / "t.csv",
        "file,dx,who,proj,years,gender,terms,part,x,y,w,h,lungs",
        "a,Mass; Effusion,p1,PA,61,Female,CC0,val,1,2,3,4,masks/a.png",
        "a,Mass,p1,PA,61,F,CC0,val,5,6,7,8,masks/a.png",
        "b,normal,p2,,,,,test,,,,,masks/gone.png",
    )
    table = read_csv(
        tmp_path,
        "t.csv",
        "file",
        finding="dx",
        separators=";",
        patient="who",
        view="proj",
        age="years",
        sex="gender",
        license="terms",
        split="part",
        boxes=["x", "y", "w", "h"],
        lung_mask="lungs",
    )
    assert table["path"].tolist() == ["f/a.png", "f/b.png"], "a mask is no film"
    first = table.iloc[0]
    assert (first["finding"], first["patient_id"], first["view"]) == ("Mass|Effusion", "p1", "PA")
    assert (first["age"], first["sex"], first["license"], first["official_split"]) == ("61", "F", "CC0", "train")
    assert json.loads(first["boxes"]) == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert json.loads(first["box_findings"]) == ["Mass|Effusion", "Mass"]
    assert table["lung_mask"].tolist() == ["masks/a.png", ""]
    assert table["official_split"][1] == "test"
    assert [(row["path"], row["problem"]) for row in table.attrs["left_out"]] == [("masks/gone.png", "missing lung_mask")]


def test_one_hot_columns_as_chexpert_has_them(tmp_path: Path) -> None:
    write_films(tmp_path, *(f"train/patient0000{n}/study1/view1_frontal.jpg" for n in range(1, 6)))
    write_lines(
        tmp_path / "t.csv",
        "Path,Effusion,Pneumonia,No Finding,Frontal/Lateral,AP/PA",
        "set/train/patient00001/study1/view1_frontal.jpg,1.0,1,,Frontal,AP",
        "set/train/patient00002/study1/view1_frontal.jpg,-1.0,0.0,,Frontal,PA",
        "set/train/patient00003/study1/view1_frontal.jpg,0,0,0,Frontal,",
        "set/train/patient00004/study1/view1_frontal.jpg,,0.0,,Frontal,PA",
        "set/train/patient00005/study1/view1_frontal.jpg,,,1,Lateral,",
    )
    table = read_csv(tmp_path, **HOT, pattern=r"(?P<patient>patient\d+)", view=["Frontal/Lateral", "AP/PA"])
    assert table["finding"].tolist() == ["Effusion|Pneumonia", "Effusion/uncertain", "none", ""]
    assert table["patient_id"].tolist() == ["patient00001", "patient00002", "patient00003", "patient00004"]
    assert table["view"].tolist() == ["AP", "PA", "frontal", "PA"]
    assert [(row["problem"], row["detail"]) for row in table.attrs["left_out"]] == [("lateral view", "view Lateral")]


def test_another_code_in_a_column_of_a_finding_is_refused(tmp_path: Path) -> None:
    write_films(tmp_path, "a.png")
    write_lines(tmp_path / "t.csv", "Path,Effusion,Pneumonia,No Finding", "a.png,yes,1,0.5")
    with pytest.raises(ValueError, match=r"must hold 1, 0, -1 or nothing, got 'yes' in Effusion; '0\.5' in No Finding"):
        read_csv(tmp_path, **HOT)


def test_without_patients_each_film_is_one_and_a_note_says_so(tmp_path: Path) -> None:
    write_films(tmp_path, "a.png", "b.png")
    write_lines(tmp_path / "t.csv", "Path,dx", "a.png,x", "b.png,y")
    table = read_csv(tmp_path, "t.csv", "Path", finding="dx")
    assert table["patient_id"].tolist() == ["a.png", "b.png"]
    assert any("the patients of 2 films are unknown" in note for note in table.attrs["notes"])
    with pytest.raises(ValueError, match=r"must find a patient in every path, got 2 of 2 without one, such as a\.png, b\.png"):
        read_csv(tmp_path, "t.csv", "Path", finding="dx", pattern=r"(?P<patient>q\d)")


def test_all_faults_are_reported_at_once_without_reading_films(tmp_path: Path) -> None:
    write_lines(tmp_path / "t.csv", "file,dx", "a,x")
    assert find_csv_faults(tmp_path, "t.csv", "file", finding="dx", patient="") == []
    told = find_csv_faults(tmp_path, "t.csv", "Path", finding="dx", view=["AP/PA"], pattern="(")
    assert len(told) == 2
    assert told[0] == "columns of t.csv must be of file, dx, got Path, AP/PA; correct the names"
    assert "regular expression" in told[1]


def test_a_split_of_another_name_is_refused(tmp_path: Path) -> None:
    write_films(tmp_path, "a.png")
    write_lines(tmp_path / "t.csv", "Path,dx,part", "a.png,x,holdout")
    with pytest.raises(ValueError, match="must be train, val or test, got 'holdout'"):
        read_csv(tmp_path, "t.csv", "Path", finding="dx", split="part")


def test_a_word_for_no_patient_makes_no_patient_of_many_films(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(6)]
    root = write_films(tmp_path, *names)
    words = ["NA", "nan", "Unknown", "", "p1", "p1"]
    write_lines(root / "t.csv", "file,dx,who", *(f"{name},x,{word}" for name, word in zip(names, words, strict=True)))
    table = read_csv(root, table="t.csv", path="file", finding="dx", patient="who")
    assert table["patient_id"].tolist() == [*names[:4], "p1", "p1"]
    assert "the patients of 4 films are unknown" in table.attrs["notes"][-1]
