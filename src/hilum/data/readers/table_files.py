"""Table files of any encoding, separator and spreadsheet, read as text, cell by cell."""

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import pandas as pd

from hilum.data.readers.values import squeeze

SEPARATORS = ",;\t|"  # between cells, whichever is most frequent in the header: spreadsheets write semicolons in many countries
LOOKED_AT = 2**16  # bytes from which encoding and separator are found
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}  # at a file's start
BYTE_ENCODINGS = ("utf-8", "cp1252", "latin-1")  # tried in this order without a byte order mark; latin-1 reads any bytes
BINARY = {b"PK\x03\x04": "an Excel workbook or another archive", b"\xd0\xcf\x11\xe0": "an old Excel workbook", b"%PDF": "a PDF"}

_UNSEEN = "\u200b\u200c\u200d\u2060\ufeff\u200e\u200f"  # zero-width; they come with text copied from web pages
_EXCEL = re.compile(r'"?sep=(.)"?[,;\s|]*', re.IGNORECASE)  # the line that gives Excel the separator
_QUOTED = re.compile(r'"[^"]*"?')
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")


def read_table(path: Path, rows: int | None = None, numbers: Sequence[str] = ()) -> pd.DataFrame:
    """A CSV file as text: columns trimmed, cells trimmed, empty for no information; the index is the line in the file.

    Encodings: UTF-8 and UTF-16, with or without a byte order mark, else Windows-1252 or latin-1. Cells are separated by commas,
    semicolons, tabs or bars, whichever is most frequent in the header, or by Excel's first line `sep=;`. Lines of empty cells,
    comments above the header (`# ...`, of fewer cells than the header) and columns without a name are left out.

    rows: read only the first ones. numbers: columns, in any case, in which a comma is the decimal point where cells are not
    separated by commas: `12,5` is `12.5`.

    Raises:
        ValueError: no such file, another file than text, no header, no row, two columns of one name, or lines with more cells
            than the header; messages name lines and columns and quote no cell.
    """
    if not path.is_file():
        raise ValueError(f"the table must be there, got no {path}; put it there or correct its name")
    separator, lines = _read_lines(path, rows)
    if not lines:
        raise ValueError(f"the table must be CSV with a header, got none in {path}; put the whole file there")
    header, lines = lines[0][1], lines[1:]
    if not lines and rows != 0:
        raise ValueError(f"the table must have rows, got none in {path}; put the whole file there")
    _check_header(header, path)
    width = len(header)
    if longer := [line for line, cells in lines if any(cells[width:])]:
        raise ValueError(
            f"a line must have no more cells than the header of {path.name} ({width}), got {len(longer)} that do, the first on "
            f"line {longer[0]}; quote cells that hold {_name_separator(separator)}"
        )
    filled = [[*cells[:width], *[""] * (width - len(cells))] for _, cells in lines]
    table = pd.DataFrame(filled, columns=header, index=[line for line, _ in lines], dtype=object)
    table = table.loc[:, [name != "" for name in header]]
    if separator != ",":
        for name in [name for name in table if squeeze(str(name)) in {squeeze(one) for one in numbers}]:
            table[name] = [cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell) else cell for cell in table[name]]
    return table


def _check_header(header: Sequence[str], path: Path) -> None:
    for name in dict.fromkeys(header):
        places = [str(place) for place, other in enumerate(header, 1) if other == name]
        if name and len(places) > 1:
            raise ValueError(
                f"every column of {path.name} must have a name of its own, got {name} as columns {' and '.join(places)}; rename "
                "one, or remove it"
            )


def _read_lines(path: Path, rows: int | None) -> tuple[str, list[tuple[int, list[str]]]]:
    """The separator, and number and cells of each line that is not empty; the first is the header."""
    with path.open("rb") as start:
        looked_at = start.read(LOOKED_AT)
    for encoding in _list_encodings(looked_at, path):
        try:
            skipped, separator = _look_at_header(path, encoding)
            with path.open(encoding=encoding, newline="") as file:
                found = _parse(islice(file, skipped, None), separator)
                return separator, [(skipped + line, cells) for line, cells in islice(found, None if rows is None else rows + 1)]
        except UnicodeError:
            continue
        except csv.Error as error:
            raise ValueError(f"the table must be CSV, got {path}: {error}; correct it") from None
    raise ValueError(f"the table must be text in the encoding that its start shows, got other bytes in {path}; save it as UTF-8")


def _list_encodings(looked_at: bytes, path: Path) -> Sequence[str]:
    """The encodings that a file may have by its first bytes, the likeliest first."""
    for mark, encoding in MARKS.items():
        if looked_at.startswith(mark):
            return [encoding]
    for start, kind in BINARY.items():
        if looked_at.startswith(start):
            raise ValueError(f"the table must be text, got {kind} in {path}; open it in a spreadsheet and save it as CSV UTF-8")
    if b"\0" not in looked_at:
        return BYTE_ENCODINGS
    little, big = looked_at[1::2].count(0), looked_at[::2].count(0)
    if max(little, big) > len(looked_at) / 4:  # Latin letters: every other byte of UTF-16 is 0
        return ["utf-16-le" if little > big else "utf-16-be"]
    raise ValueError(f"the table must be text, got bytes that are none in {path}; save it as CSV in UTF-8")


def _look_at_header(path: Path, encoding: str) -> tuple[int, str]:
    """Number of lines above the header, and the separator."""
    with path.open(encoding=encoding, newline="") as file:
        first = [_trim(line) for line in islice(file, 100)]
    skipped = next((number for number, line in enumerate(first) if line.strip(SEPARATORS + '" ')), len(first))
    if skipped == len(first):
        return 0, ","
    if excel := _EXCEL.fullmatch(first[skipped] + ("\t" if first[skipped].casefold() == "sep=" else "")):
        return skipped + 1, excel[1]  # a tab at the end was trimmed away
    for number, line in enumerate(first[skipped:], skipped):
        below = next((other for other in first[number + 1 :] if not other.startswith("#")), "")
        if not (line.startswith("#") and _count(below) > _count(line)):
            return number, max(SEPARATORS, key=_QUOTED.sub("", line).count)
    return skipped, ","


def _count(line: str) -> int:
    return max(_QUOTED.sub("", line).count(separator) for separator in SEPARATORS)


def _parse(text: Iterator[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """Number of the first line, and cells, of each row that is not empty."""
    reader = csv.reader(text, delimiter=separator, skipinitialspace=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = [_trim(cell) for cell in next(reader)]
        except StopIteration:
            return
        if any(cells):
            yield line, cells


def _trim(cell: str) -> str:
    """The text without surrounding blanks and zero-width characters."""
    cell = cell.strip()
    while cell and (cell[0] in _UNSEEN or cell[-1] in _UNSEEN):
        cell = cell.strip(_UNSEEN).strip()
    return cell


def _name_separator(separator: str) -> str:
    return {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}.get(separator, repr(separator))
