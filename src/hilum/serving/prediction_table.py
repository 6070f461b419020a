"""The CSV of `predict`: a row per film, written as films are predicted, by one process at a time, valid when interrupted."""

import csv
import fcntl
import io
import math
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from hilum.cells import guard_cell, read_cell

Cells = list[str]  # of one row: file, predicted, p_<class> for each class, error, model_sha256


class PredictionTable:
    """A CSV that no other process writes while it is open. rows: film -> cells, as in the file."""

    def __init__(self, path: Path, classes: Sequence[str]) -> None:
        self.path, self.classes = path, classes
        self.header = ["file", "predicted", *(f"p_{name}" for name in classes), "error", "model_sha256"]
        self.rows: dict[str, Cells] = {}
        self._file = open_locked(path)

    def predicted(self, film: str) -> bool:
        """Whether the film has a prediction; one with an error has none and is retried."""
        return film in self.rows and self.is_prediction(self.rows[film])

    def is_prediction(self, cells: Cells) -> bool:
        _, predicted, *probabilities, error, _ = cells
        with suppress(ValueError):  # a cell that is not a number
            return predicted in self.classes and not error and all(math.isfinite(float(cell)) for cell in probabilities)
        return False

    def read(self, films: Collection[str], model_sha256: str) -> None:
        """Read what an earlier call left, without a truncated row and the rows of `films` that hold no prediction."""
        self._file.seek(0)
        content = self._file.read()
        for cells in self._parse(content, model_sha256):
            if not self.predicted(cells[0]):
                self.rows[cells[0]] = cells
        self.rows = {film: cells for film, cells in self.rows.items() if film not in films or self.is_prediction(cells)}
        self._write_anew(unless=content)

    def _parse(self, content: bytes, model_sha256: str) -> list[Cells]:
        whole = whole_rows(content)
        if not whole and write_row(self.header).startswith(content):  # empty, or a truncated header
            return []
        try:
            read = csv.reader(io.StringIO((whole or content).decode(), newline=""))
            rows = [[read_cell(cell) for cell in cells] for cells in read if cells]
        except (UnicodeDecodeError, csv.Error) as fault:
            raise ValueError(f"{self.path} must be a CSV in UTF-8, got {fault}; name another file") from None
        if rows[0] != self.header:
            got = ", ".join(rows[0])
            raise ValueError(f"{self.path} must have the columns {', '.join(self.header)}, got {got}; name another file")
        if uneven := [k for k, cells in enumerate(rows, 1) if len(cells) != len(self.header)]:
            raise ValueError(
                f"every row of {self.path} must have {len(self.header)} cells, got {len(rows[uneven[0] - 1])} in row {uneven[0]};"
                " correct it or name another file"
            )
        if strange := {cells[-1] for cells in rows[1:]} - {model_sha256}:
            raise ValueError(f"{self.path} holds predictions of another model ({min(strange)[:12]}); name another file")
        return rows[1:]

    def add(self, rows: Mapping[str, Cells]) -> None:
        """Append rows and flush them."""
        self._file.write(b"".join(map(write_row, rows.values())))
        self._file.flush()
        self.rows |= rows

    def put_in_order(self, films: Sequence[str]) -> None:
        """Sort the rows: these films first, in this order; then all others."""
        before = self._content()
        self.rows = {film: self.rows[film] for film in (*films, *self.rows) if film in self.rows}
        self._write_anew(unless=before)

    def close(self) -> None:
        self._file.close()

    def _content(self) -> bytes:
        return b"".join(map(write_row, (self.header, *self.rows.values())))

    def _write_anew(self, unless: bytes) -> None:
        """Replace the file atomically by one that holds the rows; not if it holds these bytes already."""
        if (content := self._content()) == unless:
            return
        partial = self.path.with_name(f".{self.path.name}.partial")
        file = partial.open("w+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX)  # before other processes can see it under its name
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            shutil.copymode(self.path, partial)
            partial.replace(self.path)
        except BaseException:
            file.close()
            partial.unlink(missing_ok=True)
            raise
        self._file.close()
        self._file = file


@contextmanager
def open_table(out: Path, classes: Sequence[str], model_sha256: str, films: Collection[str]) -> Iterator[PredictionTable]:
    """The CSV with its existing rows; of `films`, only predictions.

    Raises:
        ValueError: another call writes the CSV, it has other columns, comes from another model, or is not a CSV.
    """
    path = out.resolve()  # the target of a link: a renamed file would replace the link itself
    path.parent.mkdir(parents=True, exist_ok=True)
    table = PredictionTable(path, classes)
    try:
        table.read(films, model_sha256)
        yield table
    finally:
        table.close()


def open_locked(path: Path) -> BinaryIO:
    """The file opened for reading and appending, locked until it is closed or the process ends for any reason.

    Raises:
        ValueError: another process has it locked.
    """
    while True:
        file = path.open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise ValueError(
                f"{path} must be written by one call at a time, but another one is writing it; wait until that has ended and run"
                " the same command again, or name another file"
            ) from None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()  # it was replaced by a newer one between opening and locking


def whole_rows(content: bytes) -> bytes:
    """The rows of a CSV up to a truncated one. A line break inside quotes does not end a row."""
    end = start = quotes = 0
    while stop := content.find(b"\n", start) + 1:
        quotes += content.count(b'"', start, stop)
        start = stop
        if quotes % 2 == 0:
            end = stop
    return content[:end]


def write_row(cells: Cells) -> bytes:
    """One row of the CSV in UTF-8; bytes of a file name that are not UTF-8 are escaped, and no cell is a formula (`cells`)."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(map(guard_cell, cells))  # so that cells with either character are quoted
    row = text.getvalue().removesuffix("\r\n") + "\n"
    return row.encode(errors="backslashreplace")
