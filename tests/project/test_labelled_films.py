"""What `--labels` and `--columns` say, and what they refuse."""

import re
from pathlib import Path

import numpy as np
import pytest
from dicom_forms import describe, write

from hilum.project.labelled_films import AskedFilms, read_data, read_labels
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
