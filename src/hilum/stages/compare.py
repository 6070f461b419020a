"""compare: every arm against the reference: tables, figures, one page, and a run that holds them; or chosen runs on one page."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from hilum.evaluation.comparison import difference_table, draw_arms, mcnemar_table, prediction_changes
from hilum.evaluation.statistics import Draws
from hilum.explain.methods.registry import METHODS
from hilum.pages.arm_results import ArmResults, read_arm
from hilum.pages.audit import audit_warnings, read_audit, render_audit
from hilum.pages.chart_script import load_bundle
from hilum.pages.charts import order_runs
from hilum.pages.comparison import MANY, PAGE, ComparisonPage, render_comparison
from hilum.pages.external import render_external
from hilum.pages.headline import flag_warnings, headline
from hilum.pages.levels import Levels
from hilum.pages.page_words import (
    find_warnings,
    folders,
    gather_facts,
    measure_notes,
    name_levels,
    read_agreement,
    read_sanity,
    summarise_arm,
)
from hilum.pages.sanity import render_sanity
from hilum.pages.subgroups import read_subgroups, render_subgroups, subgroup_charts
from hilum.progress import bar, say
from hilum.project.any_runs import write_page
from hilum.project.champion import crown
from hilum.project.chosen_runs import choose_runs, find_films, list_names
from hilum.project.comparison_files import (
    draw_arm_panels,
    draw_figures,
    flat_differences,
    flat_repeat_differences,
    write_folds,
    write_repeats,
    write_tables,
)
from hilum.project.comparison_parts import (
    compare_all,
    compare_shortcut_baselines,
    explanation_table,
    make_charts,
    make_room,
    validation_of,
)
from hilum.records import Predictions
from hilum.results import (
    base_tags,
    flatten,
    folder_digest,
    read_json,
    read_table,
    write_json,
)
from hilum.runs import code_tags, log_results
from hilum.settings.params import Compare, Params, read_params
from hilum.tracking.opening import open_store
from hilum.tracking.saved_views import save_views
from hilum.tracking.stage_keys import stage_key
from hilum.workspace import Workspace, find_workspace


def run(runs: Sequence[str] = (), where: str = "", reference: str = "", out: str = "", no_films: bool = False) -> dict[str, Any]:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    names = list_names(runs)
    if not names and not where and reference and reference != params.compare.reference:
        raise ValueError(
            f"the reference of the project's arms is compare.reference of params.yaml, {params.compare.reference}, got "
            f"--reference {reference}; change it there, or name the runs: "
            f"hilum compare {' '.join(params.compared)} --reference {reference}"
        )
    if not names and not where:
        found = compare_arms_of_project(workspace, params, not no_films)
        if out:
            shutil.copy(workspace.comparison / PAGE, out)
        return found
    with tempfile.TemporaryDirectory(prefix="hilum-") as fetched:
        chosen, told = choose_runs(names, where, workspace, Path(fetched), reference)
        write_page(chosen, told, params, workspace, Path(out or PAGE), not no_films)
    say(f"{len(chosen)} runs compared: {out or PAGE}")
    return {"page": out or PAGE, "runs": [run.name for run in chosen], "left_out": list(told)}


def compare_arms_of_project(workspace: Workspace, params: Params, films: bool) -> dict[str, Any]:
    """The stage. films: whether the page shows pictures of films."""
    versions = read_json(workspace.split / "versions.json")
    store = open_store(workspace, params.tracking)
    arms = {name: read_arm(workspace, name, versions["classes"]) for name in params.compared}
    if len(arms) > MANY:  # else they are in the order of params.yaml; the best of many on test films is partly luck
        arms = {name: arms[name] for name in order_runs(validation_of(arms, params.train.select), params.train.select)}
    folder = workspace.comparison
    shutil.rmtree(folder, ignore_errors=True)
    tags = {**base_tags("comparison", versions), **code_tags(workspace), "reference": params.compare.reference}
    key = comparison_key(arms, params, workspace, versions, films)
    with store.start("comparison", tags, key=key) as opened:
        write_comparison(folder, arms, params, workspace, versions, films)
        log_results(opened, folder, "comparison")
    with store.contact.while_answered():  # else `publish` names the champion
        crown(store, params, arms)
        save_views(store)
    say(f"{len(arms)} arms compared: results/comparison/{PAGE}")
    return {
        "page": str(folder / PAGE),
        "reference": params.compare.reference,
        "metrics": {name: arm.metrics for name, arm in arms.items()},
        "differences": read_table(folder / "differences.csv").to_dict("records"),
    }


def comparison_key(
    arms: dict[str, ArmResults], params: Params, workspace: Workspace, versions: dict[str, Any], films: bool
) -> str:
    """Of all that the comparison's files follow from."""
    read = {name: {one.name: folder_digest(one) for one in list_folders(workspace, name)} for name in arms}
    return stage_key([read, params.model_dump(exclude={"tracking", "workers"}), versions, films])


def list_folders(workspace: Workspace, arm: str) -> list[Path]:
    """The folders of an arm's results."""
    return sorted(folder for folder in workspace.arm(arm, "training").parent.iterdir() if folder.is_dir())


def write_comparison(
    folder: Path, arms: dict[str, ArmResults], params: Params, workspace: Workspace, versions: dict[str, Any], films: bool
) -> None:
    """differences, McNemar, prediction changes, metrics of all arms, figures, panels with a row per arm, and the page."""
    settings, reference, classes = params.compare, params.compare.reference, list(versions["classes"])
    predictions = {name: arm.test for name, arm in arms.items()}
    draws = draw_all(predictions, settings)
    differences, simultaneous = difference_table(draws, reference, settings.confidence), compare_all(draws, settings.confidence)
    mcnemar = mcnemar_table(predictions, reference, params.compare.seed)
    changes = {n: prediction_changes(predictions[reference], one) for n, one in predictions.items() if n != reference}
    explanation, baselines = explanation_table(arms), compare_shortcut_baselines(arms)
    tables = {"differences": differences, "mcnemar": mcnemar, "shortcut_baselines": pd.DataFrame(baselines)}
    write_tables(folder, arms, {**tables, "explanations": explanation, **{f"changes_{n}": one for n, one in changes.items()}})
    audits = {name: read_audit(arm.folder["audit"]) for name, arm in arms.items()}
    titles = {name: method.title for name, method in METHODS.items()}
    levels, subgroups = name_levels(arms, settings.confidence), read_subgroups(folders(arms, "evaluation"))
    draw_arm_panels(folder, arms, workspace, classes)
    page = ComparisonPage(
        title="hilum: " + " and ".join(arms),
        classes=classes,
        reference=reference,
        headline=headline(arms, differences, reference),
        facts=gather_facts(arms, params, workspace, versions),
        levels=levels,
        arms=[summarise_arm(name, arm, sum(versions["train_counts"])) for name, arm in arms.items()],
        class_tables={name: read_table(arm.folder["evaluation"] / "test_classes.csv") for name, arm in arms.items()},
        differences=differences,
        mcnemar=mcnemar,
        changes=changes,
        shortcut_baselines=baselines,
        margin=params.evaluate.acquisition.margin,
        explanation=explanation.assign(method=explanation["method"].map(titles)),
        notes=measure_notes(),
        agreement=[read_agreement(name, arm, titles) for name, arm in arms.items() if len(arm.maps) > 1],
        figures=draw_figures(folder, arms, differences, classes, settings, levels),
        warnings=[
            *audit_warnings(audits),
            *flag_warnings(baselines, params.evaluate.acquisition.margin),
            *find_warnings(arms, params, workspace, subgroups),
        ],
        folds=write_folds(folder, workspace, params, classes),
        repeats=write_repeats(folder, arms, params, classes),
        audit=render_audit(audits),
        external=render_external({name: workspace.arm(name, "external") for name in arms}),
        sanity=render_sanity({name: read_sanity(arm) for name, arm in arms.items()}, titles),
        **draw_in_browser(arms, simultaneous, subgroups, params, workspace, levels, films),
    )
    (folder / PAGE).write_text(render_comparison(page))
    write_json(folder / "metrics.json", {**flat_differences(differences), **flat_repeat_differences(page.repeats)})
    models = {name: arm.settings["model_sha256"] for name, arm in arms.items()}
    write_json(folder / "settings.json", {"params": flatten(settings, "compare"), "models": models})


def draw_in_browser(
    arms: dict[str, ArmResults],
    simultaneous: pd.DataFrame,
    subgroups: dict[str, pd.DataFrame],
    params: Params,
    workspace: Workspace,
    levels: Levels,
    films: bool,
) -> dict[str, Any]:
    """The fields of the page that a browser draws, charts and film room, and the subgroups beside their chart."""
    shown = {name: find_films(arm, workspace, {}) if films else None for name, arm in arms.items()}
    room, without = make_room(arms, params.compare.reference, shown, films)
    charts = make_charts(arms, simultaneous, params.compare.reference, params.train.select, levels)
    return {
        "simultaneous": simultaneous,
        "subgroups": render_subgroups(subgroups, levels.arms),
        "charts": [*charts, *subgroup_charts(subgroups, levels.arms)],
        "bundle": load_bundle(workspace.cache),
        "room": room,
        "left_out": without,
    }


def draw_all(predictions: dict[str, Predictions], settings: Compare) -> dict[str, Draws]:
    """Every metric of every arm on the same resamples of patients."""
    report = bar("patients resampled for the differences")
    return draw_arms(
        predictions,
        settings.reference,
        settings.bootstrap,
        settings.seed,
        on_resample=lambda arm, done, total: report(done, total),
    )
