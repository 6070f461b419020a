"""The folder `--out` of a verb: another's is refused, and it is filled in one step: an interruption leaves what was there."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def check_out(out: Path, made: str, kind: str) -> None:
    """Refuse a folder that holds anything but an earlier output of this kind.

    made: the file that each such folder has. kind: in words, such as `evaluation`.

    Raises:
        ValueError: other files are there, or `out` is a file.
    """
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / made).is_file())):
        raise ValueError(f"--out must be a new folder, an empty one or one of an earlier {kind}, got {out}; name another")


@contextmanager
def filled_folder(out: Path) -> Iterator[Path]:
    """A new folder beside `out` to write into, which takes its place at the end; an earlier one stays if anything fails."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
        folder = Path(temporary) / out.name
        folder.mkdir()
        yield folder
        _put_in_place(folder, out)


def _put_in_place(made: Path, out: Path) -> None:
    """Move a folder to `out`; an earlier one is there again if that fails."""
    before = made.with_name(f"{made.name}.before")
    if out.exists():
        out.rename(before)
    try:
        made.rename(out)
    except OSError:
        if before.exists():
            before.rename(out)
        raise
