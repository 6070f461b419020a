"""No text of a table is a formula to a spreadsheet, and every text comes back as it was."""

import io

import numpy as np
import pandas as pd
import pytest

from hilum.cells import escape, escape_name, guard_cell, read_cell
from hilum.results import guard_table, read_cells

FORMULAS = (
    "=1+1",
    '=HYPERLINK("http://x","y")',
    "+a",
    "-a",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "-2+3",
    "--1",
    "==",
    "-1e",
    "+1 2",
)
PLAIN = ("", "a", "a=b", "1", "-0.5", "+1e-3", "-.5", "-3.", "'", "''", "'a", "a'b", "-", "=", "@", " =1", "source/=1", "肺")


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_written_as_text(text: str) -> None:
    assert guard_cell(text) == f"'{text}"
    assert not guard_cell(text).startswith(tuple("=+-@\t\r\n"))


@pytest.mark.parametrize("text", PLAIN)
def test_any_other_text_and_every_number_stay(text: str) -> None:
    assert guard_cell(text) == text


@pytest.mark.parametrize("text", [*FORMULAS, *PLAIN, "'=1", "''=1", "'-a", "'-0.5", "'\t1", "'-", "''@x"])
def test_what_is_written_is_read_back(text: str) -> None:
    assert read_cell(guard_cell(text)) == text


def test_a_table_keeps_its_numbers_and_what_is_missing() -> None:
    table = pd.DataFrame(
        {"text": ["=1", "a", "'=2"], "number": [-0.5, np.nan, 3.0], "count": [-1, 2, 3], "some": ["-x", None, "b"]}
    )
    written = guard_table(table)
    assert written["text"].tolist() == ["'=1", "a", "''=2"] and written["some"].tolist()[0] == "'-x"
    assert written[["number", "count"]].equals(table[["number", "count"]]) and written["some"].isna().tolist() == [
        False,
        True,
        False,
    ]
    assert table["text"].tolist() == ["=1", "a", "'=2"], "the table itself stays"
    back = read_cells(pd.read_csv(io.StringIO(written.to_csv(index=False))))
    assert back["text"].tolist() == table["text"].tolist() and back["number"].tolist()[0] == -0.5


def test_what_utf_8_cannot_hold_and_a_carriage_return_are_escaped() -> None:
    assert escape("Andr\udce9\r.png") == "Andr\\udce9\\r.png"
    assert escape("André, 肺\n.png") == "André, 肺\n.png"


def test_no_two_names_of_files_are_written_alike() -> None:
    names = ["a\udcff", "a\\udcff", "a\\x5cudcff", "a\r", "a\\r", "a\\x0d", "a\\x5c", "a\\x5cx0d", "a\\", "a\udcff\\udcff"]
    names.append("a\\udcff\udcff")
    written = [escape_name(name) for name in names]
    assert len(set(written)) == len(names) and all(text.encode() and "\r" not in text for text in written)
    assert written[:2] == ["a\\udcff", "a\\x5cudcff"]


@pytest.mark.parametrize("name", ["a.png", "André.png", "right\\1.png", "\\server\\films", "C:\\xray\\udine.png"])
def test_a_name_of_plain_text_stays(name: str) -> None:
    assert escape_name(name) == escape_name(escape_name(name)) == name
