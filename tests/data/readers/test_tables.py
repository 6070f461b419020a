import sys
from pathlib import Path, PurePosixPath
from types import FrameType

import pandas as pd
import pytest

from hilum.data.readers.tables import attach_rows, pick_columns


def rows(*films: str, **columns: list) -> pd.DataFrame:
    given = {"finding": [""] * len(films), "problem": "", "detail": "", **columns}
    return pd.DataFrame({"film": films, **given})


def attach(films: list[str], table: pd.DataFrame) -> pd.DataFrame:
    return attach_rows([PurePosixPath(film) for film in films], table, "t.csv")


def left(table: pd.DataFrame) -> dict[str, str]:
    return {row["path"]: row["problem"] for row in table.attrs["left_out"]}


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


def test_two_columns_that_differ_in_case_alone_are_refused() -> None:
    table = pd.DataFrame({"Finding": ["a"], "view": ["PA"], "finding": ["b"]})
    assert pick_columns(table, {"view": ("View",)}, Path("t.csv"))["view"].tolist() == ["PA"], "nobody asks for the other two"
    with pytest.raises(ValueError, match=r"t\.csv must have a name of its own in any case, got Finding and finding; rename one"):
        pick_columns(table, {"finding": ("finding",)}, Path("t.csv"))


def test_a_name_without_ending_that_two_films_have_is_no_name_of_the_first() -> None:
    table = attach(["x/a.jpg", "x/a.png", "x/b.png"], rows("x/a", "x/b"))
    assert table["path"].tolist() == ["x/b.png"]
    assert left(table)["x/a"] == "name of several films"
    as_written = attach(["x/A.png", "x/a.png"], rows("x/a.png", "x/A.png", finding=["small", "large"]))
    assert dict(zip(as_written["path"], as_written["finding"], strict=True)) == {"x/a.png": "small", "x/A.png": "large"}


def count_steps(films: int, said: str) -> int:
    """Calls of functions, of Python and C, while films of one name are joined with a table that calls them `said`."""
    paths = [PurePosixPath(f"train/patient{k:05d}/study1/view1_frontal.jpg") for k in range(films)]
    table = rows(*(said.format(k) for k in range(films)), "train/patient00000/study1/view1_frontal.jpg")
    steps = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal steps
        steps += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        attach_rows(paths, table, "train.csv")
    finally:
        sys.setprofile(None)
    return steps


@pytest.mark.parametrize(
    "said",
    [
        "CheXpert-v1.0-small/train/patient{:05d}/study1/view1_frontal.jpg",
        "train/patient{:05d}/study1/view1_frontal.jpg",
        "patient{:05d}/study1/view1_frontal",
        "view1_frontal.jpg",  # which may be any of them
        "elsewhere/patient{:05d}/view1_frontal.jpg",
    ],
)
def test_twice_as_many_films_of_one_name_take_twice_as_many_steps(said: str) -> None:
    assert count_steps(800, said) < 2.2 * count_steps(400, said)


def test_films_of_any_name_are_found_as_a_table_writes_them() -> None:
    films = [PurePosixPath(name) for name in ("a/x1.jfif", "a/x2", "a/x3.dat", "a/x4.jpg ", "a/1.2.840.1", "a/1.2.840.2")]
    told = ("x1.jfif", "x2", "x3.dat", "a/x4.jpg", "1.2.840.1", "a/1.2.840.2")
    rows = pd.DataFrame({"film": told, "finding": "ill", "problem": "", "detail": ""})
    assert attach_rows(films, rows, "labels.csv").attrs["left_out"] == []
