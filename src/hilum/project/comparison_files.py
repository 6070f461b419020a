"""The files of a comparison beside its page: tables, figures, panels, and what folds and repeats add."""

from pathlib import Path
from typing import Any

import pandas as pd

from hilum.data.annotations import load_annotations
from hilum.data.prepared.loading import load_split
from hilum.evaluation.arm_figures import confusion_arms_figure, difference_figure, metrics_figure
from hilum.evaluation.comparison import compare_arms
from hilum.evaluation.repeat_figures import repeats_figure
from hilum.evaluation.repeat_tables import compare_repeats, repeat_interval_table, resample_arms
from hilum.evaluation.repeats import repeat_intervals
from hilum.evaluation.scoring.decisions import factors_of
from hilum.evaluation.style import to_png
from hilum.evaluation.tables import confusion_matrix
from hilum.explain.drawing.file_names import file_name
from hilum.explain.drawing.heat import png_bytes
from hilum.explain.drawing.panels import Row, draw_rows, prediction_of
from hilum.pages.arm_results import ArmResults
from hilum.pages.folds import FoldResults, render_folds
from hilum.pages.headline import HEADLINE, interval_of
from hilum.pages.levels import Levels, interval_name, read_setting
from hilum.pages.repeats import PageRepeats, read_repeats, render_repeats
from hilum.progress import bar
from hilum.results import (
    REPEATED,
    REPEATS,
    pick_films,
    read_metrics,
    read_predictions,
    read_table,
    write_json,
    write_table,
)
from hilum.settings.params import Compare, Params
from hilum.workspace import Workspace

DRAWN = (*HEADLINE[:5], "sensitivity_macro", "specificity_macro", "f1_macro", *HEADLINE[5:])


def write_tables(folder: Path, arms: dict[str, ArmResults], tables: dict[str, pd.DataFrame]) -> None:
    """These tables by their names, and the metrics, histories and ROC points of all arms in one file each."""
    for name, table in tables.items():
        write_table(folder / f"{name}.csv", table)
    write_json(folder / "arms.json", {name: nested(arm.metrics) for name, arm in arms.items()})
    history = [read_table(arm.folder["training"] / "history.csv").assign(arm=name) for name, arm in arms.items()]
    write_table(folder / "history.csv", pd.concat([one for one in history if len(one)] or history[:1]))
    roc = [read_table(arm.folder["evaluation"] / "roc.csv").assign(arm=name) for name, arm in arms.items()]
    write_table(folder / "roc.csv", pd.concat(roc).assign(curve=lambda t: t["arm"] + ": " + t["class"]))


def nested(metrics: dict[str, float | None]) -> dict[str, Any]:
    """Dotted DVC metrics: {"test": {"auroc_macro": 0.9}}; intervals stay in each arm's own folder."""
    tree: dict[str, Any] = {}
    for key, value in metrics.items():
        if "." not in key and value is not None:
            part, _, name = key.partition("/")
            tree.setdefault(part, {})[name] = value
    return tree


def flat_differences(differences: pd.DataFrame) -> dict[str, float]:
    """`difference/<arm>/<metric>` with .low and .high."""
    flat: dict[str, float] = {}
    for row in differences.to_dict("records"):
        key = f"difference/{row['arm']}/{row['metric']}"
        flat |= {key: row["difference"], f"{key}.low": row["low"], f"{key}.high": row["high"]}
    return flat


def flat_repeat_differences(repeats: PageRepeats | None) -> dict[str, float]:
    """`repeats/difference/<arm>/<metric>` with .low and .high, of the metrics that runs show for repeats, if there are some."""
    if repeats is None:
        return {}
    flat = flat_differences(repeats.differences[repeats.differences["metric"].isin(REPEATED)])
    return {f"{REPEATS}/{key}": value for key, value in flat.items()}


def draw_figures(
    folder: Path,
    arms: dict[str, ArmResults],
    differences: pd.DataFrame,
    classes: list[str],
    settings: Compare,
    levels: Levels,
) -> dict[str, bytes]:
    """The page's pictures by their keys; those that its charts show as well are written as files alone."""
    names = list(arms)
    matrices = {name: confusion_matrix(arm.test) for name, arm in arms.items()}
    values = {name: {m: interval_of(arm.metrics, f"test/{m}") for m in DRAWN} for name, arm in arms.items()}
    figures = {
        "confusion": to_png(confusion_arms_figure(matrices, classes, "test films")),
        "metrics": to_png(metrics_figure(values, DRAWN, names, levels.arms, "test films")),
    }
    if len(arms) > 1:
        rows = differences[differences["metric"].isin(DRAWN)].sort_values(
            "metric", key=lambda m: m.map(DRAWN.index), kind="stable"
        )
        title = f"difference from {settings.reference}, test films"
        figures["differences"] = to_png(difference_figure(rows, settings.reference, names, settings.confidence, title))
    for name, picture in figures.items():
        (folder / f"{name}.png").write_bytes(picture)
    kinds = {"learning": "curves.png", "scaling": "scaling.png"}  # the first of trained arms, the second of calibrated ones
    files = {f"{kind}/{name}": arm.folder["evaluation"] / file for name, arm in arms.items() for kind, file in kinds.items()}
    return {key: file.read_bytes() for key, file in files.items() if file.is_file()}


def draw_arm_panels(folder: Path, arms: dict[str, ArmResults], workspace: Workspace, classes: list[str]) -> None:
    """panels/<film>.png: one picture per explained film with a row per arm."""
    films = load_split(workspace.prepared, workspace.split, "explain", classes)
    image_ids = list(films.table["image_id"])
    annotations = load_annotations(workspace.prepared, image_ids)
    (folder / "panels").mkdir(parents=True)
    report = bar("films drawn under every arm")
    for index, image_id in enumerate(image_ids):
        rows = []
        for name, arm in arms.items():
            chosen = pick_films(arm.test, [image_id])
            maps = list(arm.maps.values())
            target = int(maps[0].targets[index]) if maps else int(chosen.y_pred[0])
            model = arm.settings["model"]
            prediction = prediction_of(chosen, 0, target, model["threshold"], factors_of(model))
            rows.append(Row(name, maps, index, prediction))
        picture = png_bytes(draw_rows(films.examples.films[index], rows, annotations[index]))
        (folder / "panels" / f"{file_name(image_id)}.png").write_bytes(picture)
        report(index + 1, len(image_ids))


def write_folds(folder: Path, workspace: Workspace, params: Params, classes: list[str]) -> str:
    """Where folds ran: the arms' pooled out-of-fold predictions against the reference, as a table and as a part of the page."""
    if not params.split.folds:
        return ""
    chosen = [arm for arm in params.arms if arm in params.crossvalidate.arms]
    found = {arm: read_folds(workspace.arm(arm, "crossvalidation"), classes) for arm in chosen}
    settings, reference = params.compare, params.compare.reference
    predictions = {arm: one.predictions for arm, one in found.items()}
    differences = compare_arms(predictions, reference, settings.bootstrap, settings.confidence, params.compare.seed)
    write_table(folder / "fold_differences.csv", differences)
    return render_folds(found, params.compared, reference, differences, HEADLINE, params.split.fold_by, settings.confidence)


def write_repeats(folder: Path, arms: dict[str, ArmResults], params: Params, classes: list[str]) -> PageRepeats | None:
    """Where an arm was repeated: the means of all arms' trainings against the reference's, as tables and a part of the page."""
    settings = params.compare
    found = {name: read_repeats(arm.folder["evaluation"], tuple(classes)) for name, arm in arms.items()}
    repeats = {name: one for name, one in found.items() if one}
    if not repeats:
        return None
    test = {name: repeats[name].test if name in repeats else [arm.test] for name, arm in arms.items()}
    report = bar("patients resampled for the repeats")
    drawn = resample_arms(test, settings.reference, settings.bootstrap, settings.seed, on_resample=report)
    intervals = {name: repeat_intervals(one, settings.confidence) for name, one in drawn.items()}
    differences = compare_repeats(drawn, settings.reference, settings.confidence)
    write_table(folder / "repeat_differences.csv", differences)
    means = [repeat_interval_table({"test": one}).assign(arm=name) for name, one in intervals.items()]
    write_table(folder / "repeats.csv", pd.concat(means))
    level, shown = interval_name(settings.confidence), {name: intervals[name] for name in repeats}
    served = {name: one.served for name, one in repeats.items()}
    picture = to_png(repeats_figure(shown, served, REPEATED[:4], list(arms), level, "repeats, test films"))
    (folder / "repeats.png").write_bytes(picture)
    metrics = tuple(dict.fromkeys((*HEADLINE, *REPEATED)))
    return render_repeats(repeats, intervals, differences, list(arms), settings.reference, metrics, settings.confidence, picture)


def read_folds(folder: Path, classes: list[str]) -> FoldResults:
    """One arm's cross-validation."""
    return FoldResults(
        read_metrics(folder / "metrics.json"),
        read_predictions(folder / "predictions.csv", "out_of_fold", tuple(classes)),
        read_table(folder / "folds.csv"),
        (folder / "contradictions.png").read_bytes(),
        read_setting(folder, "evaluate.confidence"),
    )
