"""Blind marks as annotations of a source: a table and masks below its root, in the form that `folder` and `csv` read."""

import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.data.prepared.whole_masks import encode_mask
from hilum.data.readers.found_files import find_files
from hilum.data.readers.table_files import read_table
from hilum.reading.records import Record
from hilum.reading.shapes import mask_shapes
from hilum.results import file_sha256

MASKS = PurePosixPath("lesion_masks/readers")  # below the root, where no reader of films takes a picture for a film
TABLE = "reader_marks.csv"  # of a source of the reader `folder`
COLUMNS = ("reader_boxes", "reader_mask")  # added to the table of a source of the reader `csv`


@dataclass(frozen=True)
class FilmMarks:
    """What readers marked on one film. boxes: x, y, width, height in pixels of the film's own size. mask: (H, W) or None."""

    boxes: tuple[tuple[float, float, float, float], ...]
    mask: NDArray[np.bool_] | None


@dataclass(frozen=True)
class Written:
    """What was written. films: with a mark. settings: lines for the source in params.yaml. left_out: sentences."""

    table: Path
    films: int
    settings: tuple[str, ...]
    left_out: tuple[str, ...]


def join_marks(records: Sequence[Record]) -> FilmMarks:
    """The marks of one film from blind records of it.

    One reader: boxes stay boxes and polygons become a mask. Several readers: a mask of the pixels that at least half of them
    marked, in a shape of either kind; a reader who marked nothing counts.
    """
    by_reader: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_reader[record.reader].append(record)
    film = records[0].film
    shapes = {reader: [shape for record in own for shape in record.shapes] for reader, own in by_reader.items()}
    if len(shapes) > 1:
        votes = sum(mask_shapes(own, film.width, film.height).astype(np.int64) for own in shapes.values())
        agreed = np.asarray(2 * votes >= len(shapes))
        return FilmMarks((), agreed if agreed.any() else None)
    own = next(iter(shapes.values()))
    drawn = [shape for shape in own if shape.kind == "polygon"]
    mask = mask_shapes(drawn, film.width, film.height) if drawn else None
    return FilmMarks(tuple(shape.box() for shape in own if shape.kind == "box"), mask)


def write_annotations(records: Sequence[Record], root: Path, table: str = "", column: str = "path") -> Written:
    """Write the marks of blind records below the root of a source; an earlier output of this function there is replaced.

    table: the source's own CSV file below the root, of which a copy with two more columns is written; empty for a source of the
    reader `folder`, which gets a side-car table. column: of the table, with the film.

    Raises:
        ValueError: no record, no film of the records below the root, or no such table or column.
    """
    if not records:
        raise ValueError("blind marks must be there to be written, got none; a mark counts if nothing was seen before it")
    places, left = _find_films(records, root)
    by_film: dict[PurePosixPath, list[Record]] = defaultdict(list)
    for record in records:
        if record.film.sha256 in places:
            by_film[places[record.film.sha256]].append(record)
    if not by_film:
        raise ValueError(
            f"marked films must lie below {root}, got none of {len({r.film.sha256 for r in records})} there; {left[0]}"
        )
    joined = {film: join_marks(own) for film, own in sorted(by_film.items())}
    marked = {film: marks for film, marks in joined.items() if marks.boxes or marks.mask is not None}
    if empty := len(joined) - len(marked):
        left.append(f"films without a mark that counts: {empty}; readers marked nothing there, or not the same place")
    shutil.rmtree(root / MASKS, ignore_errors=True)
    rows = {film: _write_film(film, marks, root) for film, marks in marked.items()}
    if not table:
        cells = [(str(film), boxes, mask) for film, (boxes, mask) in rows.items()]
        pd.DataFrame(cells, columns=["path", "boxes", "lesion_mask"]).to_csv(root / TABLE, index=False, lineterminator="\n")
        return Written(root / TABLE, len(rows), (f"table: {TABLE}",), tuple(left))
    target = root / f"{PurePosixPath(table).stem}_marked.csv"
    left += _add_columns(root / table, column, rows, root, target)
    settings = (f"table: {target.name}", f"boxes: {COLUMNS[0]}", f"lesion_mask: {COLUMNS[1]}")
    return Written(target, len(rows), settings, tuple(left))


def _write_film(film: PurePosixPath, marks: FilmMarks, root: Path) -> tuple[str, str]:
    """The cells boxes and lesion_mask of one film."""
    mask = ""
    if marks.mask is not None:
        place = MASKS / f"{film}.png"
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(encode_mask(marks.mask))
        mask = str(place)
    return json.dumps([list(box) for box in marks.boxes]) if marks.boxes else "", mask


def _find_films(records: Sequence[Record], root: Path) -> tuple[dict[str, PurePosixPath], list[str]]:
    """SHA-256 -> film below the root: under its recorded name if the bytes are the same, else wherever these bytes lie."""
    found: dict[str, PurePosixPath] = {}
    for film in {record.film.sha256: record.film for record in records}.values():
        path = root / film.name
        if film.name and path.is_file() and file_sha256(path) == film.sha256:
            found[film.sha256] = PurePosixPath(film.name)
    missing = {record.film.sha256: record.film.name for record in records if record.film.sha256 not in found}
    if missing:
        files = find_files(root)
        for picture in files.pictures:
            if (sha256 := file_sha256(root / picture)) in missing:
                found.setdefault(sha256, picture)
    absent = [name or sha256[:12] for sha256, name in missing.items() if sha256 not in found]
    told = (
        f"{len(absent)} marked films are not below {root} with the same bytes as pictures, such as {absent[0]}" if absent else ""
    )
    return found, [told] if told else []


def _add_columns(table: Path, column: str, rows: Mapping[PurePosixPath, tuple[str, str]], root: Path, target: Path) -> list[str]:
    """Write the table with the two columns of COLUMNS; returns a sentence if films have no row in it."""
    cells = read_table(table)
    if column not in cells.columns:
        raise ValueError(f"--column must be one of {', '.join(cells.columns)} of {table.name}, got {column!r}")
    names = Counter(name for path in find_files(root).pictures for name in _names(path))
    place = {_fold(cell): line for line, cell in reversed(list(cells[column].items()))}
    absent = []
    for name in COLUMNS:
        cells[name] = ""
    for film, added in rows.items():
        line = next((place[name] for name in _names(film) if names[name] == 1 and name in place), None)
        if line is None:
            absent.append(str(film))
        else:
            cells.loc[line, list(COLUMNS)] = list(added)
    cells.to_csv(target, index=False, lineterminator="\n")
    return [f"{len(absent)} marked films have no row in {table.name}, such as {absent[0]}"] if absent else []


def _names(path: PurePosixPath) -> list[str]:
    """What a table may call a film: its path or name, with or without ending."""
    return list(dict.fromkeys(_fold(str(name)) for name in (path, path.with_suffix(""), path.name, path.stem)))


def _fold(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./").casefold()
