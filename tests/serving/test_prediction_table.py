"""The CSV of `predict`, whole again after an end at any byte, written by one process at a time, and never mistaken."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hilum.serving.prediction_table import PredictionTable, open_table

CLASSES, SHA = ["ill", "well"], "m" * 64
FILMS = ["a.png", 'b,\n"\n""\n.png', "c\r.png", "d\u2028ä.png", "e.png", "f.png", "=1+1.png", "'@a.png", "-0.5"]
ROWS = {name: [name, "ill", "0.75", "0.25", "", SHA] for name in FILMS}
ROWS["e.png"] = ["e.png", "", "", "", 'broken:\n"here"\n\n', SHA]


def fill(out: Path) -> int:
    """Add the rows that the table lacks one by one, as a call of `predict` does; returns how many."""
    with open_table(out, CLASSES, SHA, FILMS) as table:
        todo = [name for name in FILMS if not table.predicted(name)]
        for name in todo:
            table.add({name: ROWS[name]})
        table.put_in_order(FILMS)
    return len(todo)


def test_a_table_that_ends_at_any_byte_becomes_the_same_table(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert fill(out) == len(FILMS)
    whole = out.read_bytes()
    for cut in range(len(whole)):
        out.write_bytes(whole[:cut])
        fill(out)
        assert out.read_bytes() == whole, whole[:cut]
    assert fill(out) == 1, "the one with an error"
    assert list(tmp_path.iterdir()) == [out]


def test_no_name_of_a_film_is_a_formula_to_a_spreadsheet(tmp_path: Path) -> None:
    fill(tmp_path / "out.csv")
    written = (tmp_path / "out.csv").read_bytes()
    assert b"\n'=1+1.png,ill,0.75" in written and b"\n''@a.png,ill" in written and b"\n-0.5,ill" in written
    with open_table(tmp_path / "out.csv", CLASSES, SHA, FILMS) as table:
        assert table.predicted("=1+1.png")
    (tmp_path / "out.csv").write_bytes(written.replace(b"'=1+1.png", b"=1+1.png"))  # as it was written before
    assert fill(tmp_path / "out.csv") == 1, "the one with an error"
    assert (tmp_path / "out.csv").read_bytes() == written


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    fill(tmp_path / "out.csv")
    with open_table(tmp_path / "out.csv", CLASSES, SHA, []) as table:
        assert table.rows == ROWS
        assert [name for name in FILMS if not table.predicted(name)] == ["e.png"]


@pytest.mark.parametrize(
    ("cells", "answered"),
    [
        (["ill", "0.75", "0.25", ""], True),
        (["well", "1", "1e-30", ""], True),
        (["ill", "nan", "nan", ""], False),
        (["ill", "inf", "0", ""], False),
        (["ill", "", "", ""], False),
        (["ill", "0.75", "0.25", "broken"], False),
        (["", "", "", "broken"], False),
        (["other", "0.75", "0.25", ""], False),
    ],
)
def test_a_prediction_has_a_class_and_numbers_and_no_error(tmp_path: Path, cells: list[str], answered: bool) -> None:
    with open_table(tmp_path / "out.csv", CLASSES, SHA, []) as table:
        table.add({"a": ["a", *cells, SHA]})
        assert table.predicted("a") is answered
        assert not table.predicted("b")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"my notes without an end", "must have the columns file, predicted, .*, got my notes without an end"),
        (b"x,y\n1,2\n", "must have the columns file, predicted, .*, got x, y"),
        (b"\x89PNG\r\n\x1a\n", "must be a CSV in UTF-8, got .*; name another file"),
        (b"x" * 200_000, "must be a CSV in UTF-8, got field larger than field limit"),
        (b"file,predicted,p_ill,p_well,error,model_sha256\na,ill,1\n", "must have 6 cells, got 3 in row 2; correct it"),
        (b"file,predicted,p_ill,p_well,error,model_sha256\na,ill,1,0,,nnn\n", r"of another model \(nnn\); name another file"),
    ],
)
def test_another_file_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes, told: str) -> None:
    out = tmp_path / "out.csv"
    out.write_bytes(content)
    with pytest.raises(ValueError, match=told), open_table(out, CLASSES, SHA, FILMS):
        pass
    assert out.read_bytes() == content


def test_the_lock_ends_with_its_process_however_that_ends(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    fill(out)
    lines = [
        "import sys, time",
        "from pathlib import Path",
        "from hilum.serving.prediction_table import open_table",
        f"with open_table(Path(sys.argv[1]), {CLASSES}, {SHA!r}, {FILMS}) as table:",  # leaves one row out: replaces the file
        "    print('open', flush=True)",
        "    time.sleep(60)",
    ]
    with subprocess.Popen([sys.executable, "-c", "\n".join(lines), str(out)], stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout and other.stdout.readline() == "open\n"
            with pytest.raises(ValueError, match="must be written by one call at a time"):
                fill(out)
        finally:
            other.send_signal(signal.SIGKILL)
    assert fill(out) == 1


def test_a_table_that_was_replaced_while_it_was_opened_is_opened_anew(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    fill(out)
    first = PredictionTable(out, CLASSES)
    first.read(FILMS, SHA)  # drops the error and so replaces the file, under its lock
    with pytest.raises(ValueError, match="must be written by one call at a time"):
        PredictionTable(out, CLASSES)
    first.close()
    PredictionTable(out, CLASSES).close()


def test_a_link_stays_a_link_and_a_file_keeps_its_rights(tmp_path: Path) -> None:
    place = tmp_path / "elsewhere" / "answers.csv"
    fill(place)
    place.chmod(0o640)
    (tmp_path / "out.csv").symlink_to(place)
    assert fill(tmp_path / "out.csv") == 1
    assert (tmp_path / "out.csv").is_symlink()
    assert place.stat().st_mode & 0o777 == 0o640
