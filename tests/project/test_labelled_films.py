"""What `--labels` and `--columns` say, and what they refuse."""

import re
from pathlib import Path

import numpy as np
import pytest
from dicom_forms import describe, write
from PIL import Image

from hilum.project.labelled_films import AskedFilms, read_data, read_labels, suggest_labels
from hilum.project.table_columns import choose_columns, list_annotations
from hilum.workspace import Workspace

CLASSES = ["normal", "pneumonia"]


def test_rules_are_read_in_any_case_and_each_class_is_its_own_finding_without_them() -> None:
    assert read_labels("", CLASSES) == {"normal": ["normal"], "pneumonia": ["pneumonia"]}
    told = read_labels("PNEUMONIA='Viral pneumonia',COVID excluded=Lung_Opacity", CLASSES)
    assert told == {"normal": [], "pneumonia": ["Viral pneumonia", "COVID"], "excluded": ["Lung_Opacity"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [("ill=x", "of the classes normal, pneumonia or excluded, got 'ill=x'"), ("normal", "pairs"), ("normal='x", "No closing")],
)
def test_other_rules_are_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_labels(text, CLASSES)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (AskedFilms("films", columns="path=a"), "a folder has no table"),
        (AskedFilms("empty"), "in which there is no film"),
        (AskedFilms("flat"), "--data flat/list.csv"),
        (
            AskedFilms("flat/list.csv", columns="film=a"),
            "--columns must name path, finding, patient, boxes, lesion_mask, lung_mask, got film",
        ),
        (AskedFilms("flat/list.csv", columns="path=b"), "must name columns of list.csv"),
        (AskedFilms("flat/list.csv", columns="boxes=x,y,w,h"), "must name columns of list.csv (image, label), got x, y, w, h"),
        (AskedFilms("flat/list.csv", columns="path="), "must name columns of list.csv"),
        (AskedFilms("flat/a.png"), "name the folder it is in"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: AskedFilms, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("films/normal", "empty", "flat"):
        Path(folder).mkdir(parents=True)
    png = b"\x89PNG\r\n\x1a\n" + bytes(40)
    Path("films/normal/a.png").write_bytes(png)
    Path("flat/a.png").write_bytes(png)
    Path("flat/list.csv").write_text("image,label\na,normal\n")
    with pytest.raises(ValueError, match=re.escape(said)):
        read_data(asked, CLASSES, Workspace(tmp_path, tmp_path))


@pytest.mark.parametrize(
    ("header", "text", "boxes"),
    [
        (["image", "label", "boxes"], "", "boxes"),
        (["image", "label", "X", "y", "Width", "height"], "", ["X", "y", "Width", "height"]),
        (["Image Index", "Finding Label", "Bbox [x", "y", "w", "h]"], "", ["Bbox [x", "y", "w", "h]"]),
        (["image", "label", "a", "b", "c", "d"], "boxes=a,b,c,d", ["a", "b", "c", "d"]),
        (["image", "label", "boxes"], "boxes=", None),
        (["image", "label", "x", "y", "w"], "", None),
    ],
)
def test_boxes_are_found_by_usual_names_or_named(header: list[str], text: str, boxes: str | list[str] | None) -> None:
    named, _ = choose_columns(text, header, CLASSES, Path("list.csv"))
    assert list_annotations(named).get("boxes") == boxes


def test_boxes_of_a_table_of_dicom_films_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(write(describe(np.zeros((8, 8), np.uint8))))
    (tmp_path / "list.csv").write_text("image,label,boxes\na.dcm,normal,\n")
    with pytest.raises(ValueError, match="a table of DICOM films; leave them out: --columns 'boxes='"):
        read_data(AskedFilms(str(tmp_path / "list.csv")), CLASSES, Workspace(tmp_path, tmp_path))
    found = read_data(AskedFilms(str(tmp_path / "list.csv"), columns="boxes="), CLASSES, Workspace(tmp_path, tmp_path))
    assert len(next(iter(found.tables.values()))[1]) == 1


def test_a_suggestion_gives_findings_to_the_class_that_they_are_called_like() -> None:
    split = ["test/NORMAL", "train/NORMAL", "test/Pneumonia", "val/other"]
    assert suggest_labels(CLASSES, split) == '--labels "normal=test/NORMAL,train/NORMAL pneumonia=test/Pneumonia"'
    told = suggest_labels(CLASSES, ["healthy", "sick"])
    assert told == '--labels "normal=FINDING pneumonia=FINDING", with findings separated by commas', "no finding is guessed"
    blank = suggest_labels(["no finding", "ill"], ["a/No Finding", "a/ill"])
    assert blank == """--labels "'no finding=a/No Finding' ill=a/ill\""""
    assert read_labels(blank.removeprefix('--labels "').removesuffix('"'), ["no finding", "ill"])["no finding"] == [
        "a/No Finding"
    ]


@pytest.mark.parametrize(
    ("cell", "said"), [("2", "boxes must be a JSON list"), ("[[1, 2, -3, 4]]", "a box must be four numbers")]
)
def test_boxes_that_are_none_are_refused_with_the_way_to_leave_them_out(tmp_path: Path, cell: str, said: str) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "list.csv").write_text(f'image,label,boxes\na,normal,"{cell}"\n')
    place = Workspace(tmp_path, tmp_path)
    with pytest.raises(ValueError, match=f"{said}.*in list.csv; correct it, or leave boxes out: --columns 'boxes='"):
        read_data(AskedFilms(str(tmp_path / "list.csv")), CLASSES, place)
    assert read_data(AskedFilms(str(tmp_path / "list.csv"), columns="boxes="), CLASSES, place).tables.keys() == {"list"}


def test_a_table_away_from_its_films_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path,label\n../films/a.png,normal\n")
    with pytest.raises(ValueError, match=r"beside or above its films, got no film below .*; copy list\.csv into the folder"):
        read_data(AskedFilms(str(tmp_path / "list.csv")), CLASSES, Workspace(tmp_path, tmp_path))


def test_unknown_patients_are_told_by_what_they_mean_for_intervals(tmp_path: Path) -> None:
    """Nothing is trained on these films: a note of a reader says what it means for training and test."""
    for name in ("normal/a.png", "pneumonia/b.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / name)
    place = Workspace(tmp_path / "home", tmp_path / "home")
    (tmp_path / "list.csv").write_text("image,label\na,normal\nb,pneumonia\n")
    for data, option in (
        (tmp_path, "name patients by --pattern"),
        (tmp_path / "list.csv", "name patients by --columns 'patient=NAME'"),
    ):
        (table,) = (table for _, table in read_data(AskedFilms(str(data)), CLASSES, place).tables.values())
        (note,) = [note for note in table.attrs["notes"] if "patients" in note]
        assert "where a patient has several, intervals are too narrow" in note and option in note and "training" not in note
