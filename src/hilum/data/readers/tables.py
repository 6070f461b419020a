"""Tables beside films: read as text whatever wrote them, and joined with the files that are there; nothing is lost unsaid."""

import codecs
import csv
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import islice, takewhile
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

import pandas as pd

from hilum.data.readers.listing import SUFFIXES, make_table, name_left_out
from hilum.data.readers.values import join_findings, squeeze, write_boxes
from hilum.records import JOINT

ENCODINGS = ("utf-8-sig", "latin-1")  # tried in this order; latin-1 reads any bytes
BYTE_ORDER_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}  # as spreadsheets save "Unicode text"
SEPARATORS = ",;\t"  # between cells, whichever the header has most of: spreadsheets write semicolons in half of Europe
NO_FILM = ("row without a film", "name of several films")  # what a row may be that belongs to no film
Row = dict[str, Any]
JOINED = ("finding", "boxes", "box_findings")  # what several rows of one film add up to; every other column must agree


def read_table(path: Path, rows: int | None = None) -> pd.DataFrame:
    """A CSV file as text: columns trimmed, cells trimmed, empty for no information. rows: read only the first ones.

    Cells stand between commas, semicolons or tabs, whichever the header has most of.

    Raises:
        ValueError: no such file, no header, no row, or lines with more cells than the header.
    """
    if not path.is_file():
        raise ValueError(f"the table must be there, got no {path}; put it there or correct its name")
    lines = _read_lines(path, rows)
    if not lines or not any(lines[0]):
        raise ValueError(f"the table must be CSV with a header, got none in {path}; put the whole file there")
    header, cells = lines[0], [line for line in lines[1:] if any(line)]
    if not cells and rows != 0:
        raise ValueError(f"the table must have rows, got none in {path}; put the whole file there")
    if twice := sorted({name for name in header if name and header.count(name) > 1}):
        raise ValueError(f"a column of {path.name} must have a name of its own, got {', '.join(twice)} twice; rename one")
    if longer := [line for line in cells if any(line[len(header) :])]:
        raise ValueError(
            f"a line must have no more cells than the header of {path.name} ({len(header)}), got {len(longer)} that do, such as "
            f"{','.join(longer[0])[:80]!r}; quote cells with commas"
        )
    width = len(header)
    table = pd.DataFrame([[*line[:width], *[""] * (width - len(line))] for line in cells], columns=header, dtype=object)
    return table.loc[:, [name != "" for name in header]]


def _read_lines(path: Path, rows: int | None) -> list[list[str]]:
    with path.open("rb") as start:
        mark = start.read(2)
    for encoding in [BYTE_ORDER_MARKS[mark]] if mark in BYTE_ORDER_MARKS else ENCODINGS:
        try:
            with path.open(encoding=encoding, newline="") as file:
                separator = max(SEPARATORS, key=_read_header(file).count)
                file.seek(0)
                found = islice(csv.reader(file, delimiter=separator), None if rows is None else rows + 1)
                return [[cell.strip() for cell in line] for line in found]
        except UnicodeError:
            continue
        except csv.Error as error:
            raise ValueError(f"the table must be CSV, got {path}: {error}; mend it") from None
    raise ValueError(f"the table must be text in UTF-8, UTF-16 or latin-1, got {path}; save it as UTF-8")


def _read_header(file: TextIO) -> str:
    """The first line, however lines end."""
    return "".join(takewhile(lambda letter: letter not in "\r\n", iter(lambda: file.read(1), "")))


def pick_columns(table: pd.DataFrame, wanted: Mapping[str, Sequence[str]], place: Path) -> pd.DataFrame:
    """The columns of a table under other names, empty where an optional one is not there.

    wanted: new name -> the names that tables have for it, in any case; an empty one among them: the column may be missing.

    Raises:
        ValueError: columns that must be there are not.
    """
    known = {squeeze(name): name for name in reversed(table.columns)}
    found = {new: next((known[squeeze(name)] for name in names if squeeze(name) in known), None) for new, names in wanted.items()}
    missing = list(dict.fromkeys(wanted[new][0] for new, name in found.items() if name is None and "" not in wanted[new]))
    if missing:
        raise ValueError(
            f"{place.name} must have the columns {', '.join(missing)}, got {', '.join(table.columns)}; check the file {place}"
        )
    return pd.DataFrame({new: table[name] if name else "" for new, name in found.items()}, index=table.index)


def attach_rows(films: Sequence[PurePosixPath], rows: pd.DataFrame, table: str, **same: str) -> pd.DataFrame:
    """Join the rows of a table with the films that are there: what a reader returns, a row per film.

    A row of no film, a film of no row, rows of one film that contradict each other and rows with a problem of their own are
    listed in `attrs["left_out"]`, and a note counts each of these reasons. Several rows of one film (one per box or finding)
    become one: their findings and boxes add up.

    rows: columns `film` (path below the root, name, or name without ending; in any case), `problem` and `detail` (empty, or why
    the film is not taken), and those of READ_COLUMNS that the table tells; boxes and box_findings are lists there.
    table: the file's name, for messages. same: see `make_table`.

    Raises:
        ValueError: no film is left.
    """
    find = _index_films(films)
    left: list[dict[str, str]] = []
    by_film: dict[PurePosixPath, list[Row]] = defaultdict(list)
    for row in rows.to_dict("records"):
        found = find(row["film"])
        if len(found) == 1:
            by_film[found[0]].append({str(key): value for key, value in row.items()})
        elif row["problem"]:
            left.append(name_left_out(row["film"], row["problem"], row["detail"]))
        elif found:
            detail = f"{table} names {row['film']}, which may be {' or '.join(str(path) for path in found[:3])}"
            left.append(name_left_out(row["film"], NO_FILM[1], detail))
        else:
            left.append(name_left_out(row["film"], NO_FILM[0], f"{table} names {row['film']!r}, which is not there"))
    kept, told = [], []
    stray = {"problem": "film without a row", "detail": f"{table} has no row of this film"}
    for path in films:
        joined = _join_rows(by_film[path]) if path in by_film else stray
        if joined["problem"]:
            left.append(name_left_out(str(path), joined["problem"], joined["detail"]))
        else:
            kept.append(path)
            told.append(joined)
    if not kept:
        raise ValueError(
            f"a source must give films, got none from {len(films)} films and {len(rows)} rows of {table}: "
            f"{'; '.join(count_left_out(left))}; correct the names, or what the source leaves out"
        )
    result = make_table(kept, told, **same)
    result.attrs["left_out"] = left
    result.attrs["notes"] = count_left_out(left)
    return result


def count_left_out(left: Sequence[Mapping[str, str]]) -> list[str]:
    """A sentence per reason: how many, and the first three names."""
    names: dict[str, list[str]] = defaultdict(list)
    for row in left:
        names[row["problem"]].append(row["path"] or "(no name)")
    return [f"{problem}: {len(paths)}, such as {', '.join(paths[:3])}" for problem, paths in names.items()]


def count_odd(values: pd.Series, read: pd.Series, what: str) -> list[str]:
    """A note if words of a column could not be read: how many, and the first three."""
    odd = values[(values.map(squeeze) != "") & (read == "")]
    some = ", ".join(repr(word) for word in odd.drop_duplicates().head(3))
    return [f"{what} that says nothing usable, read as no information: {len(odd)}, such as {some}"] if len(odd) else []


def _index_films(films: Sequence[PurePosixPath]) -> Callable[[str], list[PurePosixPath]]:
    """A function from a name in a table to the films that it may mean."""
    by_name: dict[str, list[PurePosixPath]] = defaultdict(list)
    for film in films:
        by_name[_fold(film.name)].append(film)
        by_name[_fold(film.stem)].append(film)

    def find(name: str) -> list[PurePosixPath]:
        wanted = PurePosixPath(_fold(name.replace("\\", "/")).removeprefix("./"))
        if not wanted.name:
            return []
        whole = wanted.suffix in SUFFIXES
        near = []
        for film in by_name.get(wanted.name, []):
            key = PurePosixPath(_fold(str(film)))
            key = key if whole else key.with_suffix("")
            if key == wanted:
                return [film]
            shorter = min(len(key.parts), len(wanted.parts))
            if key.parts[-shorter:] == wanted.parts[-shorter:]:
                near.append(film)
        return near

    return find


def _fold(name: str) -> str:
    """A name for comparison: in any case, and whether letters and their accents are one character or two (as on a Mac)."""
    return unicodedata.normalize("NFC", name).casefold()


def _join_rows(rows: Sequence[Row]) -> Row:
    """One mapping of manifest columns from the rows of one film, with `problem` and `detail`."""
    joined: Row = dict.fromkeys(rows[0], "")
    for row in rows:
        if row["problem"]:
            return row
    for name in set(joined) - {*JOINED, "film"}:
        told = list(dict.fromkeys(row[name] for row in rows if row[name]))
        if len(told) > 1:
            detail = f"{len(rows)} rows of this film say {name} {' and '.join(map(repr, told))}"
            return {"problem": "rows that contradict", "detail": detail}
        joined[name] = told[0] if told else ""
    boxes = [box for row in rows for box in row.get("boxes") or []]
    findings = [finding for row in rows for finding in row.get("box_findings") or []]
    joined["finding"] = join_findings(part for row in rows for part in row.get("finding", "").split(JOINT))
    joined["boxes"], joined["box_findings"] = write_boxes(boxes, findings)
    return joined
