"""evaluate: one arm's predictions on validation and test films, every metric with its interval, and the figures.

With --model and --data, any classifier on any labelled films.
"""

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hilum.data.prepared.examples import Examples, as_images
from hilum.data.prepared.loading import SplitFilms, load_split, read_burned_in, read_manifest
from hilum.evaluation.contact_sheet import draw_contact_sheet
from hilum.evaluation.figures import confusion_figure
from hilum.evaluation.repeat_figures import repeats_figure
from hilum.evaluation.repeat_tables import flat_repeats, repeat_interval_table, repeat_table
from hilum.evaluation.repeats import Resampled, repeat_intervals, resample_repeats
from hilum.evaluation.scoring.decisions import decide, factors_of, majority_baseline, one_vs_rest_thresholds
from hilum.evaluation.scoring.metrics import evaluate_all, with_bins
from hilum.evaluation.shortcut_baselines import (
    SEES,
    SHORTCUT_BASELINES,
    measure_shortcut_baselines,
    predict_shortcut_baselines,
    tell_flag,
)
from hilum.evaluation.statistics import Interval, flat_metrics, patient_bootstrap
from hilum.evaluation.style import to_png
from hilum.evaluation.subgroups import SUBGROUPS, flat_subgroups, measure_subgroups, name_groups, tell_subgroups
from hilum.evaluation.tables import class_table, confusion_matrix, interval_table
from hilum.evaluation.written_figures import draw_curves, draw_learning, draw_scaling
from hilum.models.classifier import load_classifier
from hilum.models.forward import predictor
from hilum.pictures import save_png
from hilum.progress import bar, say
from hilum.project.any_evaluation import evaluate_films
from hilum.project.labelled_films import AskedFilms
from hilum.records import Films, Keep, Predictions
from hilum.results import REPEATED, REPEATS, flatten, read_json, read_table, run_key, table_of, write_json, write_table
from hilum.runs import arm_run, log_films, log_results
from hilum.settings.params import Evaluate, Params, read_params
from hilum.settings.training import Augment
from hilum.tracking.opening import open_store
from hilum.tracking.repeat_runs import log_measured_repeats
from hilum.training.learning.augmentation import Changes, draw_views
from hilum.workspace import Workspace, find_workspace

PARTS = ("val", "test")
DRAWN = ("auroc_macro", "balanced_accuracy", "accuracy", "f1_macro")  # of the repeats


def run(
    arm: str = "",
    model: str = "",
    data: str = "",
    labels: str = "",
    columns: str = "",
    pattern: str = "",
    out: str = "",
    explain: str = "",
    audit: bool = False,
    classes: str = "",
    size: str = "",
    square: str = "",
    scaling: str = "",
    threshold: str = "",
) -> dict[str, Any]:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    if bool(arm) == bool(model or data) or bool(model) != bool(data):
        raise ValueError("evaluate takes either --arm (validation and test films of one arm) or --model with --data (any films)")
    asked = AskedFilms(data, labels, columns, pattern)
    told = {"classes": classes, "size": size, "square": square, "scaling": scaling, "threshold": threshold}
    if arm and (any(told.values()) or asked != AskedFilms() or out or explain or audit):
        raise ValueError("the options of films, maps, audit, an own model and --out belong to --model with --data, not to --arm")
    if arm:
        return evaluate_arm(arm, workspace, params)
    return evaluate_films(model, told, asked, Path(out or "evaluated"), explain, audit, workspace, params)


def decided_by(params: Params) -> dict[str, Any]:
    """The settings that decide an evaluation besides the arm's."""
    return {**flatten(params.evaluate), "age_groups": params.split.confounding.age_groups}


def evaluate_arm(arm: str, workspace: Workspace, params: Params) -> dict[str, Any]:
    """The stage: one arm on the films of the split."""
    training = workspace.arm(arm, "training")
    description = read_json(training / "model.json")
    store = open_store(workspace, params.tracking)
    folder = workspace.arm(arm, "evaluation")
    shutil.rmtree(folder, ignore_errors=True)
    with arm_run(store, workspace, arm, "evaluation", params.tracking.model, decided_by(params)) as opened:
        parts = {part: load_split(workspace.prepared, workspace.split, part, description["classes"]) for part in PARTS}
        keep, settings = opened.keep, params.evaluate
        by_part = predict_parts(training, parts, keep)
        write_evaluation(folder, by_part, settings, settings.seed, description, workspace.split, keep)
        if (training / REPEATS).is_dir():
            write_repeats(folder, training, parts, settings, settings.seed, arm, keep)
        write_films(folder, workspace)
        served_worse = write_subgroups(folder, by_part["test"], params, workspace, keep)
        flags = write_shortcut_baselines(folder, by_part["test"], settings, settings.seed, description, workspace, keep)
        trained = read_json(training / "settings.json")
        draw_learning(folder, read_table(training / "history.csv"), trained, arm)
        draw_scaling(folder, training, arm)
        films = load_split(workspace.prepared, workspace.split, "train", description["classes"])
        seed = {"train.seed": description["repeat"]["seed"]} if "repeat" in description else {}
        draw_augmented(folder, films, description["classes"], {**trained["params"], **seed})
        made_from = {"arm": arm, "model_sha256": description["model_sha256"], "run_key": run_key(trained)}
        write_json(folder / "settings.json", {**made_from, "params": flatten(params.evaluate, "evaluate"), "tags": flags})
        log_films(opened, workspace, "test")
        log_measured_repeats(store, opened, folder)
        log_results(opened, folder, "evaluation")
    metrics = read_json(folder / "metrics.json")
    for name in ("auroc_macro", "balanced_accuracy"):
        low, high = metrics[f"test/{name}.low"], metrics[f"test/{name}.high"]
        say(f"{arm}: test/{name} {metrics[f'test/{name}']:.3f} [{low:.3f}, {high:.3f}]")
    tell_repeats(arm, metrics, description)
    for name in [name for name, told in flags.items() if told == "flagged"]:
        say(f"{arm}: flagged, not clearly above what {SEES[name][0]} can predict without the lungs")
    for told in served_worse:
        say(f"{arm}: {told}")
    return {"arm": arm, "metrics": metrics, "flags": flags, "served_worse": served_worse}


def predict_parts(training: Path, parts: Mapping[str, SplitFilms], keep: Keep, of: str = "predictions") -> dict[str, Predictions]:
    """The predictions of the model in a folder of training, on validation and test films. of: what `keep` calls them."""
    predict, description = predictor(load_classifier(training / "model.keras")), read_json(training / "model.json")
    return {part: keep(f"{of}-{part}", partial(prediction, predict, films, description)) for part, films in parts.items()}


def write_repeats(
    folder: Path, training: Path, parts: Mapping[str, SplitFilms], settings: Evaluate, seed: int, arm: str, keep: Keep
) -> None:
    """repeats/<number>.csv with each repeat's predictions, repeats.csv, repeat_intervals.csv, repeats.png, and metrics."""
    listed = read_table(training / "repeats.csv")
    found: dict[str, list[Predictions]] = {part: [] for part in parts}
    for number in listed["repeat"]:
        by_part = predict_parts(training / REPEATS / str(number), parts, keep, f"predictions-{number}")
        write_table(folder / REPEATS / f"{number}.csv", pd.concat([table_of(p, part) for part, p in by_part.items()]))
        for part, predictions in by_part.items():
            found[part].append(predictions)
    metrics = with_bins(settings.calibration_bins)

    def resampled(part: str) -> Resampled:
        told = f"{part}: patients resampled for {len(found[part])} repeats"
        return resample_repeats(found[part], settings.bootstrap, seed, metrics, bar(told))

    drawn = {part: keep(f"repeats-{part}", partial(resampled, part)) for part in found}
    intervals = {part: repeat_intervals(one, settings.confidence) for part, one in drawn.items()}
    served = listed["served"].tolist().index(True)
    write_table(folder / "repeats.csv", repeat_table(listed["seed"].tolist(), served, drawn))
    write_table(folder / "repeat_intervals.csv", repeat_interval_table(intervals))
    told = flat_repeats(intervals["test"], "test", REPEATED)
    write_json(folder / "metrics.json", {**read_json(folder / "metrics.json"), **told})
    level, title = f"{100 * settings.confidence:g} % interval", f"{arm}: {len(listed)} repeats, test films"
    figure = repeats_figure({arm: intervals["test"]}, {arm: served}, DRAWN, [arm], level, title)
    (folder / "repeats.png").write_bytes(to_png(figure))


def tell_repeats(arm: str, metrics: Mapping[str, float], description: Mapping[str, Any]) -> None:
    """The mean over the repeats, where there are some."""
    for name in ("auroc_macro", "balanced_accuracy") if "repeat" in description else ():
        mean, low, high, spread = (metrics[f"repeats/test/{name}{end}"] for end in ("", ".low", ".high", ".sd"))
        if mean is not None:
            say(
                f"{arm}: test/{name} {mean:.3f} [{low:.3f}, {high:.3f}] over seeds and patients, mean of "
                f"{description['repeat']['of']} repeats with a standard deviation of {spread:.3f}"
            )


def prediction(predict: Any, films: SplitFilms, description: dict[str, Any]) -> Predictions:
    """The model's probabilities and predictions on the films of one split."""
    probabilities = predict(as_images(films.examples.films))
    return Predictions(
        films.table["image_id"].to_numpy(str),
        films.table["patient_id"].to_numpy(str),
        films.labels,
        probabilities,
        decide(probabilities, description["threshold"], factors_of(description)),
        tuple(description["classes"]),
    )


def write_evaluation(
    folder: Path,
    by_part: dict[str, Predictions],
    settings: Evaluate,
    seed: int,
    description: dict[str, Any],
    split: Path,
    keep: Keep,
) -> None:
    """predictions.csv, metrics.json, intervals, per-class tables, matrices and figures."""
    metrics = with_bins(settings.calibration_bins)
    write_table(folder / "predictions.csv", pd.concat([table_of(p, part) for part, p in by_part.items()]))
    counts = read_json(split / "versions.json")["train_counts"]
    majority = majority_baseline(np.repeat(np.arange(len(counts)), counts), by_part["test"])
    flat: dict[str, float] = {f"majority/{k}": v for k, v in evaluate_all(majority, metrics).items() if "/" not in k}

    def resampled(part: str) -> dict[str, Interval]:
        report = bar(f"{part}: patients resampled")
        return patient_bootstrap(by_part[part], settings.bootstrap, settings.confidence, seed, metrics, report)

    for part, predictions in by_part.items():
        found = keep(f"intervals-{part}", partial(resampled, part))
        flat |= flat_metrics(found, part)
        write_table(folder / f"{part}_intervals.csv", interval_table(predictions, found))
        thresholds = one_vs_rest_thresholds("youden", by_part["val"].y_true, by_part["val"].y_prob)
        write_table(folder / f"{part}_classes.csv", class_table(predictions, found, thresholds, metrics))
        matrix = confusion_matrix(predictions)
        names = list(predictions.classes)
        write_table(folder / f"{part}_confusion.csv", pd.DataFrame(matrix, columns=names).assign(true=names))
        (folder / f"{part}_confusion.png").write_bytes(to_png(confusion_figure(matrix, names, f"{description['arm']}: {part}")))
        if part == "test":
            draw_curves(folder, predictions, found, settings, description["arm"])
    write_json(folder / "metrics.json", flat)


def write_films(folder: Path, workspace: Workspace) -> None:
    """films.csv: every film of the three parts by the bytes of its raw file, for comparisons with runs on other splits.

    Columns: image_id, patient_id, part (train, val, test), sha256.
    """
    known = read_manifest(workspace.prepared / "manifest.csv").set_index("image_id")["sha256"]
    tables = [read_table(workspace.split / f"{part}.csv").assign(part=part) for part in ("train", *PARTS)]
    films = pd.concat(tables, ignore_index=True)[["image_id", "patient_id", "part"]]
    write_table(folder / "films.csv", films.assign(sha256=films["image_id"].map(known)))


def write_subgroups(folder: Path, test: Predictions, params: Params, workspace: Workspace, keep: Keep) -> list[str]:
    """subgroups.csv: every group of test films under each measure, and its gap; a sentence for each that is served worse."""
    manifest = read_manifest(workspace.prepared / "manifest.csv")
    groups = name_groups(manifest, read_burned_in(workspace.prepared), params.split.confounding.age_groups)
    of_films = groups.set_axis(manifest["image_id"]).loc[test.image_id.tolist()].reset_index(drop=True)
    resampling = params.evaluate.bootstrap, params.evaluate.confidence, params.evaluate.seed
    table = keep("subgroups", lambda: measure_subgroups(test, of_films, *resampling))
    write_table(folder / SUBGROUPS, table)
    write_json(folder / "metrics.json", {**read_json(folder / "metrics.json"), **flat_subgroups(table)})
    return tell_subgroups(table)


def write_shortcut_baselines(
    folder: Path,
    model: Predictions,
    settings: Evaluate,
    seed: int,
    description: dict[str, Any],
    workspace: Workspace,
    keep: Keep,
) -> dict[str, str]:
    """Shortcut baselines on the test films, and how far the model is above them; returns the flags."""
    shortcut_baselines = keep("shortcut-baselines", lambda: predict_shortcut_baselines(model, settings, description, workspace))
    for name, by_part in shortcut_baselines.items():
        if by_part is not None:
            write_table(folder / f"{name}.csv", table_of(by_part, "test"))
    resampling = settings.bootstrap, settings.confidence, seed
    found = keep(
        "above-shortcut-baselines",
        lambda: measure_shortcut_baselines(model, shortcut_baselines, *resampling, settings.acquisition.margin),
    )
    write_json(folder / "metrics.json", {**read_json(folder / "metrics.json"), **found})
    return {name: tell_flag(found[f"flagged/{name}"]) for name in SHORTCUT_BASELINES}


def draw_augmented(folder: Path, train: SplitFilms, classes: list[str], trained: Mapping[str, Any]) -> None:
    """views.png: a few training films beside the views that the arm was trained on, unless its model was given.

    trained: the parameters of its run.
    """
    prefix = "train.augment."
    if not any(key.startswith(prefix) for key in trained):
        return
    told = {key.removeprefix(prefix): value for key, value in trained.items() if key.startswith(prefix)}
    augment = Augment.model_validate({"erase": 0.0, "unchanged": 0, **told})  # which earlier versions did not have
    seed = trained["train.seed"] if "train.seed" in trained else trained["seed"]  # one seed for all in earlier versions
    changes = Changes(**augment.model_dump(exclude={"views"}))

    def draw(films: Examples, view: int) -> Films:
        return draw_views(films, view, seed, changes)

    save_png(draw_contact_sheet(train, classes, augment, seed, draw), folder / "views.png")
