"""One row per film that readers answered blind, with its truth and a model's prediction where they are known."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from hilum.data.readers.table_files import read_table
from hilum.reading.store import Readings, blind_records
from hilum.results import read_cells

NAMES = ("path", "file", "film", "image", "image_id")  # columns by which a table may name a film, the first that is there
LABELS = ("label", "finding", "class", "diagnosis")
PATIENTS = ("patient_id", "patient")
TRUTH, MODEL, PATIENT, NAME = "truth", "model", "patient", "film"  # columns; a reader's code is a column of its own
CONFIDENCE = "confidence of "  # and a reader's code


@dataclass(frozen=True)
class AnsweredFilms:
    """table: index SHA-256; columns NAME, PATIENT, TRUTH, MODEL (empty where unknown), and per reader the class and the
    confidence (empty without an answer). readers: their codes. notes: sentences on what is missing."""

    table: pd.DataFrame
    readers: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def known(self) -> pd.DataFrame:
        """The films whose truth is known."""
        return self.table[self.table[TRUTH] != ""]


def gather_answers(readings: Readings, truth: Path | None = None, predictions: Path | None = None) -> AnsweredFilms:
    """The final blind answers of all readers.

    truth: a table with a film's SHA-256 (`sha256`) or name, its class and, if known, its patient, such as
    data/prepared/manifest.csv. predictions: a table of `hilum predict`, or any with names and a column `predicted`.

    Raises:
        ValueError: no blind answer, or a table without the columns that are needed.
    """
    records = [record for record in blind_records(readings) if record.answer and not record.second_thought]
    if not records:
        raise ValueError("blind answers must be there to be measured, got none; read films on the page of blinded reading first")
    readers = tuple(sorted({record.reader for record in records}))
    rows: dict[str, dict[str, str]] = {}
    for record in records:
        row = rows.setdefault(record.film.sha256, {NAME: record.film.name, PATIENT: "", TRUTH: "", MODEL: ""})
        row |= {record.reader: record.answer.label, f"{CONFIDENCE}{record.reader}": str(record.answer.confidence)}  # type: ignore[union-attr]
    table = pd.DataFrame.from_dict(rows, orient="index").fillna("")
    notes: list[str] = []
    aliases: dict[str, str] = {}
    if truth is not None:
        aliases = _add_truth(table, truth, notes)
    if predictions is not None:
        _add_predictions(table, predictions, aliases, notes)
    return AnsweredFilms(table, readers, tuple(notes))


def _add_truth(table: pd.DataFrame, file: Path, notes: list[str]) -> dict[str, str]:
    """Fill truth and patient, in place; returns image_id -> SHA-256 where the file has both."""
    cells = read_cells(read_table(file))
    label, patient = _column(cells, LABELS, file), next((name for name in PATIENTS if name in cells), "")
    rows = _rows_of(table, cells, file)
    for sha256, row in rows.items():
        table.loc[sha256, TRUTH] = cells.loc[row, label]
        table.loc[sha256, PATIENT] = (patient and cells.loc[row, patient]) or sha256
    if not patient:
        notes.append(f"{file.name} names no patients, so each film counts as a separate patient")
    if unknown := len(table) - len(rows):
        notes.append(f"answered films without a truth in {file.name}: {unknown} of {len(table)}")
    if not {"image_id", "sha256"} <= set(cells.columns):
        return {}
    return dict(zip(cells["image_id"].astype(str), cells["sha256"].astype(str), strict=True))


def _add_predictions(table: pd.DataFrame, file: Path, aliases: Mapping[str, str], notes: list[str]) -> None:
    cells = read_cells(read_table(file))
    predicted = _column(cells, ("predicted",), file)
    if "image_id" in cells and aliases and "sha256" not in cells:
        cells["sha256"] = [aliases.get(name, "") for name in cells["image_id"]]
    for sha256, row in _rows_of(table, cells, file).items():
        table.loc[sha256, MODEL] = cells.loc[row, predicted]
    if unknown := int((table[MODEL] == "").sum()):
        notes.append(f"answered films without a prediction in {file.name}: {unknown} of {len(table)}")


def _rows_of(table: pd.DataFrame, cells: pd.DataFrame, file: Path) -> dict[str, Any]:
    """SHA-256 -> line of `cells`: by hash where the file has hashes, else by name below the folder, or name alone."""
    if "sha256" in cells:
        known = {str(sha256): line for line, sha256 in cells["sha256"].items() if sha256}
        return {str(sha256): known[sha256] for sha256 in table.index if sha256 in known}
    name = _column(cells, NAMES, file)
    whole: dict[str, list[Any]] = {}
    short: dict[str, list[Any]] = {}
    for line, cell in cells[name].items():
        whole.setdefault(cell.replace("\\", "/"), []).append(line)
        short.setdefault(PurePosixPath(cell.replace("\\", "/")).stem, []).append(line)
    found = {}
    for sha256, film in table[NAME].items():
        lines = whole.get(film) or short.get(PurePosixPath(film).stem, [])
        if film and len(lines) == 1:
            found[str(sha256)] = lines[0]
    return found


def _column(cells: pd.DataFrame, names: tuple[str, ...], file: Path) -> str:
    found = next((name for name in names if name in cells), None)
    if found is None:
        raise ValueError(f"{file} must have a column named {' or '.join(names)}, got {', '.join(cells.columns)}")
    return found
