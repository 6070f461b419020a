"""split: by patient, proven disjoint; the films to explain are chosen here, before any model exists."""

import shutil
from pathlib import Path

import pandas as pd

from hilum.config import Params, read_params
from hilum.data.manifest import read_manifest
from hilum.data.prepared import LISTED, file_sha256, load_films
from hilum.data.report import count_ways, render_report, warn_of_confounding
from hilum.data.splits import Splits, choose_explain_films, choose_marked_films, prove_disjoint, split_by_patient
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
    chosen = {
        "explain.csv": choose_explain_films(manifest, splits.table, params.split.explain_films, params.seed),
        "explain_val.csv": choose_marked_films(manifest, splits.table, params.split.tuning_films, params.seed),
    }

    folder = workspace.split
    shutil.rmtree(folder, ignore_errors=True)
    listed = manifest.assign(row=range(len(manifest))).merge(splits.table, on="image_id")
    for name in SPLITS:
        write_table(folder / f"{name}.csv", listed.loc[listed["split"] == name, list(LISTED)])
    for file, image_ids in chosen.items():
        write_table(folder / file, listed.set_index("image_id").loc[image_ids].reset_index()[list(LISTED)])
    write_table(folder / "left_out.csv", splits.left_out)
    write_json(folder / "proof.json", {**proof, "test_part": dict(splits.test_part), "left_out": len(splits.left_out)})
    classes = params.prepare.classes()
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


def write_report(workspace: Workspace, params: Params, manifest: pd.DataFrame, splits: Splits) -> None:
    """The data report: one page with counts, sizes, samples, duplicates and every problem."""
    prepared = workspace.prepared
    problems = read_table(prepared / "problems.csv")
    problems = pd.concat([problems, splits.left_out], ignore_index=True)
    findings = read_table(prepared / "findings.csv")
    notes = (prepared / "notes.txt").read_text().splitlines()
    write_table(workspace.split / "findings.csv", findings)  # data/split goes wherever results go: runs log them from here
    write_table(workspace.split / "sources.csv", count_ways(manifest, problems))
    page = render_report(
        manifest,
        load_films(prepared),
        problems,
        findings,
        params.prepare.classes(),
        notes,
        per_class=SAMPLES,
        seed=params.seed,
        splits=splits.table,
        test_part=splits.test_part,
    )
    (workspace.split / REPORT).write_text(page)
    for warning in warn_of_confounding(manifest):
        say(warning)
