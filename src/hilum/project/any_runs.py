"""A page that compares runs of any day and any experiment; it writes no other file and no run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hilum.evaluation.comparison import difference_table, draw_arms, mcnemar_table, prediction_changes
from hilum.evaluation.scoring.decisions import majority_baseline
from hilum.evaluation.scoring.metrics import evaluate_all
from hilum.evaluation.shared_films import SharedFilms
from hilum.evaluation.statistics import Draws, flat_metrics
from hilum.evaluation.tables import class_table
from hilum.explain.methods.registry import METHODS
from hilum.pages.arm_results import ArmResults
from hilum.pages.audit import audit_warnings, read_audit, render_audit
from hilum.pages.chart_script import load_bundle
from hilum.pages.charts import order_runs
from hilum.pages.comparison import ArmSummary, ComparisonPage, render_comparison
from hilum.pages.headline import headline
from hilum.pages.levels import Levels, interval_name, name_intervals, tell_resamples
from hilum.pages.page_words import folders, measure_notes, read_agreement, read_sanity, summarise_arm, warn_of_given
from hilum.pages.sanity import render_sanity
from hilum.progress import bar
from hilum.project.chosen_runs import ChosenRun, bring_together, find_films, rename_films
from hilum.project.comparison_parts import (
    class_thresholds,
    compare_all,
    explained_arms,
    explanation_table,
    make_charts,
    make_room,
    validation_of,
)
from hilum.settings.params import Params
from hilum.whole_files import write_whole
from hilum.workspace import Workspace

KEPT = ("val/",)  # metrics of a run that do not depend on the test films


def write_page(
    runs: Sequence[ChosenRun], told: Sequence[str], params: Params, workspace: Workspace, out: Path, films: bool
) -> None:
    """Compare runs on the test films that they share, and write the page. The first run is the reference.

    told: what was left out before. films: whether the page shows pictures of films.

    Raises:
        ValueError: runs of other classes, or without shared films.
    """
    reference, shared = runs[0].name, bring_together(runs)
    report = bar("patients resampled")
    settings = params.compare
    draws = draw_arms(
        shared.predictions,
        reference,
        settings.bootstrap,
        settings.seed,
        on_resample=lambda arm, done, total: report(done, total),
    )
    measured = _measure(runs, shared, draws, settings.confidence)
    order = order_runs(validation_of(measured, params.train.select), params.train.select)
    page = _make_page(runs, {name: measured[name] for name in order}, shared, draws, told, params, workspace, films)
    write_whole(out, render_comparison(page))


def _measure(
    runs: Sequence[ChosenRun], shared: SharedFilms, draws: Mapping[str, Draws], confidence: float
) -> dict[str, ArmResults]:
    """Every run with its metrics on the shared films."""
    first = runs[0]
    counts = first.versions.get("train_counts", [])
    predictions = shared.predictions[first.name]
    majority: dict[str, float] = dict.fromkeys(draws[first.name].names, float("nan"))
    if len(counts) == len(predictions.classes):
        majority = evaluate_all(majority_baseline(np.repeat(np.arange(len(counts)), counts), predictions))
    found = {}
    for run in runs:
        kept = {key: value for key, value in run.results.metrics.items() if key.startswith(KEPT)}
        own = flat_metrics(draws[run.name].intervals(confidence), "test")
        found[run.name] = rename_films(run, shared, {**kept, **own, **{f"majority/{k}": v for k, v in majority.items()}})
    return found


def _make_page(
    runs: Sequence[ChosenRun],
    arms: dict[str, ArmResults],
    shared: SharedFilms,
    draws: Mapping[str, Draws],
    told: Sequence[str],
    params: Params,
    workspace: Workspace,
    films: bool,
) -> ComparisonPage:
    settings, reference = params.compare, runs[0].name
    predictions = {name: arm.test for name, arm in arms.items()}
    classes = list(predictions[reference].classes)
    differences = difference_table({name: draws[name] for name in (reference, *arms)}, reference, settings.confidence)
    simultaneous, explained = compare_all({name: draws[name] for name in arms}, settings.confidence), explained_arms(arms)
    titles = {name: method.title for name, method in METHODS.items()}
    levels = _levels(explained, settings.confidence)
    shown = {name: find_films(arm, workspace, shared.names[name]) if films else None for name, arm in arms.items()}
    room, without = make_room(arms, reference, shown, films)
    audited = {name: arm.folder["audit"] for name, arm in arms.items()}
    audits = {name: read_audit(folder) for name, folder in audited.items() if (folder / "audit.json").is_file()}
    table = explanation_table(arms)
    return ComparisonPage(
        title=f"hilum: {len(arms)} runs compared",
        classes=classes,
        reference=reference,
        headline=headline(arms, differences, reference),
        facts=_facts(shared, reference, params, any("given" in run.results.settings["model"] for run in runs)),
        levels=levels,
        arms=[_summarise(run, arms[run.name]) for name in arms for run in runs if run.name == name],
        class_tables=_class_tables(arms, draws, classes, settings.confidence),
        differences=differences,
        mcnemar=mcnemar_table(predictions, reference, settings.seed),
        changes={n: prediction_changes(predictions[reference], one) for n, one in predictions.items() if n != reference},
        shortcut_baselines=[],
        margin=params.evaluate.acquisition.margin,
        explanation=table.assign(method=table["method"].map(titles)),
        notes=measure_notes(),
        agreement=[read_agreement(name, arm, titles) for name, arm in explained.items() if len(arm.maps) > 1],
        figures={},
        warnings=[*warn_of_given(arms), *audit_warnings(audits)],
        folds="",
        audit=render_audit(audits) if audits else "",
        sanity=render_sanity({name: read_sanity(arm) for name, arm in explained.items()}, titles) if explained else "",
        simultaneous=simultaneous,
        charts=make_charts(arms, simultaneous, reference, params.train.select, levels, shared.names),
        bundle=load_bundle(workspace.cache),
        room=room,
        left_out=[*told, *shared.left_out, *without, *_unmeasured(arms, explained, audits)],
    )


def _levels(explained: Mapping[str, ArmResults], confidence: float) -> Levels:
    own = interval_name(confidence)
    return Levels(own, own, name_intervals(folders(explained, "explanations"), "explain") if explained else "")


def _facts(shared: SharedFilms, reference: str, params: Params, given: bool) -> list[tuple[str, str]]:
    predictions = shared.predictions[reference]
    films, patients = len(predictions.image_id), len(np.unique(predictions.patient_id))
    none = "none that hilum trained" if given else "none"
    return [
        ("shared test films", f"{films} of {patients} patients: tested by every run, learned from by {none}"),
        ("metrics and differences", tell_resamples(params.compare.confidence, params.compare.bootstrap)),
        ("sorted by", f"val/{params.train.select} of each run's own validation films"),
        ("measures of maps and audits", "of each run's own films, as its own stages wrote them"),
    ]


def _summarise(run: ChosenRun, arm: ArmResults) -> ArmSummary:
    """The run's settings, and what its data was."""
    summary = summarise_arm(run.name, arm, sum(run.versions.get("train_counts", [])))
    model = arm.settings["model"]
    known = ("data_version", "split_version", "size", "square", "burned_in", "burned_in_reader")
    data = [(key, str(model[key])[:16], "data") for key in known if key in model]
    return replace(summary, values=[("from", run.origin, "data"), *data, *summary.values], notes=[run.origin, *summary.notes])


def _class_tables(
    arms: Mapping[str, ArmResults], draws: Mapping[str, Draws], classes: list[str], confidence: float
) -> dict[str, Any]:
    return {
        name: class_table(arm.test, draws[name].intervals(confidence), class_thresholds(arm.folder["evaluation"], classes))
        for name, arm in arms.items()
    }


def _unmeasured(arms: Mapping[str, ArmResults], *having: Mapping[str, Any]) -> list[str]:
    told = ["The shortcut baselines and subgroups: they were measured on each run's own test films and stand on its own page."]
    for what, found in zip(("measures of maps", "audit"), having, strict=True):
        if lacking := [name for name in arms if name not in found]:
            told.append(f"The {what} of {', '.join(lacking)}: there {'is' if what == 'audit' else 'are'} none.")
    return told
