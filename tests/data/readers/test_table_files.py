"""Table files in every form in which people have them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from dicom_roots import write_film
from small_films import write_films, write_lines

from hilum.data.readers.covid_chestxray import read_covid_chestxray
from hilum.data.readers.csv import read_csv
from hilum.data.readers.dicom_folder import read_dicom_folder
from hilum.data.readers.figure1 import read_figure1
from hilum.data.readers.folder import read_folder
from hilum.data.readers.nih import read_nih
from hilum.data.readers.table_files import LOOKED_AT, read_table


def test_text_of_either_encoding_is_read_and_trimmed(tmp_path: Path) -> None:
    lines = ["Patientid, url,notes", "1, http://x ,38° à  droite", "2,,"]
    for encoding in ("utf-8", "utf-8-sig", "latin-1"):
        table = read_table(write_lines(tmp_path / "t.csv", *lines, encoding=encoding))
        assert table.to_dict("list") == {"Patientid": ["1", "2"], "url": ["http://x", ""], "notes": ["38° à  droite", ""]}


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
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
    assert read_table(write_lines(tmp_path / "t.csv", "a,b,,", "1,2,,,,", "3,4")).to_dict("list") == {
        "a": ["1", "3"],
        "b": ["2", "4"],
    }
    with pytest.raises(
        ValueError, match=r"no more cells than the header of t\.csv \(2\), got 1 that do, the first on line 4; .*commas"
    ):
        read_table(write_lines(tmp_path / "t.csv", "a,b", "1,2,", "", "Roentgen,4,5"))


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


def read_bytes(tmp_path: Path, content: bytes, **more: Any) -> pd.DataFrame:
    (tmp_path / "t.csv").write_bytes(content)
    return read_table(tmp_path / "t.csv", **more)


PLAIN = {"file": ["1.png", "2.png"], "label": ["ill", "normal"]}
FORMS = {
    "Excel's sep=": b"sep=;\r\nfile;label\r\n1.png;ill\r\n2.png;normal\r\n",
    "sep= a tab": b"sep=\t\nfile\tlabel\n1.png\till\n2.png\tnormal\n",
    "sep= quoted, with cells behind it": b'"sep=,",,\nfile,label\n1.png,ill\n2.png,normal\n',
    "sep= another than the header has most of": b"sep=;\nfile;label\n1.png;ill\n2.png;normal\n",
    "sep= in UTF-16": "sep=;\nfile;label\n1.png;ill\n2.png;normal\n".encode("utf-16"),
    "bars": b"file|label\n1.png|ill\n2.png|normal\n",
    "blanks before quotes": b'file, label\n"1.png", "ill"\n"2.png", "normal"\n',
    "separators inside quoted names": b'"file";"label";"a, b, c, d"\n1.png;ill\n2.png;normal\n',
    "comments above": b"# exported 2024\n# by, us\nfile,label,note\n1.png,ill\n2.png,normal\n",
    "blank lines": b"\n,,\nfile,label\n\n1.png,ill\n , \n2.png,normal\n\n",
    "commas at the end": b"file,label,\n1.png,ill,,,\n2.png,normal,\n",
    "a column of row numbers": b'"",file,label\n0,1.png,ill\n1,2.png,normal\n',
    "letters of no width": "\u200bfile,label\n1.png,\u200bill\u00a0\n\u200e2.png,\u00a0\u200bnormal\ufeff\n".encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_table(form: str, tmp_path: Path) -> None:
    table = read_bytes(tmp_path, FORMS[form])
    assert {name: table[name].tolist() for name in PLAIN} == PLAIN
    assert set(table.columns) <= {*PLAIN, "note", "a, b, c, d"}


def test_the_index_is_the_line_of_the_file(tmp_path: Path) -> None:
    content = b'sep=;\r\n\r\nfile;note\r\n1;"two\r\nlines"\r\n\r\n2;x\r\n'
    assert read_bytes(tmp_path, content).index.tolist() == [4, 7]


def test_a_column_whose_name_begins_with_a_hash_is_a_column(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, b"#,file\n1,a\n").to_dict("list") == {"#": ["1"], "file": ["a"]}
    assert read_bytes(tmp_path, b"# file\na\nb\n").to_dict("list") == {"# file": ["a", "b"]}


def test_letters_far_down_tell_the_encoding_too(tmp_path: Path) -> None:
    for encoding in ("utf-8", "cp1252"):
        content = "a,b\n" + "1,2\n" * LOOKED_AT + "M\u00fcller \u20ac,3\n"
        assert read_bytes(tmp_path, content.encode(encoding))["a"].iloc[-1] == "M\u00fcller \u20ac"
    assert read_bytes(tmp_path, b"a,b\n\x81,3\n")["a"].tolist() == ["\x81"], "bytes that Windows-1252 has no letter for"


@pytest.mark.parametrize("names", ["label,label", "label,x,label", "label, label"])
def test_two_columns_of_one_name_are_refused(names: str, tmp_path: Path) -> None:
    last = names.count(",") + 2
    with pytest.raises(ValueError, match=rf"t\.csv must have a name of its own, got label as columns 2 and {last}; rename one"):
        read_bytes(tmp_path, f"file,{names}\n1,a,b,c\n".encode())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"PK\x03\x04\x14\0\0\0xl/workbook.xml", "got an Excel workbook .* save it as CSV UTF-8"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "got an old Excel workbook"),
        (b"%PDF-1.4\n", "got a PDF"),
        (b"file,label\n\0\1\2\3abcdefghijk\n", "must be text, got bytes that are none"),
        ("a,b\n1,2\n".encode("utf-16") + b"\x00\xd8", "in the encoding that its start shows"),
        (b"\n\n,,\n", "CSV with a header"),
        (b"sep=;\n", "CSV with a header"),
    ],
)
def test_what_is_no_table_is_refused_by_what_it_is(content: bytes, told: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=told):
        read_bytes(tmp_path, content)


def test_a_comma_is_the_decimal_point_where_it_separates_no_cells(tmp_path: Path) -> None:
    for separator in ";\t|":
        lines = separator.join(("ID", "Age", "codes")) + "\n" + separator.join(("7,5", "58,5", "1,2")) + "\n"
        table = read_bytes(tmp_path, lines.encode(), numbers=["age", "nowhere"])
        assert table.iloc[0].tolist() == ["7,5", "58.5", "1,2"], "only where numbers are asked for"
    assert read_bytes(tmp_path, b'id,age\n7,"1,024"\n', numbers=["age"])["age"].tolist() == ["1,024"]
    assert read_bytes(tmp_path, b"id;age\n7;1.024,5\n", numbers=["age"])["age"].tolist() == ["1.024,5"], "no number of one mark"


def read_own(root: Path) -> pd.DataFrame:
    write_films(root, "1.png", "2.png")
    return read_csv(root, table="t.csv", path="file", findings=["label"], age="age", boxes=["x", "y", "w", "h"], sex="sex")


def read_sidecar_of_folder(root: Path) -> pd.DataFrame:
    write_films(root, "a/1.png", "a/2.png")
    return read_folder(root, table="t.csv")


def read_clinical(read: Callable[[Path], pd.DataFrame]) -> Callable[[Path], pd.DataFrame]:
    def read_root(root: Path) -> pd.DataFrame:
        write_films(root, "images/1.png", "images/2.png")
        return read(root)

    return read_root


def read_dicoms(root: Path) -> pd.DataFrame:
    for k in (1, 2):
        write_film(root / f"{k}.dcm", k, PatientID=f"P{k}")
    return read_dicom_folder(root, table="t.csv", path="file", finding="label")


READ: dict[str, tuple[str, list[list[str]], Callable[[Path], pd.DataFrame]]] = {
    "csv": (
        "t.csv",
        [["file", "label", "age", "x", "y", "w", "h", "sex"], ["1.png", "1,0", "58,5", "1,5", "2", "3", "4", "M"], ["2", "0,0"]],
        read_own,
    ),
    "folder": ("t.csv", [["path", "age", "sex"], ["a/1.png", "58,5", "M"], ["a/2.png", "6", "F"]], read_sidecar_of_folder),
    "covid_chestxray": (
        "metadata.csv",
        [
            ["patientid", "finding", "view", "age", "filename"],
            ["1", "COVID-19", "PA", "58,5", "1.png"],
            ["2", "ARDS", "AP", "", "2.png"],
        ],
        read_clinical(read_covid_chestxray),
    ),
    "figure1": (
        "metadata.csv",
        [["patientid", "finding", "view", "age"], ["1", "COVID-19", "PA", "58,5"], ["2", "", "AP", ""]],
        read_clinical(read_figure1),
    ),
    "nih": (
        "Data_Entry_2017.csv",
        [
            ["Image Index", "Finding Labels", "Patient ID", "Patient Age"],
            ["1.png", "No Finding", "1", "58,5"],
            ["2.png", "Mass", "2", ""],
        ],
        read_clinical(read_nih),
    ),
    "dicom": ("t.csv", [["file", "label", "Arzt"], ["1.dcm", "ill", "M\u00fcller"], ["2.dcm", "normal", ""]], read_dicoms),
}


@pytest.mark.parametrize("reader", READ)
@pytest.mark.parametrize("form", ["semicolons, Windows-1252", "tabs, UTF-16", "sep=", "a separator at the end of every row"])
def test_every_reader_of_tables_reads_every_form(form: str, reader: str, tmp_path: Path) -> None:
    name, lines, read = READ[reader]
    separator = "\t" if form.startswith("tabs") else ";"
    end = separator if form.startswith("a sep") else ""
    text = "sep=;\r\n" * (form == "sep=") + "".join(separator.join(cells) + end + "\r\n" for cells in lines)
    tmp_path.joinpath("root").mkdir()
    (tmp_path / "root" / name).write_bytes(text.encode("utf-16" if form.startswith("tabs") else "cp1252"))
    table = read(tmp_path / "root")
    assert len(table) == 2
    if reader != "dicom":
        assert table["age"][0] == "58.5"
        assert not [note for note in table.attrs["notes"] if "nothing usable" in note]
    if reader == "csv":
        assert table["finding"].tolist() == ["label", "none"]
        assert table["boxes"][0] == "[[1.5, 2.0, 3.0, 4.0]]"


@pytest.mark.parametrize("reader", READ)
def test_every_reader_of_tables_refuses_two_columns_of_one_name(reader: str, tmp_path: Path) -> None:
    name, lines, read = READ[reader]
    write_lines(tmp_path / "root" / name, *(";".join([cells[1], *cells]) for cells in lines))
    with pytest.raises(ValueError, match="must have a name of its own, got"):
        read(tmp_path / "root")
