"""The order in which a reader sees the films of a folder blind: random, the same at every start, and another for each reader."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from hilum.data.decoding.kinds import DICOM, find_kind
from hilum.data.readers.found_files import find_files
from hilum.results import file_sha256


@dataclass(frozen=True)
class Queue:
    """films: SHA-256 -> file, in the order of one reader; copies of a film are shown once. answered: those that are done."""

    films: Mapping[str, Path]
    answered: Collection[str]

    @property
    def left(self) -> list[str]:
        """The films that are still to be answered, in order."""
        return [sha256 for sha256 in self.films if sha256 not in self.answered]


def make_queue(folder: Path, reader: str, seed: int, answered: Collection[str]) -> Queue:
    """The queue of one reader over the films below a folder.

    The order depends on the films' bytes, the reader's code and the seed, never on names, so that it stays when a file is renamed
    and films that are added later fall in anywhere. answered: SHA-256 of films with a final answer by this reader.

    Raises:
        ValueError: the folder is missing or holds no film.
    """
    found = find_files(folder)
    files = [folder / path for path in (*found.pictures, *found.dicoms)]
    if not files:
        raise ValueError(f"a folder to read must hold films, got none below {folder}; name another")
    hashes: dict[str, Path] = {}
    for file in files:
        hashes.setdefault(_hash(file), file)
    order = sorted(hashes, key=lambda sha256: hashlib.sha256(f"{seed} {reader} {sha256}".encode()).hexdigest())
    return Queue({sha256: hashes[sha256] for sha256 in order}, set(answered) & set(order))


def name_film(file: Path, folder: Path) -> str:
    """The name of a film in records: its path below the folder, or nothing for DICOM, whose names are often those of patients."""
    with file.open("rb") as stream:
        return "" if find_kind(stream) == DICOM else file.relative_to(folder).as_posix()


def _hash(file: Path) -> str:
    status = file.stat()
    return _hash_once(file, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=2**16)
def _hash_once(file: Path, size: int, changed: int) -> str:
    return file_sha256(file)
