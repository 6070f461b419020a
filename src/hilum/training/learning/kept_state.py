"""The state of a training in a file, from which a training that was killed continues.

A file holds a line of JSON, the arrays one after another as `.npy`, and the SHA-256 of its name and all before. It is written
beside, flushed to the disk and renamed, so that a killed process or machine leaves the state before or the new one, whole.
"""

import hashlib
import json
import os
import time
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from hilum.progress import say
from hilum.training.learning.state import State

INTERVAL = 5.0  # seconds between two states that are stored, at least
ARRAYS = ("best_weights", "seeds", "weights", "optimizer", "averages")
NUMBERS = tuple(item.name for item in fields(State) if item.name not in ARRAYS)
SEAL = hashlib.sha256().digest_size  # bytes at a file's end
PIECE = 1 << 20  # bytes that are hashed at a time


class KeptState:
    """The state file of one training. decides: part -> digest of what decides the result, stored to name a later difference.

    state: what the file held when this was made; None if there was none or it was damaged. history: its epochs, as in `Fitted`.
    """

    def __init__(self, file: Path, decides: dict[str, str]) -> None:
        self.file, self.decides = file, decides
        self.state = read_state(file)
        self.history = pd.DataFrame(self.state.history if self.state else [])
        self._saved, self._failed = time.monotonic(), False

    @property
    def key(self) -> str:
        """Of all that decides the result of the training."""
        return self.file.stem

    @property
    def is_due(self) -> bool:
        """Whether the state of an epoch that has just ended is to be stored."""
        return time.monotonic() - self._saved >= INTERVAL

    def save(self, state: State) -> None:
        """Store a state in place of the one before. A disk that refuses it is reported once, and training continues."""
        try:
            write_state(self.file, state, self.decides)
        except OSError as error:
            if not self._failed:
                say(
                    f"the state of this training cannot be kept ({error.strerror or error} for {self.file}): it continues, but "
                    f"starts anew if it is interrupted; make room on that disk or make {self.file.parent} writable"
                )
            self._failed = True
        self._saved = time.monotonic()

    def forget(self) -> None:
        """Delete the file once the results of the training are written."""
        for file in (self.file, _beside(self.file)):
            with suppress(OSError):
                file.unlink()


class _Hashed:
    """Writes into a stream and hashes what it writes. As it is no file of Python's own, NumPy writes arrays through it."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self.stream, self.hasher = stream, hashlib.sha256(name.encode())

    def write(self, content: bytes) -> None:
        self.hasher.update(content)
        self.stream.write(content)


def write_state(file: Path, state: State, decides: dict[str, str]) -> None:
    """Raises OSError if the disk is full or the folder cannot be written to; the file is then what it was before."""
    partial = _beside(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    header = {
        "decides": decides,
        "counts": {name: len(getattr(state, name)) for name in ARRAYS},
        "numbers": {name: getattr(state, name) for name in NUMBERS},
    }
    try:
        with partial.open("wb") as stream:
            hashed = _Hashed(stream, file.name)
            hashed.write(json.dumps(header, default=_plain).encode() + b"\n")
            for name in ARRAYS:
                for array in getattr(state, name):
                    np.save(hashed, array, allow_pickle=False)
            stream.write(hashed.hasher.digest())
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(file)
    finally:
        with suppress(OSError):
            partial.unlink()
    _flush_folder(file.parent)


def read_state(file: Path) -> State | None:
    """The state of `write_state`; None if there is none or, with a message, if these are not the bytes that were written."""
    try:
        with file.open("rb") as stream:
            if not _is_whole(stream, file.name):
                say(f"{file} is damaged or foreign: it is not what was written there; the training starts anew")
                return None
            header = _read_header(stream)
            found: dict[str, Any] = dict(header["numbers"])
            found["penalties"] = {int(phase): penalty for phase, penalty in found["penalties"].items()}
            for name in ARRAYS:
                found[name] = [np.load(stream, allow_pickle=False) for _ in range(header["counts"][name])]
            return State(**found)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        say(f"{file} cannot be read ({error.strerror}); the training starts anew")
        return None


def read_decides(file: Path) -> dict[str, str]:
    """What decides the result of a kept training, as it was given to `KeptState`; empty where the file cannot be read."""
    try:
        with file.open("rb") as stream:
            return dict(_read_header(stream)["decides"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _read_header(stream: BinaryIO) -> dict[str, Any]:
    stream.seek(0)
    return dict(json.loads(stream.readline()))


def _is_whole(stream: BinaryIO, name: str) -> bool:
    hasher, rest = hashlib.sha256(name.encode()), os.fstat(stream.fileno()).st_size - SEAL
    while rest > 0 and (content := stream.read(min(PIECE, rest))):
        hasher.update(content)
        rest -= len(content)
    return rest == 0 and stream.read(SEAL + 1) == hasher.digest()


def _beside(file: Path) -> Path:
    return file.with_suffix(".writing")


def _flush_folder(folder: Path) -> None:
    """Flush the new name itself, which a power failure could lose."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _plain(value: Any) -> Any:
    return value.item()  # of NumPy
