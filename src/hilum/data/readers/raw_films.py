"""The raw films of a source: where they are, whether they are unchanged since they were pinned, and its reader's table."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from hilum.cells import escape
from hilum.data.readers.dicom_listing import list_unread_beside
from hilum.data.readers.listing import list_excused, list_unread
from hilum.data.readers.registry import READERS
from hilum.data.readers.system_files import is_system_file, list_all_files, list_files
from hilum.data.readers.tables import count_left_out
from hilum.results import file_sha256, read_json
from hilum.settings.params import Params
from hilum.settings.roots import read_roots
from hilum.settings.sources import DICOM_SOURCES, NOT_READ, PINNED, PhantomSource, Source
from hilum.workspace import Workspace


def read_source(name: str, params: Params, workspace: Workspace) -> tuple[Path, pd.DataFrame]:
    """The root of a source's films, and the reader's table of them."""
    source = params.acquire.sources[name]
    folder = workspace.raw(name)
    if isinstance(source, PhantomSource):
        return read_films(source, folder, folder)
    root = workspace.at_home(read_roots(params, workspace.home)[name])
    if source.mode == "reference":
        verify_pinned(read_json(folder / PINNED), root)
        folder = root
    return read_films(source, folder, root)


def read_films(source: Source, folder: Path, root: Path) -> tuple[Path, pd.DataFrame]:
    """A folder of films, and the reader's table of them. root: of the original films, beside which their salt is."""
    if isinstance(source, PhantomSource):
        return folder, READERS[source.reader].read(folder)
    options = source.model_dump(exclude=NOT_READ)
    if isinstance(source, DICOM_SOURCES):
        options["keys"] = root  # the salt is beside the original films, not beside a copy
        table = READERS[source.reader].read(folder, **options)
        table.attrs["left_out"], excused = list_unread_beside(folder, table)
        table.attrs["notes"] += [*count_left_out(table.attrs["left_out"]), *excused]
        return folder, table
    table = READERS[source.reader].read(folder, **options)
    tell_unread(folder, table)
    escape_names(table)
    return folder, table


def escape_names(table: pd.DataFrame) -> None:
    """Escape what is not UTF-8, such as file names, in a reader's notes and lists, in place."""
    attrs = table.attrs
    attrs["notes"] = [escape(note) for note in attrs.get("notes", [])]
    attrs["left_out"] = [{key: escape(text) for key, text in row.items()} for row in attrs.get("left_out", [])]
    attrs["problems"] = [tuple(map(escape, row)) for row in attrs.get("problems", [])]


def tell_unread(folder: Path, table: pd.DataFrame) -> None:
    """Add files that a reader of pictures does not read to the left-out ones, in place, and count them and the rest."""
    unread = list_unread(folder, table)
    table.attrs["left_out"] += unread
    table.attrs["notes"] += [*count_left_out(unread), *list_excused(folder, table)]


def verify_pinned(pinned: Mapping[str, Any], root: Path) -> None:
    """Raise ValueError naming the files below a root that are not what was pinned: changed, gone or new.

    pinned: `files`, SHA-256 by path, or `sha256` alone; older pins name a root too, which is ignored. System files are
    ignored, in older pins too.
    """
    if "sha256" in pinned:
        verify_hashes(root, pinned["sha256"])
        return
    wanted = {path: sha for path, sha in pinned["files"].items() if not is_system_file(PurePosixPath(path))}
    changed = [path for path, sha in wanted.items() if not (root / path).is_file() or file_sha256(root / path) != sha]
    new = [path for path in list_files(root) if path not in wanted]
    deeds = [f"{len(changed)} below {root} changed or are gone, such as {changed[0]}"] if changed else []
    deeds += [f"{len(new)} below {root} are new, such as {new[0]}"] if new else []
    if deeds:
        raise ValueError(
            f"films left in place must stay as they were pinned, but {' and '.join(deeds)}; restore them, or run `dvc repro` to "
            "pin them anew"
        )


def verify_hashes(root: Path, pinned: list[str]) -> None:
    """Raises ValueError if the files below a root are not those that were pinned; it names no path, which may contain a name."""
    hashes = {path: file_sha256(root / path) for path in list_all_files(root)}
    there = Counter(sha for path, sha in hashes.items() if not is_system_file(PurePosixPath(path)))
    gone, new = Counter(pinned) - Counter(hashes.values()), there - Counter(pinned)  # older pins hold system files too
    if gone or new:
        example = f", such as {next(iter(sorted(gone)))[:12]}" if gone else ""
        raise ValueError(
            f"films left in place must stay as they were pinned, but below {root} {gone.total()} changed or are gone{example}, "
            f"and {new.total()} are new; restore them (the key beside the root says which file a hash is), or run `dvc repro`"
        )
