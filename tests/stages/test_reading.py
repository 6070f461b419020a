"""reading: marks become a source's annotations, readers are measured, references are stored, by the command."""

import json
from pathlib import Path

import pandas as pd
import pytest
from prepared_phantom import SIZE, make_project
from small_films import write_films, write_lines

from hilum.cli import main
from hilum.project.readings import DIFFERENCES, FIGURES
from hilum.reading.records import Answer, FilmFile, Seen, make_record
from hilum.reading.references import load_references
from hilum.reading.store import append_record
from hilum.results import file_sha256, read_json, read_table, write_json

BOX = [{"kind": "box", "points": [[1, 2], [6, 7]]}]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).write_text((Path(__file__).resolve().parents[2] / name).read_text())
    names = [f"{kind}/{k}.png" for kind in ("normal", "ill") for k in range(4)]
    write_films(tmp_path / "films", *names, size=(10, 12))
    for reader, said in (("R1", "nnniiiii"), ("R2", "nnnniiin")):
        for name, letter in zip(names, said, strict=True):
            film = FilmFile(name, file_sha256(tmp_path / "films" / name), 12, 10)
            shapes = BOX if letter == "i" else []
            answer = Answer({"n": "normal", "i": "ill"}[letter], 4)
            append_record(tmp_path / "readings", make_record(reader, film, shapes, Seen(), answer=answer))
    rows = [f"{name},{name.split('/')[0]},p{k}" for k, name in enumerate(names)]
    write_lines(tmp_path / "truth.csv", "path,label,patient", *rows)
    write_lines(tmp_path / "out.csv", "file,predicted", *(f"{name},{'ill' if 'ill' in name else 'normal'}" for name in names))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_readers_are_listed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reading"]) == 0
    told = capsys.readouterr().out
    assert "R1: 8 records of 8 films, 8 blind; 8 answers, 0 second thoughts, 5 boxes and polygons" in told and "R2" in told
    (project / "readings" / "R1.jsonl").open("a").write('{"torn')
    assert main(["reading"]) == 0 and "unfinished" in capsys.readouterr().out
    assert main(["reading", "--readings", "nothing"]) == 0 and "hilum app" in capsys.readouterr().out


def test_what_is_undefined_is_told_in_words(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for k in (1, 2):
        name = f"ill/{k}.png"
        film = FilmFile(name, file_sha256(project / "films" / name), 12, 10)
        append_record(project / "readings", make_record("R3", film, [], Seen(), answer=Answer("ill", 3)))
    assert main(["reading", "--truth", "truth.csv", "--predictions", "out.csv"]) == 0
    told = capsys.readouterr().out
    assert "R3 against R1: kappa undefined, as both name one class, 2 films" in told and "nan" not in told
    assert "all readers against truth: accuracy" in told and "no figures of all readers" not in told
    strange = FilmFile("strange.png", "f" * 64, 12, 10)
    append_record(project / "readings", make_record("R4", strange, [], Seen(), answer=Answer("ill", 3)))
    assert main(["reading", "--truth", "truth.csv", "--out", "again"]) == 0
    told = capsys.readouterr().out
    assert "no figures of all readers: there is no film with a known truth that each of R1, R2, R3, R4 answered" in told


def test_readers_against_truth_and_model(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reading", "--truth", "truth.csv", "--predictions", "out.csv"]) == 0
    assert "R1 against truth: accuracy 0.88" in capsys.readouterr().out
    figures = read_table(project / "reading" / FIGURES)
    pairs = set(zip(figures["who"], figures["against"], strict=True))
    assert pairs >= {
        ("R1", "truth"),
        ("R2", "truth"),
        ("model", "truth"),
        ("R1", "model"),
        ("R2", "R1"),
        ("all readers", "truth"),
    }
    differences = pd.read_csv(project / "reading" / DIFFERENCES)
    assert sorted(differences["film"]) == ["ill/3.png", "normal/3.png"]
    assert main(["reading", "--truth", "truth.csv"]) == 0  # takes the place of the earlier output


def test_marks_become_annotations(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reading", "--marks", "films"]) == 0
    assert "give the source in params.yaml: table: reader_marks.csv" in capsys.readouterr().out
    table = pd.read_csv(project / "films" / "reader_marks.csv")
    assert sorted(table["path"]) == ["ill/0.png", "ill/1.png", "ill/2.png", "ill/3.png", "normal/3.png"]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--marks", "films", "--truth", "truth.csv"], "one thing"),
        (["--marks", "nowhere"], "nowhere"),
        (["--truth", "nowhere.csv"], "nowhere.csv"),
        (["--references", "nowhere.keras"], "nowhere.keras"),
    ],
)
def test_what_cannot_be_done_is_refused(project: Path, capsys: pytest.CaptureFixture[str], options: list[str], word: str) -> None:
    assert main(["reading", *options]) == 1
    assert word in capsys.readouterr().err


def test_references_of_the_model_that_was_trained_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace, _, file = make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["reading", "--references", str(file)]) == 0
    described = read_json(file.with_name("model.json"))
    stored = load_references(workspace, described["model_sha256"])
    assert stored is not None and stored.counts == (100, 60) and described["size"] == SIZE
    assert "references of 100 training films" in capsys.readouterr().out
    write_json(file.with_name("model.json"), json.loads(json.dumps({**described, "data_version": "other"})))
    assert main(["reading", "--references", str(file)]) == 1
    assert "another data_version" in capsys.readouterr().err
