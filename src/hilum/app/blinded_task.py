"""One reader's blinded reading of one folder, as this browser's session keeps it."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

from hilum.app.film import OpenFilm, open_film
from hilum.reading.queue import make_queue, name_film
from hilum.reading.records import Record

TASK, FILM = "hilum_blinded_task", "hilum_blinded_film"  # keys of st.session_state
SEED = 2026  # of the order
CONFIDENCE_KEYS = {1: "A", 2: "S", 3: "D", 4: "F", 5: "G"}  # the home row from the left; Streamlit keeps C and R


@dataclass
class Task:
    """films: SHA-256 -> file, in the reader's order. revealed: SHA-256 of the film whose answer was just given, or empty.
    shown: SHA-256 of the last film that was to be answered. answers: what was answered in this session. unread: films that
    cannot be read."""

    reader: str
    folder: Path
    classes: Sequence[str]
    films: Mapping[str, Path]
    revealed: str = ""
    shown: str = ""
    answers: dict[str, Record] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)

    def left(self, answered: Collection[str]) -> list[str]:
        """The films that are still to be answered, in order."""
        return [sha256 for sha256 in self.films if sha256 not in answered and sha256 not in self.unread]

    def key(self, sha256: str) -> str:
        """What stands for a film in the page's source; no film can be found by it."""
        return hashlib.sha256(f"{self.reader} {self.folder} {sha256}".encode()).hexdigest()[:16]

    def name(self, sha256: str) -> str:
        """The name of a film in records."""
        return name_film(self.films[sha256], self.folder)


def current() -> Task | None:
    """The reading that was begun in this session."""
    found: Task | None = st.session_state.get(TASK)
    return found


def begin(reader: str, folder: Path, classes: Sequence[str]) -> None:
    """Begin to read a folder, or go on.

    Raises:
        ValueError: fewer than two classes, a missing folder, or one without films.
    """
    if len(set(classes)) < 2:
        raise ValueError(f"a reading must offer two different classes or more, got {', '.join(classes) or 'none'}; write them")
    st.session_state[TASK] = Task(reader, folder, tuple(dict.fromkeys(classes)), make_queue(folder, reader, SEED, ()).films)


def keep(task: Task, record: Record) -> None:
    """Note a final answer, so that its film is revealed."""
    task.answers[record.film.sha256] = record
    task.revealed = record.film.sha256


def kept_film(task: Task, sha256: str) -> OpenFilm:
    """A film of the reading, decoded once.

    Raises:
        ValueError: it cannot be read, or its file was changed since the reading began.
    """
    found = st.session_state.get(FILM)
    if found is None or found.sha256 != sha256:
        found = open_film(task.films[sha256].read_bytes(), "film")
        if found.sha256 != sha256:
            raise ValueError("a film must stay as it was when the reading began, got other bytes; begin again")
        st.session_state[FILM] = found
    opened: OpenFilm = found
    return opened


def leave_out(task: Task, sha256: str) -> None:
    """Take a film that cannot be read out of the order."""
    task.unread.add(sha256)


def leave() -> None:
    """End the reading in this session; what was answered is kept."""
    for key in (TASK, FILM):
        st.session_state.pop(key, None)
