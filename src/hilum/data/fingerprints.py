"""Hashes of the files below a folder, by their content alone; a file that has not changed is read once."""

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from hilum.data.readers.system_files import list_files
from hilum.results import file_sha256

FRESH = 2_000_000_000  # nanoseconds: a file written so recently may change again without a new time stamp


def hash_files(root: Path, memory: Path, on_file: Callable[[int, int], None]) -> dict[str, str]:
    """SHA-256 of every file of `list_files` below a folder, by its path.

    memory: folder of earlier hashes; a file of the same path, size, time and inode is not read again. It can be deleted at any
    time. on_file: called with (files read, files to read); not at all where nothing must be read.
    """
    remembered = memory / f"{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:32]}.json"
    known, begun = _recall(remembered), time.time_ns()
    files = {path: _state(root / path) for path in list_files(root)}
    names = {path: hashlib.sha256(path.encode(errors="surrogateescape")).hexdigest() for path in files}  # it may name a patient
    hashes = {path: known[names[path]][-1] for path, state in files.items() if known.get(names[path], [])[:-1] == state}
    unread = [path for path in files if path not in hashes]
    for done, path in enumerate(unread, 1):
        hashes[path] = file_sha256(root / path)
        on_file(done, len(unread))
    lasting = {names[path]: [*state, hashes[path]] for path, state in files.items() if state[1] < begun - FRESH}
    if lasting != known:
        _keep(remembered, lasting)
    return {path: hashes[path] for path in files}


def fingerprint(hashes: Mapping[str, str]) -> str:
    """Hash over path and content of every file: the same for the same files at any place and time."""
    lines = [f"{sha} {path}" for path, sha in sorted(hashes.items())]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def _state(file: Path) -> list[int]:
    stat = file.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ino]


def _recall(file: Path) -> dict[str, list]:
    """Name of a file, hashed -> size, time, inode, SHA-256; empty where the memory is damaged."""
    with suppress(OSError, ValueError):
        known = json.loads(file.read_text())
        if isinstance(known, dict) and all(isinstance(entry, list) and len(entry) == 4 for entry in known.values()):
            return known
    return {}


def _keep(file: Path, known: Mapping[str, list]) -> None:
    """Replace the memory atomically: two checks at once may both write it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(f".{uuid.uuid4().hex}")
    try:
        partial.write_text(json.dumps(known))
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
