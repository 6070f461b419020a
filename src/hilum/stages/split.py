"""split: by patient, verified to be disjoint; the films to explain are chosen here, before any model exists."""

import shutil
from pathlib import Path

import pandas as pd

from hilum.data.burned_in.covering import STILL_FOUND, count_burned_in
from hilum.data.confounding import Confounding, measure_confounding, name_factors, tell_confounding
from hilum.data.folds import draw_folds
from hilum.data.prepared.loading import (
    LISTED,
    find_burned_in_table,
    load_films,
    read_burned_in,
    read_linked_patients,
    read_manifest,
)
from hilum.data.quality.pair_sheet import draw_pairs
from hilum.data.splits import (
    Splits,
    choose_annotated_films,
    choose_explain_films,
    group_patients,
    pairs_across,
    prove_disjoint,
    split_by_patient,
)
from hilum.pages.chart_script import load_bundle
from hilum.pages.data_report.confounding import render_confounding
from hilum.pages.data_report.counts import count_ways, count_with_burned_in, warn_of_confounding
from hilum.pages.data_report.report import Sheet, render_report
from hilum.pictures import encode_png
from hilum.progress import say
from hilum.records import SPLITS
from hilum.results import digest, file_sha256, read_table, write_json, write_table
from hilum.settings.meaning import class_names
from hilum.settings.params import Params, read_params
from hilum.workspace import Workspace, find_workspace

SAMPLES = 8  # films of each class on the page
ODD_SHOWN = 100  # odd films on the page; odd_films.csv has all
REPORT = "report.html"
SHEET = "near_duplicates.png"
KEPT = "kept; names and dates are only searched for with prepare.burned_in: inpaint"
EVIDENCE = "shared_films.png"  # below `Workspace.cache`: near duplicates in different splits


def run() -> None:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    manifest = read_manifest(workspace.prepared / "manifest.csv")
    linked = read_linked_patients(workspace.prepared)
    splits = split_by_patient(manifest, params.split.validation, params.split.test, params.split.seed, linked)
    near = read_table(workspace.prepared / "near_duplicates.csv")
    show_parted(near, splits, manifest, workspace)
    proof = prove_disjoint(manifest, splits.table, near)
    folds = list_folds(manifest, splits, linked, params)
    chosen = {
        "explain.csv": choose_explain_films(manifest, splits.table, params.split.explain_films, params.split.seed),
        "explain_val.csv": choose_annotated_films(manifest, splits.table, params.split.tuning_films, params.split.seed),
    }

    folder = workspace.split
    shutil.rmtree(folder, ignore_errors=True)
    listed = manifest.assign(row=range(len(manifest))).merge(splits.table, on="image_id")
    for name in SPLITS:
        write_table(folder / f"{name}.csv", listed.loc[listed["split"] == name, list(LISTED)])
    for file, image_ids in chosen.items():
        write_table(folder / file, listed.set_index("image_id").loc[image_ids].reset_index()[list(LISTED)])
    write_table(folder / "folds.csv", folds)
    write_table(folder / "left_out.csv", splits.left_out)
    write_json(folder / "proof.json", {**proof, "test_part": dict(splits.test_part), "left_out": len(splits.left_out)})
    classes = class_names(params.prepare.labels)
    train = listed.loc[listed["split"] == "train", "label"].value_counts()
    versions = {
        "classes": classes,
        "train_counts": [int(train[name]) for name in classes],
        "data_version": file_sha256(workspace.prepared / "manifest.csv"),
        "split_version": digest([file_sha256(folder / f"{name}.csv") for name in SPLITS]),
        "size": params.prepare.size,
        "square": params.prepare.square,
        "burned_in": params.prepare.burned_in,
        "burned_in_reader": params.prepare.burned_in_reader,
    }
    write_json(folder / "versions.json", versions)
    if len(near):
        sheet = draw_pairs(near, manifest, load_films(workspace.prepared), split_names(splits))
        (folder / SHEET).write_bytes(encode_png(sheet))
    write_report(workspace, params, manifest, splits, near)
    for name, counts in proof["splits"].items():
        say(f"{name}: {counts['films']} films of {counts['patients']} patients")
    parts = ", ".join(f"{source} {part}" for source, part in splits.test_part.items())
    say(f"no patient, bytes, pixels or near duplicates shared; test part: {parts}")


def split_names(splits: Splits) -> dict[str, str]:
    return dict(splits.table[["image_id", "split"]].itertuples(index=False, name=None))


def show_parted(near: pd.DataFrame, splits: Splits, manifest: pd.DataFrame, workspace: Workspace) -> None:
    """Draw near duplicates in two splits before the check fails on them."""
    apart = pairs_across(near, splits.table)
    picture = workspace.cache / EVIDENCE
    picture.unlink(missing_ok=True)
    if len(apart):
        picture.parent.mkdir(parents=True, exist_ok=True)
        sheet = draw_pairs(apart, manifest, load_films(workspace.prepared), split_names(splits))
        picture.write_bytes(encode_png(sheet))
        say(f"near duplicates in two splits are shown in {picture}")


def list_folds(manifest: pd.DataFrame, splits: Splits, linked: pd.DataFrame, params: Params) -> pd.DataFrame:
    """The films outside the test part, and the part of each in each fold; no row where there are no folds."""
    films = manifest.assign(row=range(len(manifest)), group=group_patients(manifest, linked)).merge(splits.table, on="image_id")
    films = films[films["split"] != "test"].sort_values("image_id", ignore_index=True)
    if not params.split.folds:
        return films.loc[[], [*LISTED, "source"]]
    parts = draw_folds(films, params.split.folds, params.split.fold_by, params.split.validation, params.split.seed)
    return films[[*LISTED, "source"]].join(parts)


def write_report(workspace: Workspace, params: Params, manifest: pd.DataFrame, splits: Splits, near: pd.DataFrame) -> None:
    """The data report: one page with counts, sizes, samples, duplicates and every problem."""
    prepared = workspace.prepared
    problems = read_table(prepared / "problems.csv")
    problems = pd.concat([problems, splits.left_out], ignore_index=True)
    findings = read_table(prepared / "findings.csv")
    confounding = find_confounding(workspace, params, manifest, splits)
    notes = (prepared / "notes.txt").read_text().splitlines() + tell_confounding(confounding)
    write_table(workspace.split / "findings.csv", findings)  # data/split is stored with the results: runs log them from here
    write_table(workspace.split / "sources.csv", count_ways(manifest, problems))
    page = render_report(
        manifest,
        load_films(prepared),
        problems,
        findings,
        class_names(params.prepare.labels),
        notes,
        per_class=SAMPLES,
        seed=params.split.seed,
        splits=splits.table,
        test_part=splits.test_part,
        near=near,
        sheets=make_sheets(prepared, manifest, problems),
        confounding=render_confounding(confounding, class_names(params.prepare.labels), params.split.confounding.confidence),
        odd=read_table(prepared / "odd_films.csv"),
        bundle=load_bundle(workspace.cache),
    )
    (workspace.split / REPORT).write_text(page)
    for warning in [*warn_of_confounding(manifest), *tell_confounding(confounding)]:
        say(warning)


def make_sheets(prepared: Path, manifest: pd.DataFrame, problems: pd.DataFrame) -> list[Sheet]:
    """The sections on what is burned in, odd films, boxes and masks, from what `prepare` wrote."""

    def picture(name: str) -> bytes:
        file = prepared / f"{name}.png"
        return file.read_bytes() if file.is_file() else b""

    burned_in, odd = read_burned_in(prepared), read_table(prepared / "odd_films.csv")
    left = problems[problems["problem"] == STILL_FOUND]
    seen = (
        "For a person to check; kept in the data: blank, inverted, turned, lateral or unlike the other films of their source. "
        "Their pictures are in the sheet above."
    )
    shown = odd.drop(columns="path").head(ODD_SHOWN)
    sheets = [
        Sheet(
            "Burned-in letters and text",
            tell_burned_in(burned_in, len(left)),
            picture("burned_in"),
            count_with_burned_in(manifest, burned_in),
        ),
        Sheet("Odd films", seen if len(odd) else "None was found.", b"", shown),
    ]
    if len(left):
        told = "Covered, and still found when the film was searched again, at full size or as prepared."
        sheets.insert(
            1, Sheet("Burned-in text that is still found", told, picture("burned_in_left"), left[["image_id", "detail"]])
        )
    if drawn := picture("annotations"):
        told = "Boxes orange, lungs blue, lesions red, placed on the prepared film by the stored geometry."
        sheets.append(Sheet("Boxes and masks", told, drawn, None))
    return sheets


def tell_burned_in(table: pd.DataFrame, left: int) -> str:
    """What was found burned into the films, how it was treated, and on how many films it is still found."""
    counts = count_burned_in(table)
    covered = counts["films looked at again"] > 0
    became = f"covered ({counts['places']:,} places) and searched again: still found on {left:,} films" if covered else KEPT
    found = f"Burned-in letters or text were found on {counts['films with it']:,} of {counts['films']:,} films, and {became}. "
    touches = "touched" if covered else "would touch"
    if not counts["films with a lung mask"]:
        return found + f"Whether covering {touches} lungs is unknown: no film has a lung mask."
    return found + (
        f"Covering {touches} {counts['lung pixels touched']:,} prepared pixels inside the lungs "
        f"of {counts['films whose lungs are touched']:,} of the {counts['films with a lung mask']:,} films with a lung mask."
    )


def find_confounding(workspace: Workspace, params: Params, manifest: pd.DataFrame, splits: Splits) -> Confounding:
    """What is associated with the class in the films of all splits: confounding.csv and contingency.csv."""
    settings = params.split.confounding
    films = manifest[manifest["image_id"].isin(splits.table["image_id"])]
    there = find_burned_in_table(workspace.prepared) is not None
    factors = name_factors(films, read_burned_in(workspace.prepared) if there else None, settings.age_groups)
    found = measure_confounding(films, factors, settings.bootstrap, settings.confidence, params.split.seed)
    write_table(workspace.split / "confounding.csv", found.table)
    write_table(workspace.split / "contingency.csv", found.cells)
    return found
