"""prepare: decode, square and resize the films, give each its class, remove copies, find near duplicates, write the manifest."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hilum.data.burned_in.covering import count_burned_in
from hilum.data.burned_in.treatment import Treatment
from hilum.data.decoding.decoding import put_back
from hilum.data.manifest.building import build_manifest
from hilum.data.manifest.prepared_set import Prepared, tell_decoded, write_prepared
from hilum.data.masks import MASK_KINDS, load_masks
from hilum.data.prepared.loading import load_geometry
from hilum.data.quality.alike.near_duplicates import find_near_duplicates
from hilum.data.quality.alike.near_groups import NEAR, check_groups, link_patients, tell_near_duplicates, warn_of_near_duplicates
from hilum.data.quality.oddities import list_odd_films
from hilum.data.quality.pair_sheet import draw_pairs
from hilum.data.quality.still_burned_in import StillBurnedIn, stop_where_left
from hilum.data.readers.raw_films import read_source
from hilum.data.sheets import choose_annotated, choose_burned_in, draw_annotated, draw_burned_in, draw_crops, gather
from hilum.pictures import encode_png
from hilum.progress import bar, say
from hilum.results import write_table
from hilum.settings.params import Params, read_params
from hilum.workspace import Workspace, find_workspace

NEAR_FILE = "near_duplicates.csv"
ALARM = "near_duplicates.png"  # below `Workspace.cache`, because DVC removes the output of a failed stage
STILL = "burned_in_left"  # the picture of films where something is still found; if the stage stops, below `Workspace.cache`
SHOWN = 12  # films on a contact sheet


def run() -> None:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    settings = params.prepare
    tables = {name: read_source(name, params, workspace) for name in settings.sources}
    treatment = Treatment(settings.burned_in, settings.burned_in_reader, settings.burned_in_left)
    prepared = build_manifest(
        tables,
        size=settings.size,
        square=settings.square,
        labels=settings.labels,
        unmatched=settings.unmatched,
        labels_by_source=settings.labels_by_source,
        unused_rules=settings.unused_rules,
        broken_share=settings.broken_share,
        treatment=treatment,
        workers=os.cpu_count() or 1,
        on_film=bar("films prepared"),
        cache=workspace.decoded_films,
        on_deep=bar("films of 16 bits measured"),
    )
    say(tell_decoded(prepared))
    check_left(prepared.still_burned_in, treatment, workspace)
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
    look_at_films(prepared, params, workspace)
    say(f"{len(prepared.manifest)} films of {prepared.manifest['patient_id'].nunique()} patients prepared")


def check_left(still: StillBurnedIn, treatment: Treatment, workspace: Workspace) -> None:
    """Draw the films where text is still found before the stage stops for them."""
    try:
        stop_where_left(still, treatment)
    except ValueError as error:
        picture = workspace.cache / f"{STILL}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(encode_png(draw_crops(still.films, still.boxes)))
        raise ValueError(f"{error}; some are shown in {picture}") from None


def find_near(prepared: Prepared, params: Params, workspace: Workspace) -> pd.DataFrame:
    """The near duplicates; if they join too many films, their picture is written before the stage stops."""
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
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(encode_png(draw_pairs(near, manifest, prepared.films)))
        raise ValueError(f"{error}; they are shown in {picture}") from None
    return near


def look_at_films(prepared: Prepared, params: Params, workspace: Workspace) -> None:
    """Write odd_films.csv and the contact sheets of what is burned in, boxes and masks, for a person to check."""
    manifest, ids = prepared.manifest, prepared.manifest["image_id"].tolist()
    geometry = load_geometry(workspace.prepared)
    odd = list_odd_films(manifest, prepared.films, geometry)
    write_table(workspace.prepared / "odd_films.csv", odd)
    sheets: dict[str, Figure] = {}
    if shown := choose_burned_in(prepared.burned_in, SHOWN):
        boxes = prepared.burned_in.set_index("image_id")["boxes"]
        raw = {name: np.array(json.loads(boxes[name])) for name in shown}  # (M, 4) each
        found = gather(prepared.films, ids, shown)
        before = {
            name: put_back(film, prepared.behind[name]) if name in prepared.behind else film for name, film in found.items()
        }
        after = found if params.prepare.burned_in == "inpaint" else None
        sheets["burned_in"] = draw_burned_in(before, raw, geometry, after)
    if still := prepared.still_burned_in.films:
        sheets[STILL] = draw_crops(still, prepared.still_burned_in.boxes)
    if shown := choose_annotated(manifest, SHOWN):
        masks = {kind: load_masks(workspace.prepared, kind, shown) for kind in MASK_KINDS}
        told = dict(zip(ids, manifest["boxes"], strict=True))
        sheets["annotations"] = draw_annotated(gather(prepared.films, ids, shown), told, geometry, masks)
    for name, sheet in sheets.items():
        (workspace.prepared / f"{name}.png").write_bytes(encode_png(sheet))
    for reason, films in odd["reason"].value_counts().items():
        say(f"{reason}: {films} films to look at (data/prepared/odd_films.csv)")
    tell_burned_in(prepared, params)


def tell_burned_in(prepared: Prepared, params: Params) -> None:
    """What was found burned into the films, and what is still found after covering it."""
    counts, still = count_burned_in(prepared.burned_in), len(prepared.still_burned_in.problems)
    say(f"burned-in letters or text found on {counts['films with it']} of {counts['films']} films (data/prepared/burned_in.csv)")
    if params.prepare.burned_in == "inpaint":
        out = ", which are left out" if params.prepare.burned_in_left == "exclude" else ""
        lungs = f", {counts['lung pixels touched']} lung pixels of {counts['films whose lungs are touched']} films among them"
        lungs = lungs if counts["films with a lung mask"] else " (no film has a lung mask)"
        say(f"covered {counts['places']} places{lungs}; still found on {still} films{out}")
