"""audit: does one arm rely on something outside the lungs, and where?"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.audit.auditee import audit_model
from hilum.audit.drawing import audit_figure
from hilum.audit.evidence import Evidence, Surroundings, measure
from hilum.audit.outlines import predict_by_outlines
from hilum.audit.regions import Region, Regions, join_regions, regions_of_masks, regions_of_rectangle
from hilum.audit.rule import PROBING, Verdict, judge, told_verdict
from hilum.data.masks import load_masks
from hilum.data.prepared.loading import SplitFilms, load_split, read_manifest
from hilum.evaluation.scoring.metrics import evaluate_all
from hilum.evaluation.style import to_png
from hilum.explain.explained_model import ExplainedModel
from hilum.models.classifier import load_classifier
from hilum.models.forward import predictor
from hilum.progress import bar, say
from hilum.records import Films, Predictions
from hilum.results import flatten, read_json, run_key, write_json
from hilum.runs import arm_run, log_results
from hilum.settings.params import Audit, read_params
from hilum.tracking.opening import open_store
from hilum.workspace import Workspace, find_workspace

MASKS = 500  # lung masks of one source used for its region, at most
ENOUGH_MASKS = 50  # fewer outlines do not cover the lungs of other films
LEAST_AROUND = 0.02  # of the film: a region of lungs that leaves less than this is not used


def run(arm: str) -> None:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    settings = params.audit
    training = workspace.arm(arm, "training")
    description = read_json(training / "model.json")
    classes = description["classes"]
    store = open_store(workspace, params.tracking)
    folder = workspace.arm(arm, "audit")
    shutil.rmtree(folder, ignore_errors=True)
    with arm_run(store, workspace, arm, "audit", params.tracking.model, flatten(params.audit)) as opened:
        test = load_split(workspace.prepared, workspace.split, "test", classes)
        rows = np.sort(np.random.default_rng(params.audit.seed).permutation(len(test.table))[: settings.films])
        audited = test.take(rows)
        films, labels = audited.films, audited.labels  # (N, H, W), (N,)
        surroundings, told = find_surroundings(test.table.iloc[rows], workspace, settings, params.audit.seed)
        network = load_classifier(training / "model.keras")
        auditee = audit_model(ExplainedModel(predictor(network), network), description)
        evidence = measure(auditee, films, labels, surroundings, PROBING, params.audit.seed, bar("probes"), opened.keep)
        found = judge(evidence.numbers)
        outlines = opened.keep("outlines", lambda: outlines_auroc(test, workspace, classes))
        draw_audit(folder, films, evidence, join_regions(surroundings.regions.values()).around, found, classes, arm)
        numbers = {**evidence.numbers, "outlines_auroc": outlines}
        write_json(
            folder / "audit.json",
            {
                **told_verdict(found),
                "target": classes[evidence.ranking.target],
                "films": len(films),
                "lungs": told,
                "numbers": numbers,
            },
        )
        metrics = {"audit/probability": found.probability, **{f"audit/{name}": value for name, value in numbers.items()}}
        write_json(folder / "metrics.json", metrics)
        write_json(
            folder / "settings.json",
            {
                "arm": arm,
                "model_sha256": description["model_sha256"],
                "run_key": run_key(read_json(training / "settings.json")),
                "params": flatten(settings, "audit"),
                "tags": {"audit": found.says},
            },
        )
        log_results(opened, folder, "audit")
    say(f"{arm}: {found.says}; a local mark outside the lungs: {found.mark.shown} ({found.mark.why})")
    say(f"{arm}: the surroundings as a whole: {found.surroundings.shown} ({found.surroundings.why})")


def draw_audit(
    folder: Path, films: Films, evidence: Evidence, around: Region, found: Verdict, classes: list[str], arm: str
) -> None:
    """blame.npz, and the audit in one picture, which mlflow ui shows beside those of other runs.

    films: the audited ones, (N, H, W). around: (H, W), pixels around the lungs of every source.
    """
    (folder / "keys").mkdir(parents=True)
    np.savez_compressed(folder / "blame.npz", blame=evidence.blame, blamed=evidence.blamed, around=around)
    figure = audit_figure(films, evidence, around, found, classes[evidence.ranking.target], f"Audit of {arm}")
    (folder / "keys" / "audit.png").write_bytes(to_png(figure))


def find_surroundings(
    table: pd.DataFrame, workspace: Workspace, settings: Audit, seed: int
) -> tuple[Surroundings, dict[str, str]]:
    """The lung region of every source, and a description of its origin."""
    manifest = read_manifest(workspace.prepared / "manifest.csv").set_index("image_id")
    sources = manifest.loc[table["image_id"], "source"].to_numpy(str)
    size = int(read_json(workspace.split / "versions.json")["size"])
    rectangle = regions_of_rectangle(**settings.lungs.model_dump(), size=size)
    regions, told = {}, {}
    for source in sorted(set(sources)):
        named = manifest.index[(manifest["source"] == source) & (manifest["lung_mask"] != "")].to_numpy()
        some = np.random.default_rng(seed).permutation(named)[:MASKS].tolist()
        masks = [mask for mask in load_masks(workspace.prepared, "lung_mask", some).values() if mask.any()]
        regions[source], told[source] = regions_of_source(masks, rectangle)
    if join_regions(regions.values()).around.mean() < LEAST_AROUND:
        regions = dict.fromkeys(regions, rectangle)
        told = dict.fromkeys(told, "the rectangle audit.lungs, because no pixel is around the lungs in all sources")
    return Surroundings(sources, regions, table["patient_id"].to_numpy(str)), told


def regions_of_source(masks: list[NDArray[np.bool_]], rectangle: Regions) -> tuple[Regions, str]:
    """The lung region of one source, from masks (size, size) of some films or else the rectangle; and a description of it."""
    if not masks:
        return rectangle, "the rectangle audit.lungs, because there are no lung masks"
    found, told = regions_of_masks(np.stack(masks)), f"{len(masks)} lung masks together"
    if len(masks) < ENOUGH_MASKS:
        found = join_regions([found, rectangle])
        told = f"the rectangle audit.lungs and {told}, which alone would leave out the lungs of other films"
    if found.around.mean() < LEAST_AROUND:
        return rectangle, f"the rectangle audit.lungs, because {len(masks)} lung masks together leave nothing around them"
    return found, told


def outlines_auroc(test: SplitFilms, workspace: Workspace, classes: list[str]) -> float:
    """AUROC, mean of classes, of predictions from lung outlines alone; NaN where there are too few masks."""
    train = load_split(workspace.prepared, workspace.split, "train", classes)
    found: list[Any] = []
    for part in (train, test):
        masks = load_masks(workspace.prepared, "lung_mask", part.table["image_id"].tolist())
        keep = part.table["image_id"].isin(list(masks)).to_numpy()
        found.append((np.stack(list(masks.values())) if masks else np.zeros((0, 1, 1), bool), part.labels[keep], keep))
    (outlines, labels, _), (shown, truth, keep) = found
    probabilities = predict_by_outlines(outlines, labels, shown, len(classes))
    if probabilities is None:
        return float("nan")
    table = test.table[keep]
    names = (table["image_id"].to_numpy(str), table["patient_id"].to_numpy(str))
    told = Predictions(*names, truth, probabilities, probabilities.argmax(axis=1), tuple(classes))
    return float(evaluate_all(told)["auroc_macro"])
