"""prepare: decode, square and resize the films, give each its class, remove copies, write the manifest."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hilum.config import Params, read_params
from hilum.data.images import prepare_film
from hilum.data.manifest import MASK_KINDS, Prepared, build_manifest
from hilum.data.markers import count_removal
from hilum.data.oddities import choose_shown, list_odd_films
from hilum.data.prepared import file_sha256, load_geometry, load_masks, write_prepared
from hilum.data.sheets import choose_annotated, choose_marked, draw_annotated, draw_marked, draw_odd, encode_sheet, gather
from hilum.data.sources import SOURCES
from hilum.progress import bar, say
from hilum.results import read_json, write_table
from hilum.source_settings import PhantomSource
from hilum.stages.acquire import PINNED
from hilum.workspace import Workspace, find_workspace

SHOWN = 12  # films on a contact sheet
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
    look_at_films(prepared, tables, params, workspace)
    say(f"{len(prepared.manifest)} films of {prepared.manifest['patient_id'].nunique()} patients prepared")


def look_at_films(prepared: Prepared, tables: dict[str, tuple[Path, pd.DataFrame]], params: Params, workspace: Workspace) -> None:
    """Write odd_films.csv and the contact sheets of marks, odd films, boxes and masks, for a person to see."""
    manifest, ids = prepared.manifest, prepared.manifest["image_id"].tolist()
    geometry = load_geometry(workspace.prepared)
    odd = list_odd_films(manifest, prepared.films, geometry)
    write_table(workspace.prepared / "odd_films.csv", odd)
    sheets: dict[str, Figure] = {}
    if shown := choose_shown(odd, SHOWN):
        sheets["odd_films"] = draw_odd(gather(prepared.films, ids, shown), odd)
    if shown := choose_marked(prepared.markers, SHOWN):
        boxes = prepared.markers.set_index("image_id")["boxes"]
        raw = {name: np.array(json.loads(boxes[name])) for name in shown}
        after = gather(prepared.films, ids, shown) if params.prepare.markers == "inpaint" else None
        paths = manifest.set_index("image_id").loc[shown, ["source", "path"]].itertuples()
        files = {str(row.Index): tables[str(row.source)][0] / str(row.path).removeprefix(f"{row.source}/") for row in paths}
        before = {name: prepare_film(file, params.prepare.size, params.prepare.square)[0] for name, file in files.items()}
        sheets["markers"] = draw_marked(before, raw, geometry, after)
    if shown := choose_annotated(manifest, SHOWN):
        masks = {kind: load_masks(workspace.prepared, kind, shown) for kind in MASK_KINDS}
        told = dict(zip(ids, manifest["boxes"], strict=True))
        sheets["annotations"] = draw_annotated(gather(prepared.films, ids, shown), told, geometry, masks)
    for name, sheet in sheets.items():
        (workspace.prepared / f"{name}.png").write_bytes(encode_sheet(sheet))
    for reason, films in odd["reason"].value_counts().items():
        say(f"{reason}: {films} films to look at (data/prepared/odd_films.csv)")
    counts = count_removal(prepared.markers)
    say(f"letters or marks on {counts['films with marks']} of {counts['films']} films (data/prepared/markers.csv)")
    if params.prepare.markers == "inpaint":
        say(f"removed; {counts['lung pixels touched']} lung pixels of {counts['films whose lungs are touched']} films touched")


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
