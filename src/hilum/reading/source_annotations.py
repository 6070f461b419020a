"""Blind marks as annotations of a source: a table and masks below its root, in the form that `folder`, `csv` and `dicom` read."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.data.prepared.whole_masks import encode_mask
from hilum.data.readers.dicom_marks import COLUMNS as DICOM_COLUMNS
from hilum.data.readers.found_files import find_files
from hilum.data.readers.table_files import read_table
from hilum.reading.records import Record
from hilum.reading.shapes import mask_shapes
from hilum.results import file_sha256

MASKS = PurePosixPath("lesion_masks/readers")  # below the root, where no reader of films takes a picture for a film
DICOM_MASKS = MASKS / "dicom"
DICOM_MASK = re.compile(r"[0-9a-f]{64}\.png")  # a picture's mask has the ending of its film too, also that of a film in `dicom`
TABLE = "reader_marks.csv"  # of a source of the reader `folder`
DICOM_TABLE = "reader_marks_dicom.csv"  # of a source of the reader `dicom`; no path, which may hold a name, is in it
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


def write_annotations(records: Sequence[Record], root: Path, table: str = "", column: str = "path") -> list[Written]:
    """Write the marks of blind records below the root of a source.

    One table for pictures and one for films of DICOM, whichever were marked: it replaces earlier tables and masks of this kind.
    table: the source's own CSV file below the root, of which a copy with two more columns is written; empty for a source of the
    reader `folder`, which gets a side-car table, and for DICOM. column: of the table, with the film.

    Raises:
        ValueError: no record, no film of the records below the root, or no such table or column.
    """
    if not records:
        raise ValueError("blind marks must be there to be written, got none; a mark counts if nothing was seen before it")
    found = _find_films(records, root)
    hashes = {record.film.sha256 for record in records}
    if not found.pictures and not found.dicoms:
        raise ValueError(f"marked films must lie below {root}, got none of {len(hashes)} there; {found.told[0]}")
    if table and not found.pictures:
        raise ValueError(
            f"--table must be of a source of pictures, got {table} for films of DICOM, whose marks name hashes; leave it out"
        )
    if table:
        _read_cells(root / table, column)  # refused before anything is deleted
    joined = {sha256: join_marks([one for one in records if one.film.sha256 == sha256]) for sha256 in sorted(hashes)}
    marked = {sha256: marks for sha256, marks in joined.items() if marks.boxes or marks.mask is not None}
    left = [*found.told]
    if empty := len((found.pictures.keys() | found.dicoms.keys()) - marked.keys()):
        left.append(f"films without a mark that counts: {empty}; readers marked nothing there, or not the same place")
    written = []
    if found.pictures:
        _drop_masks(root, dicom=False)
        _drop_tables(root, table)
        films = {path: marked[sha256] for sha256, path in found.pictures.items() if sha256 in marked}
        written.append(_write_pictures(dict(sorted(films.items())), root, table, column, left))
    if found.dicoms:
        _drop_masks(root, dicom=True)
        films_of = {sha256: marks for sha256, marks in marked.items() if sha256 in found.dicoms}
        written.append(_write_dicoms(films_of, root, [] if found.pictures else left))
    return written


def _drop_masks(root: Path, dicom: bool) -> None:
    """Delete the masks of an earlier call: those of DICOM, or those of pictures."""
    for file in [path for path in (root / MASKS).rglob("*") if path.is_file()]:
        if (file.parent == root / DICOM_MASKS and DICOM_MASK.fullmatch(file.name) is not None) == dicom:
            file.unlink()


def _drop_tables(root: Path, given: str) -> None:
    """Delete the tables of an earlier call for pictures, whose masks are gone, but not the one given."""
    ours = ",".join(COLUMNS).encode()
    found = [file for file in root.glob("*_marked.csv") if file.is_file()]
    copies = [file for file in found if file.read_bytes().partition(b"\n")[0].endswith(ours)]
    for file in {root / TABLE, *copies} - {root / given}:
        file.unlink(missing_ok=True)


def _write_pictures(
    films: Mapping[PurePosixPath, FilmMarks], root: Path, table: str, column: str, left: Sequence[str]
) -> Written:
    rows = {film: _write_film(MASKS / f"{film}.png", marks, root) for film, marks in films.items()}
    if not table:
        _write_table(root / TABLE, ("path", "boxes", "lesion_mask"), rows)
        return Written(root / TABLE, len(rows), (f"table: {TABLE}",), tuple(left))
    target = root / f"{PurePosixPath(table).stem}_marked.csv"
    absent = _add_columns(root / table, column, rows, root, target)
    settings = (f"table: {target.name}", f"boxes: {COLUMNS[0]}", f"lesion_mask: {COLUMNS[1]}")
    return Written(target, len(rows), settings, (*left, *absent))


def _write_dicoms(films: Mapping[str, FilmMarks], root: Path, left: Sequence[str]) -> Written:
    rows = {sha256: _write_film(DICOM_MASKS / f"{sha256}.png", marks, root) for sha256, marks in films.items()}
    _write_table(root / DICOM_TABLE, DICOM_COLUMNS, rows)
    return Written(root / DICOM_TABLE, len(rows), (f"marks: {DICOM_TABLE}",), tuple(left))


def _write_table(file: Path, columns: Sequence[str], rows: Mapping[Any, tuple[str, str]]) -> None:
    cells = [(str(film), boxes, mask) for film, (boxes, mask) in rows.items()]
    pd.DataFrame(cells, columns=list(columns)).to_csv(file, index=False, lineterminator="\n")


def _write_film(place: PurePosixPath, marks: FilmMarks, root: Path) -> tuple[str, str]:
    """The cells boxes and lesion_mask of one film. place: of its mask, if it has one."""
    if marks.mask is not None:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(encode_mask(marks.mask))
    boxes = json.dumps([list(box) for box in marks.boxes]) if marks.boxes else ""
    return boxes, str(place) if marks.mask is not None else ""


@dataclass(frozen=True)
class _Found:
    """The films of records below a root, by SHA-256. told: a sentence if some are not there."""

    pictures: Mapping[str, PurePosixPath]
    dicoms: Mapping[str, PurePosixPath]
    told: tuple[str, ...]


def _find_films(records: Sequence[Record], root: Path) -> _Found:
    """Each under its recorded name if the bytes are the same, else wherever these bytes lie; DICOM has no recorded name."""
    pictures: dict[str, PurePosixPath] = {}
    for film in {record.film.sha256: record.film for record in records}.values():
        path = root / film.name
        if film.name and path.is_file() and file_sha256(path) == film.sha256:
            pictures[film.sha256] = PurePosixPath(film.name)
    missing = {record.film.sha256: record.film.name for record in records if record.film.sha256 not in pictures}
    dicoms: dict[str, PurePosixPath] = {}
    if missing:
        files = find_files(root)
        for places, found in ((files.pictures, pictures), (files.dicoms, dicoms)):
            for place in places:
                if (sha256 := file_sha256(root / place)) in missing:
                    found.setdefault(sha256, place)
    absent = [name or sha256[:12] for sha256, name in missing.items() if sha256 not in pictures and sha256 not in dicoms]
    told = f"{len(absent)} marked films are not below {root} with the same bytes, such as {absent[0]}" if absent else ""
    return _Found(pictures, dicoms, (told,) if told else ())


def _add_columns(table: Path, column: str, rows: Mapping[PurePosixPath, tuple[str, str]], root: Path, target: Path) -> list[str]:
    """Write the table with the two columns of COLUMNS; returns a sentence if films have no row in it."""
    cells = _read_cells(table, column)
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


def _read_cells(table: Path, column: str) -> pd.DataFrame:
    cells = read_table(table)
    if column not in cells.columns:
        raise ValueError(f"--column must be one of {', '.join(cells.columns)} of {table.name}, got {column!r}")
    return cells


def _names(path: PurePosixPath) -> list[str]:
    """What a table may call a film: its path or name, with or without ending."""
    return list(dict.fromkeys(_fold(str(name)) for name in (path, path.with_suffix(""), path.name, path.stem)))


def _fold(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./").casefold()
