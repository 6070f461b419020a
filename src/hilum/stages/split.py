"""split: by patient, proven disjoint; the films to explain are chosen here, before any model exists."""

import shutil
from pathlib import Path

import pandas as pd

from hilum.config import Params, read_params
from hilum.data.confounding import Confounding, measure_confounding, name_factors, tell_confounding
from hilum.data.confounding_section import render_confounding
from hilum.data.folds import draw_folds
from hilum.data.manifest import read_manifest
from hilum.data.prepared import LISTED, file_sha256, load_films
from hilum.data.report import render_report, warn_of_confounding
from hilum.data.splits import Splits, choose_explain_films, group_patients, prove_disjoint, split_by_patient
from hilum.progress import say
from hilum.records import SPLITS
from hilum.results import digest, read_table, write_json, write_table
from hilum.workspace import Workspace, find_workspace

SAMPLES = 8  # films of each class on the page
REPORT = "report.html"


def run() -> None:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    manifest = read_manifest(workspace.prepared / "manifest.csv")
    linked = pd.read_csv(workspace.prepared / "linked_patients.csv", dtype=str)
    splits = split_by_patient(manifest, params.split.validation, params.split.test, params.seed, linked)
    proof = prove_disjoint(manifest, splits.table)
    folds = list_folds(manifest, splits, linked, params)
    chosen = choose_explain_films(manifest, splits.table, params.split.explain_films, params.seed)

    folder = workspace.split
    shutil.rmtree(folder, ignore_errors=True)
    listed = manifest.assign(row=range(len(manifest))).merge(splits.table, on="image_id")
    for name in SPLITS:
        write_table(folder / f"{name}.csv", listed.loc[listed["split"] == name, list(LISTED)])
    explain = listed.set_index("image_id").loc[chosen].reset_index()
    write_table(folder / "explain.csv", explain[list(LISTED)])
    write_table(folder / "folds.csv", folds)
    write_table(folder / "left_out.csv", splits.left_out)
    write_json(folder / "proof.json", {**proof, "test_part": dict(splits.test_part), "left_out": len(splits.left_out)})
    classes = list(params.prepare.labels)
    train = listed.loc[listed["split"] == "train", "label"].value_counts()
    versions = {
        "classes": classes,
        "train_counts": [int(train[name]) for name in classes],
        "data_version": file_sha256(workspace.prepared / "manifest.csv"),
        "split_version": digest([file_sha256(folder / f"{name}.csv") for name in SPLITS]),
        "size": params.prepare.size,
        "square": params.prepare.square,
    }
    write_json(folder / "versions.json", versions)
    write_report(workspace, params, manifest, splits)
    for name, counts in proof["splits"].items():
        say(f"{name}: {counts['films']} films of {counts['patients']} patients")
    say(f"no patient, bytes or pixels shared; test part: {', '.join(f'{k} {v}' for k, v in splits.test_part.items())}")


def list_folds(manifest: pd.DataFrame, splits: Splits, linked: pd.DataFrame, params: Params) -> pd.DataFrame:
    """The films outside the test part, and what each is in each fold; no row where there are no folds."""
    films = manifest.assign(row=range(len(manifest)), group=group_patients(manifest, linked)).merge(splits.table, on="image_id")
    films = films[films["split"] != "test"].sort_values("image_id", ignore_index=True)
    if not params.split.folds:
        return films.loc[[], [*LISTED, "source"]]
    parts = draw_folds(films, params.split.folds, params.split.fold_by, params.split.validation, params.seed)
    return films[[*LISTED, "source"]].join(parts)


def write_report(workspace: Workspace, params: Params, manifest: pd.DataFrame, splits: Splits) -> None:
    """The data report: one page with counts, sizes, samples, duplicates and every problem."""
    prepared = workspace.prepared
    problems = read_table(prepared / "problems.csv")
    confounding = find_confounding(workspace, params, manifest, splits)
    notes = (prepared / "notes.txt").read_text().splitlines() + tell_confounding(confounding)
    page = render_report(
        manifest,
        load_films(prepared),
        pd.concat([problems, splits.left_out], ignore_index=True),
        read_table(prepared / "findings.csv"),
        list(params.prepare.labels),
        notes,
        per_class=SAMPLES,
        seed=params.seed,
        splits=splits.table,
        test_part=splits.test_part,
        confounding=render_confounding(confounding, list(params.prepare.labels), params.split.confounding.confidence),
    )
    (workspace.split / REPORT).write_text(page)
    for warning in [*warn_of_confounding(manifest), *tell_confounding(confounding)]:
        say(warning)


def find_confounding(workspace: Workspace, params: Params, manifest: pd.DataFrame, splits: Splits) -> Confounding:
    """What goes together with the class in the films of all splits: confounding.csv and contingency.csv."""
    settings = params.split.confounding
    films = manifest[manifest["image_id"].isin(splits.table["image_id"])]
    markers = workspace.prepared / "markers.csv"
    factors = name_factors(films, read_table(markers) if markers.is_file() else None, settings.age_groups)
    found = measure_confounding(films, factors, settings.bootstrap, settings.confidence, params.seed)
    write_table(workspace.split / "confounding.csv", found.table)
    write_table(workspace.split / "contingency.csv", found.cells)
    return found
