import json
import subprocess
import sys
from pathlib import Path

import pytest

from hilum.reading.records import Answer, FilmFile, Record, Seen, make_record, read_record
from hilum.reading.store import append_record, blind_records, known_code, read_readings

FILM = FilmFile("ward/film.png", "a" * 64, 100, 80)
BOX = [{"kind": "box", "points": [[10, 20], [30, 40]]}]
MODEL = {"model_sha256": "b" * 64, "data_version": "c", "classes": ["normal", "ill"], "patient": "Doe"}


def record(reader: str = "R1", sha256: str = "a" * 64, **rest: object) -> Record:
    film = FilmFile("ward/film.png", sha256, 100, 80)
    given = {"shapes": BOX, "seen": Seen(), "finding": "opacity", "model": MODEL} | rest
    return make_record(reader, film, given.pop("shapes"), given.pop("seen"), **given)  # type: ignore[arg-type]


def test_a_record_comes_back_as_it_was_made(tmp_path: Path) -> None:
    made = record(comment="am Zwerchfell — ±\n2 cm", answer=Answer("ill", 4))
    append_record(tmp_path / "readings", made)
    found = read_readings(tmp_path / "readings")
    assert found.records == (made,) and found.faults == () and found.records[0].id == made.id
    values = json.loads((tmp_path / "readings" / "R1.jsonl").read_text())
    assert values["film"] == {"name": "ward/film.png", "sha256": "a" * 64, "width": 100, "height": 80}
    assert values["shapes"] == [{"kind": "box", "points": [[10.0, 20.0], [30.0, 40.0]]}]
    assert values["time"].endswith("+00:00") and values["seen"] == {"verdict": False, "map": False}
    assert values["model"] == {"model_sha256": "b" * 64, "data_version": "c"}  # and nothing else of what is known of it


def test_a_crash_at_any_byte_loses_no_record(tmp_path: Path) -> None:
    first, second, third = record(finding="first"), record(finding="zweite ä"), record(finding="third")
    whole = [one.line().encode() + b"\n" for one in (first, second)]
    for cut in range(len(whole[1]) + 1):
        folder = tmp_path / str(cut)
        folder.mkdir()
        (folder / "R1.jsonl").write_bytes(whole[0] + whole[1][:cut])
        before = read_readings(folder)
        complete = cut >= len(whole[1]) - 1  # all but the line break
        assert len(before.records) == 1 + complete and bool(before.faults) == (cut > 0 and not complete), cut
        append_record(folder, third)
        after = read_readings(folder)
        assert after.records == ((first, second, third) if complete else (first, third)), cut
        kept = folder / "R1.torn"
        assert kept.is_file() == (cut > 0 and not complete)
        if kept.is_file():
            assert kept.read_bytes() == whole[1][:cut] + b"\n" and "R1.torn" in after.faults[0]


def test_a_changed_line_is_reported_and_the_others_are_read(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        append_record(tmp_path, record(finding=name))
    file = tmp_path / "R1.jsonl"
    file.write_text(file.read_text().replace('"two"', '"2"'))
    found = read_readings(tmp_path)
    assert [one.finding for one in found.records] == ["one", "three"]
    assert len(found.faults) == 1 and "line 2" in found.faults[0] and "changed" in found.faults[0]


WINDOW = """
import sys
from pathlib import Path
from hilum.reading.records import FilmFile, Seen, make_record
from hilum.reading.store import append_record
for k in range(40):
    append_record(Path(sys.argv[1]), make_record("R1", FilmFile("", "a", 9, 9), [], Seen(), finding=f"{sys.argv[2]} {k}"))
"""


def test_two_windows_of_one_reader_do_not_overwrite_each_other(tmp_path: Path) -> None:
    windows = [subprocess.Popen([sys.executable, "-c", WINDOW, str(tmp_path), name]) for name in ("left", "right")]
    assert [window.wait(100) for window in windows] == [0, 0]
    found = read_readings(tmp_path)
    assert {one.finding for one in found.records} == {f"{name} {k}" for name in ("left", "right") for k in range(40)}
    assert found.faults == ()


def test_a_correction_is_a_further_line_that_names_the_one_it_replaces(tmp_path: Path) -> None:
    first = record()
    append_record(tmp_path, first)
    other = record(shapes=[], comment="nothing there", replaces=first.id)
    append_record(tmp_path, other)
    found = read_readings(tmp_path)
    assert found.records == (first, other) and found.current() == [other]
    with pytest.raises(ValueError, match="none"):
        append_record(tmp_path, record(replaces="f" * 32))
    with pytest.raises(ValueError, match="none"):  # of another film
        append_record(tmp_path, record(sha256="d" * 64, replaces=other.id))


def test_an_answer_stays_and_a_second_thought_is_marked_as_such(tmp_path: Path) -> None:
    final = record(answer=Answer("ill", 5))
    append_record(tmp_path, final)
    for changed in (record(answer=Answer("normal", 1)), record(replaces=final.id)):
        with pytest.raises(ValueError, match="second thought"):
            append_record(tmp_path, changed)
    append_record(tmp_path, record(answer=Answer("normal", 2), second_thought=True, seen=Seen(verdict=True)))
    found = read_readings(tmp_path)
    assert [(one.answer.label, one.second_thought) for one in found.records if one.answer] == [("ill", False), ("normal", True)]
    append_record(tmp_path, record("R2", answer=Answer("normal", 1)))  # of another reader


def test_only_marks_made_before_anything_was_seen_count_as_truth(tmp_path: Path) -> None:
    films = [digit * 64 for digit in "123456"]
    kept = [record(sha256=films[0]), record(sha256=films[1], answer=Answer("ill", 3)), record("R2", sha256=films[2])]
    dropped = [
        record(sha256=films[2], seen=Seen(verdict=True)),
        record(sha256=films[2]),  # after its verdict was seen
        record(sha256=films[1]),  # after its reveal
        record(sha256=films[3], seen=Seen(map=True)),
        record(sha256=films[4], second_thought=True),
    ]
    for one in (*kept, *dropped):
        append_record(tmp_path, one)
    assert {one.id for one in blind_records(read_readings(tmp_path))} == {one.id for one in kept}


@pytest.mark.parametrize("code", ["", "Jane Doe", "a/b", "../x", "é", "x" * 33, "-a", "Model"])
def test_a_name_is_no_code(code: str) -> None:
    with pytest.raises(ValueError, match="code"):
        record(code)


def test_texts_and_answers_are_limited() -> None:
    with pytest.raises(ValueError, match="500"):
        record(comment="x" * 501)
    with pytest.raises(ValueError, match="normal, ill"):
        record(answer=Answer("pneumonia", 3), classes=("normal", "ill"))
    with pytest.raises(ValueError, match="1, 2, 3, 4, 5"):
        record(answer=Answer("ill", 0))


@pytest.mark.parametrize("line", ["", "{}", "[]", "null", '{"id": 1}', '{"id": "x", "film": 3}', "\x00"])
def test_another_line_is_no_record(line: str) -> None:
    with pytest.raises(ValueError, match="record"):
        read_record(line)


def test_a_code_in_another_case_is_that_of_the_same_reader(tmp_path: Path) -> None:
    (tmp_path / "Dr-A.jsonl").touch()
    assert known_code(tmp_path, "dr-a") == "Dr-A" and known_code(tmp_path, "Dr-B") == "Dr-B"
    assert known_code(tmp_path / "absent", "R1") == "R1"
