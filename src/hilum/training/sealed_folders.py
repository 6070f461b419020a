"""Results that outlive an interruption: a folder and, beside it, a seal written last, which holds the folder's digest.

They are stored below `.hilum`, because DVC removes the outputs of a stage before it runs the stage again.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hilum.progress import say
from hilum.results import folder_digest, read_json, write_json
from hilum.training.learning.sealed_arrays import name_file

KEPT = "kept.json"  # ending of a seal, and its key for the digest


@contextmanager
def sealed_folder(place: Path) -> Iterator[Path]:
    """An empty folder to write into; it is sealed at the end, unless an error or an interruption comes first.

    Raises:
        OSError: the disk is full, or the folder cannot be written to; names the folder.
    """
    with name_file(place):
        seal_of(place).unlink(missing_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        yield place
        written = place.with_suffix(".writing")
        write_json(written, {KEPT: folder_digest(place)})
        written.replace(seal_of(place))


def find_sealed(place: Path, again: str) -> Path | None:
    """The folder as it was sealed; None if there is none or, with a message, if its files have changed since.

    again: what is done about a damaged one, for the message.
    """
    if not seal_of(place).is_file():
        return None
    if not _is_whole(place):
        say(f"{place} is damaged: its files are not those that were written; {again}")
        return None
    return place


def seal_of(place: Path) -> Path:
    """The file that seals a folder."""
    return place.parent / f"{place.name}.{KEPT}"


def _is_whole(place: Path) -> bool:
    try:
        return bool(read_json(seal_of(place)) == {KEPT: folder_digest(place)})
    except (ValueError, OSError):  # no JSON, or not readable
        return False
