"""pretrain: which films of its source it takes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hilum.config import read_params
from hilum.stages import acquire
from hilum.stages.pretrain import load_rows
from hilum.workspace import Workspace
from small_films import write_films, write_lines


def test_films_of_several_findings_or_none_are_not_pretrained_on(
    tmp_path: Path, make_project: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{patient:08d}_000.png" for patient in range(1, 33)]
    root = write_films(tmp_path / "nih", *(f"images/{name}" for name in names), size=(20, 30))
    cycle = ["No Finding", "Mass", "Mass|Effusion", ""]
    rows = [f"{name},{cycle[number % 4]},{number}" for number, name in enumerate(names)]
    write_lines(root / "Data_Entry_2017.csv", "Image Index,Finding Labels,Patient ID", *rows)
    project = make_project(
        tmp_path / "project",
        acquire__sources__nih={"reader": "nih", "root": str(root)},
        pretrain__source="nih",
        pretrain__size=32,
    )
    monkeypatch.chdir(project.root)
    acquire.run(source="nih")
    train, val, classes = load_rows(read_params(project.params), project)
    assert classes == ["Mass", "No Finding"]
    assert len(train.labels) + len(val.labels) == 16
    assert "nih: 16 films of several findings or none are not pretrained on" in capsys.readouterr().out
