"""prepare: decode, square and resize the films, give each its class, remove copies, find near duplicates, write the manifest."""

import os
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pandas as pd

from hilum.config import Params, read_params
from hilum.data.manifest import Prepared, build_manifest
from hilum.data.near_duplicates import find_near_duplicates
from hilum.data.near_groups import NEAR, check_groups, link_patients, tell_near_duplicates, warn_of_near_duplicates
from hilum.data.pair_sheet import draw_pairs, write_pairs
from hilum.data.prepared import file_sha256, write_prepared
from hilum.data.sources import SOURCES
from hilum.progress import bar, say
from hilum.results import read_json, write_table
from hilum.source_settings import DICOM_SOURCES, NOT_READ, PhantomSource
from hilum.stages.acquire import PINNED
from hilum.workspace import Workspace, find_workspace

NEAR_FILE = "near_duplicates.csv"
ALARM = "near_duplicates.png"  # below `Workspace.cache`, as DVC removes what a failed stage wrote


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
        labels_by_source=settings.labels_by_source,
        unused_rules=settings.unused_rules,
        broken_share=settings.broken_share,
        workers=os.cpu_count() or 1,
        on_film=bar("films prepared"),
    )
    near = pd.DataFrame(columns=list(NEAR))
    if settings.near_duplicates == "group":
        near = find_near(prepared, params, workspace)
        linked = pd.concat([prepared.linked_patients, link_patients(near)]).drop_duplicates(ignore_index=True)
        prepared = replace(prepared, linked_patients=linked, notes=(*prepared.notes, *warn_of_near_duplicates(near)))
    shutil.rmtree(workspace.prepared, ignore_errors=True)
    write_prepared(prepared, workspace.prepared)
    write_table(workspace.prepared / "findings.csv", prepared.findings)
    write_table(workspace.prepared / NEAR_FILE, near)
    (workspace.prepared / "notes.txt").write_text("".join(f"{note}\n" for note in prepared.notes))
    print(prepared.findings.to_string(index=False), flush=True)
    for note in prepared.notes:
        say(note)
    if settings.near_duplicates == "group":
        say(tell_near_duplicates(near))
    left_out = prepared.problems["problem"].value_counts()
    for problem, films in left_out.items():
        say(f"{problem}: {films} (data/prepared/problems.csv)")
    say(f"{len(prepared.manifest)} films of {prepared.manifest['patient_id'].nunique()} patients prepared")


def find_near(prepared: Prepared, params: Params, workspace: Workspace) -> pd.DataFrame:
    """The near duplicates; where they join too many films, their picture is written before the stage stops."""
    manifest = prepared.manifest
    near = find_near_duplicates(
        prepared.films,
        manifest,
        params.prepare.square,
        workers=os.cpu_count() or 1,
        on_film=bar("films described"),
        on_pair=bar("pairs of films compared"),
    )
    try:
        check_groups(near, len(manifest), params.prepare.group_share)
    except ValueError as error:
        picture = workspace.cache / ALARM
        write_pairs(draw_pairs(near, manifest, prepared.films), picture)
        raise ValueError(f"{error}; they are shown in {picture}") from None
    return near


def read_source(name: str, params: Params, workspace: Workspace) -> tuple[Path, pd.DataFrame]:
    """Where a source's films are, and the reader's table of them."""
    source = params.acquire.sources[name]
    folder = workspace.raw(name)
    if isinstance(source, PhantomSource):
        return folder, SOURCES[source.reader](folder)
    if source.mode == "reference":
        folder = verify_pinned(folder, workspace)
    options = source.model_dump(exclude=NOT_READ)
    if isinstance(source, DICOM_SOURCES):
        options["keys"] = workspace.at_home(source.root)  # the salt lies beside the films themselves, not beside a copy
    return folder, SOURCES[source.reader](folder, **options)


def verify_pinned(folder: Path, workspace: Workspace) -> Path:
    """The root of a source that was left where it is. Raises ValueError naming the files that are no longer what was pinned."""
    pinned = read_json(folder / PINNED)
    root = workspace.at_home(pinned["root"])
    if "sha256" in pinned:
        verify_hashes(root, pinned["sha256"])
        return root
    changed = [path for path, sha in pinned["files"].items() if not (root / path).is_file() or file_sha256(root / path) != sha]
    if changed:
        raise ValueError(
            f"films left in place must stay as they were pinned, but {len(changed)} below {root} changed or are gone, "
            f"such as {changed[0]}; restore them, or run `dvc repro` to pin them anew"
        )
    return root


def verify_hashes(root: Path, pinned: list[str]) -> None:
    """Raises ValueError if the files below a root are not those that were pinned; it names no path, which may carry a name."""
    there = Counter(file_sha256(path) for path in root.rglob("*") if path.is_file())
    gone, new = Counter(pinned) - there, there - Counter(pinned)
    if gone or new:
        example = f", such as {next(iter(sorted(gone)))[:12]}" if gone else ""
        raise ValueError(
            f"films left in place must stay as they were pinned, but below {root} {gone.total()} changed or are gone{example}, "
            f"and {new.total()} are new; restore them (the key beside the root says which file a hash is), or run `dvc repro`"
        )
