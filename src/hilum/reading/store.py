"""Readers' records on disk: a file of JSON lines per reader, which is only appended to, and survives a crash at any byte."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hilum.reading.records import Record, read_record

ENDING, TORN = ".jsonl", ".torn"  # of a reader's file, and of what crashes left of lines


@dataclass(frozen=True)
class Readings:
    """Records of readers, each reader's in the order in which they were made. faults: a sentence for each line that is none."""

    records: tuple[Record, ...]
    faults: tuple[str, ...]

    def current(self) -> list[Record]:
        """The records that no later one replaces."""
        replaced = {record.replaces for record in self.records}
        return [record for record in self.records if record.id not in replaced]


def append_record(folder: Path, record: Record) -> None:
    """Append a record to its reader's file; it is on the disk when this returns. The folder is made if absent.

    A line that a crash left unfinished is moved into a file beside it first.

    Raises:
        ValueError: it replaces a record that is not there or may not change, or answers a film again without being marked as a
            second thought.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / f"{record.reader}{ENDING}") as file:
        _set_torn_line_aside(file, folder / f"{record.reader}{TORN}")
        file.seek(0)
        records, _ = _read_lines(file.read(), record.reader)
        _check_order(record, records)
        file.write(record.line().encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_readings(folder: Path, reader: str = "") -> Readings:
    """All records of a folder, or of one reader's; an absent folder has none.

    What a crash left is reported in `faults` and stays where it is: an unfinished last line, and what was moved beside the file.
    """
    records: list[Record] = []
    faults: list[str] = []
    for path in sorted(folder.glob(f"{reader or '*'}{ENDING}")):
        found, told = _read_lines(path.read_bytes(), path.stem)
        records += found
        faults += told
    for path in sorted(folder.glob(f"{reader or '*'}{TORN}")):
        lines = path.read_bytes().count(b"\n")
        faults.append(f"{path.name} keeps {lines} {'line' if lines == 1 else 'lines'} that a crash left unfinished")
    return Readings(tuple(records), tuple(faults))


def known_code(folder: Path, code: str) -> str:
    """A reader's code as it was first written: one that differs in case alone is of the same reader."""
    known = {path.stem.lower(): path.stem for path in sorted(folder.glob(f"*{ENDING}"))}
    return known.get(code.lower(), code)


def answers_of(records: Sequence[Record], film_sha256: str) -> list[Record]:
    """One reader's records of a film that hold an answer; the first is the final one."""
    return [record for record in records if record.answer and record.film.sha256 == film_sha256]


def blind_records(readings: Readings) -> list[Record]:
    """The current records that count as truth: made before their reader saw a prediction or a map of that film, or its reveal.

    A film is revealed when its answer is final, so that later records of it are not blind.
    """
    spent: set[tuple[str, str]] = set()
    blind: set[str] = set()
    for record in readings.records:
        film = (record.reader, record.film.sha256)
        if record.seen.verdict or record.seen.map or record.second_thought:
            spent.add(film)
        elif film not in spent:
            blind.add(record.id)
        if record.answer:
            spent.add(film)
    return [record for record in readings.current() if record.id in blind]


def _check_order(record: Record, records: Sequence[Record]) -> None:
    final = answers_of(records, record.film.sha256)
    if record.answer and final and not record.second_thought:
        raise ValueError("an answer must stay as it was given, got another one of the same film; give it as a second thought")
    if not record.replaces:
        return
    corrected = next((one for one in records if one.id == record.replaces), None)
    if corrected is None or corrected.film.sha256 != record.film.sha256:
        raise ValueError(f"a correction must refer to an earlier record of the same film, got {record.replaces}, which is none")
    if corrected.answer:
        raise ValueError("an answer must stay as it was given, got a correction of one; give it as a second thought")


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_size == 0:
            _sync_folder(path.parent)
        yield file


def _sync_folder(folder: Path) -> None:
    """Put a new file's name on the disk as well."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _set_torn_line_aside(file: BinaryIO, beside: Path) -> None:
    """Move what follows the last line break into a file beside, unless it is a whole record, which then gets its line break."""
    file.seek(0)
    content = file.read()
    whole = content.rfind(b"\n") + 1
    torn = content[whole:]
    if not torn:
        return
    if _is_record(torn):
        file.write(b"\n")
        return
    with beside.open("ab") as kept:
        kept.write(torn + b"\n")
        kept.flush()
        os.fsync(kept.fileno())
    file.truncate(whole)


def _is_record(line: bytes) -> bool:
    try:
        read_record(line.decode())
    except ValueError:
        return False
    return True


def _read_lines(content: bytes, reader: str) -> tuple[list[Record], list[str]]:
    records, faults = [], []
    for number, line in enumerate(content.splitlines(keepends=True), 1):
        try:
            records.append(read_record(line.decode().rstrip("\n")))
        except ValueError as fault:
            unfinished = not line.endswith(b"\n")
            faults.append(f"{reader}{ENDING}, line {number}: {'unfinished, as a crash leaves it' if unfinished else fault}")
    return records, faults
