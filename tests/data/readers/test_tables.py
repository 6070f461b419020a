from pathlib import Path, PurePosixPath

import pandas as pd
import pytest
from small_films import write_lines

from hilum.data.readers.tables import attach_rows, pick_columns, read_table


def rows(*films: str, **columns: list) -> pd.DataFrame:
    given = {"finding": [""] * len(films), "problem": "", "detail": "", **columns}
    return pd.DataFrame({"film": films, **given})


def attach(films: list[str], table: pd.DataFrame) -> pd.DataFrame:
    return attach_rows([PurePosixPath(film) for film in films], table, "t.csv")


def left(table: pd.DataFrame) -> dict[str, str]:
    return {row["path"]: row["problem"] for row in table.attrs["left_out"]}


def test_text_of_either_encoding_is_read_and_trimmed(tmp_path: Path) -> None:
    lines = ["Patientid, url,notes", "1, http://x ,38° à  droite", "2,,"]
    for encoding in ("utf-8", "utf-8-sig", "latin-1"):
        table = read_table(write_lines(tmp_path / "t.csv", *lines, encoding=encoding))
        assert table.to_dict("list") == {"Patientid": ["1", "2"], "url": ["http://x", ""], "notes": ["38° à  droite", ""]}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_tables_of_spreadsheets_are_read(separator: str, ending: str, encoding: str, tmp_path: Path) -> None:
    size = "Größe" if separator == "," else "Größe, cm"
    cells = (("Fall", size, "Befund"), ("1", "", "grün"), ("2", '"a;b,c"', "x"))
    lines = [separator.join(line) for line in cells]
    (tmp_path / "t.csv").write_bytes((ending.join(lines) + ending).encode(encoding))
    table = read_table(tmp_path / "t.csv")
    assert table.to_numpy().tolist() == [["1", "", "grün"], ["2", "a;b,c", "x"]]
    assert table.columns.tolist() == ["Fall", size, "Befund"]
    assert len(read_table(tmp_path / "t.csv", rows=1)) == 1


def test_a_trailing_comma_shifts_no_column(tmp_path: Path) -> None:
    table = read_table(write_lines(tmp_path / "t.csv", "a,b", "1,2,", "3,4,"))
    assert table.to_dict("list") == {"a": ["1", "3"], "b": ["2", "4"]}
    with pytest.raises(ValueError, match=r"no more cells than the header of t\.csv \(2\), got 1 that do, such as '3,4,5'"):
        read_table(write_lines(tmp_path / "t.csv", "a,b", "1,2,", "3,4,5"))


def test_a_word_that_pandas_takes_for_nothing_stays_a_word(tmp_path: Path) -> None:
    assert read_table(write_lines(tmp_path / "t.csv", "finding", "None", "NA", "null"))["finding"].tolist() == [
        "None",
        "NA",
        "null",
    ]


@pytest.mark.parametrize(("lines", "reason"), [([""], "CSV with a header"), (["a,b"], "must have rows")])
def test_a_table_that_is_none_is_refused(lines: list[str], reason: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=reason):
        read_table(write_lines(tmp_path / "t.csv", *lines))
    with pytest.raises(ValueError, match="must be there"):
        read_table(tmp_path / "nowhere.csv")


def test_missing_columns_are_named_and_optional_ones_are_empty() -> None:
    table = pd.DataFrame({"Patient ID": ["1"], "view": ["PA"]})
    picked = pick_columns(table, {"patient_id": ("patient id",), "view": ("View",), "age": ("age", "")}, Path("t.csv"))
    assert picked.to_dict("records") == [{"patient_id": "1", "view": "PA", "age": ""}]
    with pytest.raises(ValueError, match=r"t\.csv must have the columns finding, license, got Patient ID, view"):
        pick_columns(table, {"finding": ("finding",), "license": ("license", "licence")}, Path("t.csv"))


@pytest.mark.parametrize(
    ("name", "film"),
    [
        ("x/a.png", "x/a.png"),
        ("a.png", "x/a.png"),
        ("A.PNG", "x/a.png"),
        ("a", "x/a.png"),
        ("./x/a.png", "x/a.png"),
        ("x\\a.png", "x/a.png"),  # defect 18: Windows' separators
        ("set/x/a.png", "x/a.png"),
        ("b.c", "y/b.c.JPG"),
        ("b.c.jpg", "y/b.c.JPG"),
    ],
)
def test_a_film_is_found_by_path_name_or_name_without_ending_in_any_case(name: str, film: str) -> None:  # defect 17
    table = attach(["x/a.png", "y/b.c.JPG"], rows(name))
    assert table["path"].tolist() == [film]


def test_accents_of_one_character_and_of_two_are_the_same_name() -> None:
    two, one = "e\u0301tude/a\u0308.png", "\u00e9tude/\u00e4.png"
    for there, named in ((two, one), (one, two), (two, "\u00c4.PNG"), (one, "a\u0308")):
        table = attach([there], rows(named, finding=["x"]))
        assert table["path"].tolist() == [there] and left(table) == {}


def test_nothing_is_lost_unsaid() -> None:
    table = attach(
        ["x/a.png", "y/a.png", "x/b.png", "x/c.png", "x/d.png"],
        rows("a.png", "x/b.png", "gone.png", "other/c.png", "", problem=["", "", "", "", ""]),
    )
    assert table["path"].tolist() == ["x/b.png"]
    assert left(table) == {
        "a.png": "name of several films",
        "gone.png": "row without a film",
        "other/c.png": "row without a film",
        "": "row without a film",
        "x/a.png": "film without a row",
        "y/a.png": "film without a row",
        "x/c.png": "film without a row",
        "x/d.png": "film without a row",
    }
    assert "film without a row: 4, such as x/a.png, y/a.png, x/c.png" in table.attrs["notes"]


def test_a_row_with_a_reason_is_left_out_by_its_film_or_by_its_name() -> None:
    table = attach(
        ["a.png", "b.png"], rows("a.png", "b.png", "c.nii", problem=["", "lateral view", "no X-ray film"], detail="why")
    )
    assert table["path"].tolist() == ["a.png"]
    assert left(table) == {"c.nii": "no X-ray film", "b.png": "lateral view"}


def test_rows_of_one_film_become_one() -> None:  # defect 2: one row per image, not per box
    table = attach(
        ["a.png"],
        rows(
            "a.png",
            "a.png",
            finding=["Mass", "Effusion|Mass"],
            view=["PA", ""],
            boxes=[[[1.0, 2.0, 3.0, 4.0]], [[5.0, 6.0, 7.0, 8.0]]],
            box_findings=[["Mass"], ["Effusion"]],
        ),
    )
    row = table.iloc[0]
    assert len(table) == 1
    assert (row["finding"], row["view"]) == ("Mass|Effusion", "PA")
    assert row["boxes"] == "[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]"
    assert row["box_findings"] == '["Mass", "Effusion"]'


def test_rows_of_one_film_that_contradict_leave_it_out() -> None:
    table = attach(["a.png", "b.png"], rows("a.png", "a.png", "b.png", patient_id=["1", "2", "3"]))
    assert left(table) == {"a.png": "rows that contradict"}
    assert "patient_id '1' and '2'" in table.attrs["left_out"][0]["detail"]


def test_a_table_that_selects_nothing_is_refused_with_the_reasons() -> None:
    with pytest.raises(ValueError, match=r"must give films, got none from 1 films and 1 rows of t\.csv: .*row without a film: 1"):
        attach(["a.png"], rows("b.png"))
