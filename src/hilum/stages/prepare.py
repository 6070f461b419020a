"""prepare: decode, square and resize the films, give each its class, remove copies, write the manifest."""

import os
import shutil
from pathlib import Path

import pandas as pd

from hilum.config import Params, read_params
from hilum.data.manifest import build_manifest
from hilum.data.prepared import file_sha256, write_prepared
from hilum.data.sources import SOURCES
from hilum.progress import bar, say
from hilum.results import read_json, write_table
from hilum.source_settings import PhantomSource
from hilum.stages.acquire import PINNED
from hilum.workspace import Workspace, find_workspace

OPTIONS = {"folder": ("pattern",)}  # reader -> its own settings


def run() -> None:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    settings = params.prepare
    tables = {name: read_source(name, params, workspace) for name in settings.sources}
    prepared = build_manifest(
        tables,
        size=settings.size,
        square=settings.square,
        labels=settings.labels,
        unmatched=settings.unmatched,
        broken_share=settings.broken_share,
        markers=settings.markers,
        workers=os.cpu_count() or 1,
        on_film=bar("films prepared"),
    )
    shutil.rmtree(workspace.prepared, ignore_errors=True)
    write_prepared(prepared, workspace.prepared)
    write_table(workspace.prepared / "findings.csv", prepared.findings)
    (workspace.prepared / "notes.txt").write_text("".join(f"{note}\n" for note in prepared.notes))
    print(prepared.findings.to_string(index=False), flush=True)
    for note in prepared.notes:
        say(note)
    left_out = prepared.problems["problem"].value_counts()
    for problem, films in left_out.items():
        say(f"{problem}: {films} (data/prepared/problems.csv)")
    say(f"{len(prepared.manifest)} films of {prepared.manifest['patient_id'].nunique()} patients prepared")


def read_source(name: str, params: Params, workspace: Workspace) -> tuple[Path, pd.DataFrame]:
    """Where a source's films are, and the reader's table of them."""
    source = params.acquire.sources[name]
    folder = workspace.raw(name)
    if not isinstance(source, PhantomSource) and source.mode == "reference":
        folder = verify_pinned(folder, workspace)
    options = {key: getattr(source, key) for key in OPTIONS.get(source.reader, ())}
    return folder, SOURCES[source.reader](folder, **options)


def verify_pinned(folder: Path, workspace: Workspace) -> Path:
    """The root of a source that was left where it is. Raises ValueError naming the files that are no longer what was pinned."""
    pinned = read_json(folder / PINNED)
    root = workspace.at_home(pinned["root"])
    changed = [path for path, sha in pinned["files"].items() if not (root / path).is_file() or file_sha256(root / path) != sha]
    if changed:
        raise ValueError(
            f"films left in place must stay as they were pinned, but {len(changed)} below {root} changed or are gone, "
            f"such as {changed[0]}; restore them, or run `dvc repro` to pin them anew"
        )
    return root
