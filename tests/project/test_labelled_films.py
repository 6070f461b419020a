"""What `--labels` and `--columns` say, and what they refuse."""

from pathlib import Path

import pytest

from hilum.project.labelled_films import AskedFilms, read_data, read_labels
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
        (AskedFilms("flat/list.csv", columns="film=a"), "--columns must name path, finding, patient, got film"),
        (AskedFilms("flat/list.csv", columns="path=b"), "must name columns of list.csv"),
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
    with pytest.raises(ValueError, match=said):
        read_data(asked, CLASSES, Workspace(tmp_path, tmp_path))
