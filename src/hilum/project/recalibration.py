"""A model from any door, recalibrated for a site on a few of its labelled films: fitted, measured, and written as a model."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from hilum.data.quality.alike.copies import PROBLEMS
from hilum.evaluation.outside.frozen import group_classes
from hilum.evaluation.outside.seen_films import HASHED, tell_recalibrated_on
from hilum.evaluation.outside.seen_people import PEOPLE, tell_people
from hilum.evaluation.scoring.scaling import Logits
from hilum.evaluation.site_calibration import (
    METHODS,
    Rule,
    SiteFit,
    check_site_films,
    cross_fit_site,
    find_rule,
    fit_site,
    read_logits,
)
from hilum.evaluation.site_figures import site_curve_figure
from hilum.evaluation.site_learning_curve import (
    DRAWS,
    SiteFilms,
    find_sizes,
    flat_pair,
    measure_curve,
    site_metrics,
    tabulate_pair,
)
from hilum.evaluation.statistics import draw_metrics
from hilum.evaluation.style import to_png
from hilum.explain.explained_model import ExplainedModel
from hilum.pages.page_words import tell_limits
from hilum.pages.recalibration import PAGE, RecalibrationPage, render_recalibration
from hilum.progress import bar
from hilum.project.any_evaluation import gather, label_films, tell_odd, tell_seen
from hilum.project.labelled_films import AskedFilms, LabelledFilms, read_data
from hilum.project.output_folder import check_out, filled_folder
from hilum.project.predicted_films import read_and_predict
from hilum.project.recalibrated_model import Parent, SiteModel, name_site, write_site_model
from hilum.project.recalibration_words import tell_apart, tell_decisions, tell_effect, tell_other_method, tell_site
from hilum.project.site_version import check_version, register_site
from hilum.records import Predictions
from hilum.results import table_of, write_json, write_table
from hilum.serving.model_facts import Told
from hilum.serving.opening import open_served
from hilum.settings.params import Evaluate, Params
from hilum.tracking.opening import open_store
from hilum.workspace import Workspace

MADE = "recalibration.json"  # in every folder that is written here
MOST_FILMS = 10_000  # whose hashes a model.json holds; with so many, a model is trained


@dataclass(frozen=True)
class AskedSite:
    """What a command says besides the films. model: from any door. site: its name, or empty. register: into the store too."""

    model: str
    site: str
    method: str
    register: bool


@dataclass(frozen=True)
class ReadSite:
    """The films of a site. rows: of them, in the order of own, the predictions of the model as it is.

    notes: on the films. apart: which patients cannot be compared. problems: films that are left out, columns PROBLEMS.
    """

    rows: pd.DataFrame
    own: Predictions
    notes: list[str]
    apart: list[str]
    problems: pd.DataFrame


@dataclass(frozen=True)
class SiteResult:
    """What was fitted to a site's films and measured on them.

    fit: to all films. before, after: predictions of the model as it is, and cross-fitted over patients. effects: of
    `tabulate_pair`. curve: of `measure_curve`. notes: on sizes that were not drawn.
    """

    fit: SiteFit
    before: Predictions
    after: Predictions
    effects: pd.DataFrame
    curve: pd.DataFrame
    notes: list[str]


def recalibrate_model(
    asked: AskedSite, facts: Mapping[str, str], data: AskedFilms, out: Path, workspace: Workspace, params: Params
) -> dict[str, Any]:
    """`recalibrate`: fit a model's calibration and decision to a site's films, write the folder `out`, print the headline.

    facts: of the model, as options give them, by the names of `Told`.

    Raises:
        ValueError: too few patients of a class, films whose labels do not tell the classes apart, an `out` that holds other
            files; and as `open_served` and `read_data`.
    """
    check_asked(asked, out)
    store = open_store(workspace, params.tracking, goes_on=False) if asked.register else None
    with open_served(asked.model, workspace, params, Told(**facts)) as (explained, described):
        films = read_data(data, list(described["classes"]), workspace)
        parent = Parent(asked.model, described, name_site(asked.site, data.data, list(films.tables)))
        if asked.register:
            check_version(parent, params)
        read = read_site(explained, described, films, params.evaluate, workspace)
        found = measure_site(read.own, find_rule(described, params.train.threshold_rule), asked.method, params.evaluate)
        patients = len(set(read.own.patient_id.tolist()))
        made = SiteModel(parent, asked.method, found.fit, read.rows, patients, films.namings)
        written = write_folder(out, made, explained, found, params.evaluate, read, workspace.cache)
    if store is not None:
        written["version"] = register_site(store, out, params.tracking.model, written["effect"], found.effects)
    tell_site(written, found.curve)
    return {"model": asked.model, "data": data.data, **written}


def check_asked(asked: AskedSite, out: Path) -> None:
    """Refuse an unknown method, and a folder that holds anything but an earlier recalibration."""
    if asked.method not in METHODS:
        raise ValueError(f"--method must be one of {', '.join(METHODS)}, got {asked.method!r}; use one of these words")
    check_out(out, MADE, "recalibration")


def read_site(
    explained: ExplainedModel, described: Mapping[str, Any], films: LabelledFilms, settings: Evaluate, workspace: Workspace
) -> ReadSite:
    """The site's films with the model's predictions, and what there is to say of them.

    Raises:
        ValueError: labels that two classes share, too few patients of a class, or too many films.
    """
    classes = list(described["classes"])
    grouping = group_classes(classes, [films.labels, *films.by_source.values()])
    if joined := [name for name in grouping.names if name not in classes]:
        raise ValueError(
            f"films to recalibrate on must be of one class each, got a finding that is a rule of {' and of '.join(joined)}; give "
            "each finding to one class by --labels"
        )
    rows, problems, notes = label_films(films, classes, grouping)
    if len(rows) > MOST_FILMS:
        raise ValueError(
            f"recalibration takes at most {MOST_FILMS:,} films, whose hashes the model keeps, got {len(rows):,}; name fewer, or "
            "train on them"
        )
    own, read = gather(read_and_predict(explained.predict, described, rows, settings), described, grouping)
    check_site_films(own.y_true, own.patient_id, own.classes)
    people, apart = tell_people(read.rows, films.namings, described)
    notes += [*tell_seen(read.rows, workspace), *tell_recalibrated_on(read.rows, described), *people, *tell_odd(read.odd)]
    return ReadSite(read.rows, own, notes, apart, pd.concat([problems, read.problems], ignore_index=True))


def measure_site(own: Predictions, rule: Rule, method: str, settings: Evaluate) -> SiteResult:
    """Fit to all films, and measure: cross-fitted over patients, and on draws of fewer films."""
    logits: Logits = read_logits(own.y_prob)
    y_prob, y_pred = cross_fit_site(method, logits, own.y_true, own.patient_id, rule, settings.seed)
    after = replace(own, y_prob=y_prob, y_pred=y_pred)
    metrics = site_metrics(settings.calibration_bins)
    drawn = [draw_metrics(one, settings.bootstrap, settings.seed, metrics) for one in (own, after)]
    films = SiteFilms(own, logits, rule)
    curve = measure_curve(
        films,
        min(DRAWS, settings.bootstrap),
        settings.confidence,
        settings.calibration_bins,
        settings.seed,
        bar("films drawn to recalibrate on"),
    )
    effects = tabulate_pair(drawn[0], drawn[1], rule.classes, metrics, settings.confidence)
    return SiteResult(fit_site(method, logits, own.y_true, rule), own, after, effects, curve, find_sizes(films)[1])


def write_folder(
    out: Path,
    made: SiteModel,
    explained: ExplainedModel,
    found: SiteResult,
    settings: Evaluate,
    read: ReadSite,
    cache: Path,
) -> dict[str, Any]:
    """Write the model, its facts, tables, picture and page into `out` in one step; returns the content of recalibration.json.

    cache: where the script of the page's charts is kept.
    """
    with filled_folder(out) as folder:
        facts = write_site_model(folder, made, explained)
        told = describe_recalibration(facts, made, found, read, out)
        flat = flat_pair(found.effects)
        write_json(folder / MADE, told)
        write_json(folder / "metrics.json", flat)
        write_table(folder / "effects.csv", found.effects)
        write_table(folder / "learning_curve.csv", found.curve)
        write_table(folder / "films.csv", made.films[["image_id", "patient_id", "label", *HASHED]])
        write_table(folder / "left_out.csv", read.problems[list(PROBLEMS)])
        write_table(folder / "predictions.csv", pd.concat([table_of(found.before, "before"), table_of(found.after, "after")]))
        if len(found.curve):
            level = f"{100 * settings.confidence:g} % interval"
            picture = site_curve_figure(found.curve, level, f"{facts['arm']}: what films of the site bring on other patients")
            (folder / "learning_curve.png").write_bytes(to_png(picture))
        shares = {name: films / len(made.films) for name, films in told["films_by_class"].items()}
        page = RecalibrationPage(
            facts=told,
            effects=found.effects,
            curve=found.curve,
            before=found.before,
            after=found.after,
            decisions=tell_decisions(made.parent.described, found.fit, found.before, found.after),
            left_out=read.problems,
            not_drawn=found.notes,
            apart=tell_apart(shares, made.namings, read.apart),
        )
        (folder / PAGE).write_text(render_recalibration(page, settings, min(DRAWS, settings.bootstrap), cache))
    return {**told, "metrics": flat, "learning_curve": found.curve.to_dict("records")}


def describe_recalibration(
    facts: Mapping[str, Any], made: SiteModel, found: SiteResult, read: ReadSite, out: Path
) -> dict[str, Any]:
    """The content of recalibration.json. facts: of the new model's model.json."""
    effect, helps = tell_effect(found.effects, made.parent.name)
    scaling = found.fit.scaling
    limits = tell_limits(scaling.note, scaling.temperature, scaling.biases.tolist())
    remarks = [*([] if helps else [effect]), *tell_other_method(found.curve, made.method), *([limits] if limits else [])]
    return {
        **{key: facts[key] for key in ("arm", "classes", "model_sha256", "threshold", "decision_factors")},
        **{key: value for key, value in facts["recalibrated"].items() if key not in ("seen", "before", PEOPLE)},
        "effect": effect,
        "helps": helps,
        "left_out": {str(name): int(count) for name, count in read.problems["problem"].value_counts().items()},
        "notes": [*remarks, *found.notes, *read.notes, *read.apart],
        "out": str(out),
        "page": str(out / PAGE),
    }
