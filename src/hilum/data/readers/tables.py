"""Tables beside films: columns selected, rows joined with the films at hand; everything left out is listed."""

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from hilum.data.readers.found_files import SUFFIXES
from hilum.data.readers.listing import list_names, make_table, name_left_out
from hilum.data.readers.values import join_findings, squeeze, write_boxes
from hilum.records import JOINT

NO_FILM = ("row without a film", "name of several films")  # problems of a row that belongs to no film
Row = dict[str, Any]
JOINED = ("finding", "boxes", "box_findings")  # collected from several rows of one film; every other column must agree


def pick_columns(table: pd.DataFrame, wanted: Mapping[str, Sequence[str]], place: Path) -> pd.DataFrame:
    """The columns of a table under other names, empty where an optional one is missing.

    wanted: new name -> the names that tables have for it, in any case; an empty one among them: the column may be missing.

    Raises:
        ValueError: required columns are missing, or two differ in case alone.
    """
    wanted_words = {squeeze(name) for names in wanted.values() for name in names if name}
    for word in wanted_words:
        if len(same := [name for name in table.columns if squeeze(name) == word]) > 1:
            raise ValueError(
                f"every column of {place.name} must have a name of its own in any case, got {' and '.join(same)}; rename one, or "
                "remove it"
            )
    known = {squeeze(name): name for name in reversed(table.columns)}
    found = {new: next((known[squeeze(name)] for name in names if squeeze(name) in known), None) for new, names in wanted.items()}
    missing = list(dict.fromkeys(wanted[new][0] for new, name in found.items() if name is None and "" not in wanted[new]))
    if missing:
        raise ValueError(
            f"{place.name} must have the columns {', '.join(missing)}, got {', '.join(table.columns)}; check the file {place}"
        )
    return pd.DataFrame({new: table[name] if name else "" for new, name in found.items()}, index=table.index)


def attach_rows(films: Sequence[PurePosixPath], rows: pd.DataFrame, table: str, **same: str) -> pd.DataFrame:
    """Join the rows of a table with the films at hand into a reader's table, a row per film.

    A row of no film, a film of no row, rows of one film that contradict each other and rows with a problem of their own are
    listed in `attrs["left_out"]`, and a note counts each of these reasons. Several rows of one film (one per box or finding)
    become one with all their findings and boxes.

    rows: columns `film` (path below the root, name, or name without ending; in any case), `problem` and `detail` (empty, or why
    the film is not taken), and those of READ_COLUMNS in the table; boxes and box_findings are lists.
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
            left.append(name_left_out(row["film"], NO_FILM[0], f"{table} names {row['film']!r}, which is missing"))
    kept, records = [], []
    stray = {"problem": "film without a row", "detail": f"{table} has no row of this film"}
    for path in films:
        joined = _join_rows(by_film[path]) if path in by_film else stray
        if joined["problem"]:
            left.append(name_left_out(str(path), joined["problem"], joined["detail"]))
        else:
            kept.append(path)
            records.append(joined)
    if not kept:
        raise ValueError(
            f"a source must give films, got none from {len(films)} films and {len(rows)} rows of {table}: "
            f"{'; '.join(count_left_out(left))}; correct the names, or what the source leaves out"
        )
    result = make_table(kept, records, **same)
    result.attrs["left_out"], result.attrs["tables"] = left, [table]
    result.attrs["notes"] = count_left_out(left)
    return result


def count_left_out(left: Sequence[Mapping[str, str]]) -> list[str]:
    """A sentence per reason: the number, and the first three names."""
    names: dict[str, list[str]] = defaultdict(list)
    for row in left:
        names[row["problem"]].append(row["path"] or "(no name)")
    return [f"{problem}: {len(paths)}, such as {', '.join(paths[:3])}" for problem, paths in names.items()]


def count_odd(values: pd.Series, read: pd.Series, what: str) -> list[str]:
    """A note if words of a column could not be read: their number, and the first three."""
    odd = values[(values.map(squeeze) != "") & (read == "")]
    some = ", ".join(repr(word) for word in odd.drop_duplicates().head(3))
    return [f"{what} that is not usable, read as no information: {len(odd)}, such as {some}"] if len(odd) else []


def _index_films(films: Sequence[PurePosixPath]) -> Callable[[str], Sequence[PurePosixPath]]:
    """A function from a name in a table to the films that it may mean, in constant time.

    A name and a film's path fit where the shorter of the two is the end of the longer; the same path comes first.
    """

    named = [(film, PurePosixPath(name)) for film in films for name in list_names(film)]

    def add(same: list[PurePosixPath], film: PurePosixPath) -> None:
        if not same or same[-1] is not film:  # two of its names may be equal in comparison
            same.append(film)

    @cache
    def by_end(parts: int, ending: bool) -> Mapping[str, Sequence[PurePosixPath]]:
        """The last n parts of a path, with or without the ending of the name -> films of at least n parts."""
        found: dict[str, list[PurePosixPath]] = defaultdict(list)
        for film, name in named:
            if len(film.parts) >= parts:
                add(found["/".join(_fold(str(name if ending else name.with_suffix(""))).split("/")[-parts:])], film)
        return found

    @cache
    def by_path(ending: bool) -> Mapping[str, Sequence[PurePosixPath]]:
        found: dict[str, list[PurePosixPath]] = defaultdict(list)
        for film, name in named:
            add(found[_fold(str(name if ending else name.with_suffix("")))], film)
        return found

    def find(name: str) -> Sequence[PurePosixPath]:
        if "\\" in name and (same := by_path(True).get(_fold(name))):
            return same  # not a Windows separator
        written = name.replace("\\", "/").removeprefix("./")
        wanted = PurePosixPath(_fold(written))
        if not wanted.name:
            return []
        ending, parts = wanted.suffix in SUFFIXES, [part for part in wanted.parts if part != "/"]
        if same := by_path(True).get("/".join(parts)) or by_path(ending).get("/".join(parts)):
            exact = [film for film in same if str(film) == written] if len(same) > 1 else []
            return exact or same
        longer = by_end(len(parts), True).get("/".join(parts)) or by_end(len(parts), ending).get("/".join(parts), [])
        ends = ("/".join(parts[start:]) for start in range(1, len(parts)))
        return [*longer, *(film for end in ends for film in by_path(ending).get(end, []))] if len(parts) > 1 else longer

    return find


def _fold(name: str) -> str:
    """A name for comparison: in any case, with accents as one character or two (as on a Mac)."""
    return unicodedata.normalize("NFC", name).casefold().strip()  # tables trim their cells


def _join_rows(rows: Sequence[Row]) -> Row:
    """One mapping of manifest columns from the rows of one film, with `problem` and `detail`."""
    joined: Row = dict.fromkeys(rows[0], "")
    for row in rows:
        if row["problem"]:
            return row
    for name in set(joined) - {*JOINED, "film"}:
        values = list(dict.fromkeys(row[name] for row in rows if row[name]))
        if len(values) > 1:
            detail = f"{len(rows)} rows of this film say {name} {' and '.join(map(repr, values))}"
            return {"problem": "rows that contradict", "detail": detail}
        joined[name] = values[0] if values else ""
    boxes = [box for row in rows for box in row.get("boxes") or []]
    findings = [finding for row in rows for finding in row.get("box_findings") or []]
    joined["finding"] = join_findings(part for row in rows for part in row.get("finding", "").split(JOINT))
    joined["boxes"], joined["box_findings"] = write_boxes(boxes, findings)
    return joined
