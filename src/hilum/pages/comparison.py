"""The comparison as one HTML page that needs no other file: the findings in words, then tables and pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

import numpy as np
import pandas as pd
from markupsafe import Markup

from hilum.evaluation.scoring.metrics import METRICS, higher_is_better, metric_title
from hilum.evaluation.style import arm_colour
from hilum.pages.chart_script import ChartPart
from hilum.pages.explanations import SHOWN_FILMS, Agreement, MeasureNote, group_explanations
from hilum.pages.headline import HeadlineRow, ShortcutBaselineRow, difference_text
from hilum.pages.levels import Levels
from hilum.pages.numbers import number, setting
from hilum.pages.repeats import PageRepeats
from hilum.pages.templates import read_script, render

PAGE = "comparison.html"  # its name in the folder of the comparison
SHOWN_CHANGES = 100  # rows of a list of changed predictions on the page
SHOWN_OF_MANY = 20  # the same where there is a list for each of many arms
MANY = 6  # arms; with more, the key metrics have a row for each, and conclusions are counted before they are listed
ARM_FIGURES = ("learning", "scaling")  # kinds


class CalibrationRow(TypedDict):
    """One arm's line of the table of calibration, as texts.

    scaling: what the logits were divided by, and biases; fitted: on which films, to which class prior; log_loss, brier, ece:
    before and after, those after on patients that the fit did not see; note: what a reader must know, or empty.
    """

    scaling: str
    fitted: str
    log_loss: str
    brier: str
    ece: str
    note: str


@dataclass(frozen=True)
class ArmSummary:
    """An arm's model and settings.

    phases: a readable line each; values: its settings as (key, value, origin), origin `params` or `search`; decision: how its
    prediction comes from probabilities, in words; calibration: None for a training from before there was any.
    """

    name: str
    backbone: str
    weights: str
    weights_are: str  # initial weights, or the model file of a given model
    phases: list[str]
    films_trained_on: int
    kept: str  # which epoch, or which penalty of a solved head
    model_sha256: str
    decision: str
    calibration: CalibrationRow | None
    values: list[tuple[str, Any, str]]
    notes: list[str]


@dataclass(frozen=True)
class ComparisonPage:
    """Everything that the page shows, ready made.

    headline: of `headline_rows`; its first row is the metric of the conclusion.
    facts: (what, value). levels: names of the intervals, given in every sentence and column.
    class_tables: arm -> `tables.class_table`; differences: `comparison.compare_arms`; mcnemar: `comparison.mcnemar_table`;
    changes: arm -> `comparison.prediction_changes`.
    shortcut_baselines: of `shortcut_baseline_rows`; margin: how far an arm must be above a shortcut baseline.
    explanation: columns arm, method, measure, value, low, high, films, chance_random, chance_centre; may be empty.
    notes: on each of its measures, in the order of the page; agreement: of the methods, an arm each.
    figures: PNG by key: learning/<arm>, scaling/<arm>.
    audit: the section on the audit as HTML, may be empty.
    sanity: of `sanity_section.render_sanity`, may be empty.
    folds: of `folds_section.render_folds`, empty where there were no folds.
    subgroups: of `subgroups.render_subgroups`, may be empty.
    repeats: of `repeats.render_repeats`, None where every arm was trained once.
    simultaneous: of `simultaneous.compare_at_once`, or None: then each interval of a difference is that of its arm alone.
    charts: of `charts.draw_charts`, with the script `bundle` that draws them; room: of `film_room.render_room`, may be empty.
    external: of `external.render_external`, may be empty. left_out: what was left out of the comparison, a sentence each.
    """

    title: str
    classes: list[str]
    reference: str
    headline: list[HeadlineRow]
    facts: list[tuple[str, str]]
    levels: Levels
    arms: list[ArmSummary]
    class_tables: dict[str, pd.DataFrame]
    differences: pd.DataFrame
    mcnemar: pd.DataFrame
    changes: dict[str, pd.DataFrame]
    shortcut_baselines: list[ShortcutBaselineRow]
    margin: float
    explanation: pd.DataFrame
    notes: list[MeasureNote]
    agreement: list[Agreement]
    figures: dict[str, bytes]
    warnings: list[str]
    folds: str
    audit: str
    sanity: str
    subgroups: str = ""
    repeats: PageRepeats | None = None
    simultaneous: pd.DataFrame | None = None
    charts: list[ChartPart] = field(default_factory=list)
    bundle: str = ""
    room: str = ""
    external: str = ""
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Conclusion:
    """What the numbers say about one arm. judgement: better, worse, unclear or alone; evidence: a sentence each."""

    judgement: str
    claim: str
    evidence: list[str]


def conclude(page: ComparisonPage) -> list[Conclusion]:
    """The conclusions in words: one per arm other than the reference, or one of an arm alone.

    Raises:
        ValueError: no headline row.
    """
    if not page.headline:
        raise ValueError("the headline must have at least one metric, got none; use headline_rows with one metric or more.")
    main = page.headline[0]
    others = [arm.name for arm in page.arms if arm.name != page.reference]
    if not others:
        own = f"{main['name']}: {main['arms'][page.reference]}, {page.levels.arms}"
        evidence = [f"{own}; the majority class reaches {main['majority']}."]
        return [Conclusion("alone", f"{page.reference} is the only arm: there is nothing to compare it with.", evidence)]
    return [_conclude_arm(page, main, arm) for arm in others]


def _conclude_arm(page: ComparisonPage, main: HeadlineRow, arm: str) -> Conclusion:
    """Over seeds and patients where an arm was repeated, else over patients."""
    found = page.differences if page.repeats is None else page.repeats.differences
    rows = {row["metric"]: row for row in _rows(found) if row["arm"] == arm}
    row, together = _main_difference(page, main, arm) if page.repeats is None else (rows[main["metric"]], "")
    names = {
        what: [line["name"] for line in page.headline if rows[line["metric"]]["judgement"] == what]
        for what in ("better", "worse", "unclear")
    }
    judgement, reference = str(row["judgement"]), page.reference
    against = {"better": "worse", "worse": "better", "unclear": ""}[judgement]
    mixed = f", but {against} in {_listed(names[against])}" if against and names[against] else ""
    if np.isnan(row["difference"]):
        return Conclusion("unclear", f"{arm} and {reference} cannot be compared: {main['name']} is undefined.", [])
    claims = {
        "better": f"{arm} is better than {reference} in {main['name']}{mixed}.",
        "worse": f"{arm} is worse than {reference} in {main['name']}{mixed}.",
        "unclear": f"{arm} and {reference} are not distinguishable in {main['name']}."
        if together
        else f"It is unclear whether {arm} or {reference} is better in {main['name']}.",
    }
    zero = "contains 0" if judgement == "unclear" else "excludes 0"
    direction = "" if higher_is_better(main["metric"]) else " (lower is better)"
    level = page.levels.differences if page.repeats is None else f"{page.repeats.level} over seeds and patients"
    evidence = [
        f"{_told(arm, row, 'arm')}, {_told(reference, row, 'reference')}{direction}: a difference of "
        f"{difference_text(row)}; its {together}{level} {zero}."
    ]
    if len(page.headline) > 1:
        counts = [f"{what} in {_listed(names[what])}" for what in ("better", "worse", "unclear") if names[what]]
        evidence.append(f"Of the {len(page.headline)} key metrics: {'; '.join(counts)}.")
    if arm in page.changes:
        served = "" if page.repeats is None else " (of the served models)"
        evidence.append(f"Films whose prediction changed{served}: {change_counts(page.changes[arm])}.")
    return Conclusion(judgement, claims[judgement], evidence)


def _told(arm: str, row: Mapping[str, Any], side: str) -> str:
    """`finetuned 0.953`, or `finetuned 0.953 (mean of 5 trainings)`. side: `arm` or `reference`, of a row of differences."""
    count = row.get(f"{side}_repeats", 1)
    return f"{arm} {number(row[f'{side}_value'])}" + (f" (mean of {count} trainings)" if count > 1 else "")


def _main_difference(page: ComparisonPage, main: HeadlineRow, arm: str) -> tuple[dict[str, Any], str]:
    """The difference that a conclusion rests on, and `simultaneous ` where its interval is that of all arms at once."""
    row = next(row for row in _rows(page.differences) if (row["arm"], row["metric"]) == (arm, main["metric"]))
    if page.simultaneous is None or len(page.arms) < 3:
        return row, ""
    wanted = (page.reference, arm, main["metric"])
    own = next(one for one in _rows(page.simultaneous) if (one["reference"], one["arm"], one["metric"]) == wanted)
    judgement = "unclear" if own["judgement"] == "not distinguishable" else own["judgement"]
    return {**row, "low": own["low"], "high": own["high"], "judgement": judgement}, "simultaneous "


def count_conclusions(page: ComparisonPage, conclusions: Sequence[Conclusion]) -> str:
    """One sentence on many conclusions: `Of 49 runs, 3 are better than a in AUROC, 1 is worse, 45 are not distinguishable.`"""
    counts = {what: sum(one.judgement == what for one in conclusions) for what in ("better", "worse", "unclear")}
    verb = {what: "is" if count == 1 else "are" for what, count in counts.items()}
    return (
        f"Of {len(conclusions)} runs, {counts['better']} {verb['better']} better than {page.reference} in "
        f"{page.headline[0]['name']}, {counts['worse']} {verb['worse']} worse, {counts['unclear']} {verb['unclear']} "
        "not distinguishable from it."
    )


def change_counts(changes: pd.DataFrame) -> str:
    """`41 became right, 22 became wrong, 3 wrong in another way`, or `none`."""
    counts = changes["change"].value_counts()
    kinds = ("became right", "became wrong", "wrong in another way")
    return ", ".join(f"{counts.get(kind, 0)} {kind}" for kind in kinds) if len(changes) else "none"


def render_comparison(page: ComparisonPage) -> str:
    """The page as one HTML text: pictures, data and scripts inside, nothing loaded from elsewhere.

    Raises:
        ValueError: the reference is none of the arms; a figure's key that the page has no place for; no headline row.
    """
    arms = [arm.name for arm in page.arms]
    if page.reference not in arms:
        raise ValueError(f"the reference must be one of the arms {', '.join(arms)}, got {page.reference!r}; use one of these.")
    places = [f"{kind}/{arm}" for kind in ARM_FIGURES for arm in arms]
    if lost := sorted(set(page.figures) - set(places)):
        raise ValueError(f"a figure's key must be one of {', '.join(places)}, got {', '.join(lost)}; use one of these.")
    conclusions, shown = conclude(page), SHOWN_CHANGES if len(arms) <= MANY else SHOWN_OF_MANY
    filled = render(
        "comparison.html",
        page=page,
        many=len(arms) > MANY,
        counted=count_conclusions(page, conclusions) if len(arms) > MANY else "",
        script=read_script("page.js") if page.charts or page.room else "",
        bundle=Markup(page.bundle),
        arms=arms,
        others=[arm for arm in arms if arm != page.reference],
        colour={arm: arm_colour(arm, arms) for arm in arms},
        conclusions=conclusions,
        levels=page.levels,
        shortcut_baseline_names=list(page.headline[0]["shortcut_baselines"]),
        figures=page.figures,
        arm_figures={kind: [a for a in arms if f"{kind}/{a}" in page.figures] for kind in ARM_FIGURES},
        key_metrics=[(row["metric"], row["name"], not higher_is_better(row["metric"])) for row in page.headline],
        class_metrics=[(name, row.title) for name, row in METRICS.items() if row.kind == "per_class"],
        class_rows=_class_rows(page, arms),
        differences=_rows(page.differences, text=difference_text),
        mcnemar=_rows(page.mcnemar),
        changes={arm: (change_counts(table), len(table), _rows(table.head(shown))) for arm, table in page.changes.items()},
        groups=group_explanations(page.explanation, page.notes),
        shown_films=SHOWN_FILMS,
        settings=_settings(page.arms),
        title_of=metric_title,
        less=lambda metric: not higher_is_better(metric),
    )
    return str(filled)


def _class_rows(page: ComparisonPage, arms: Sequence[str]) -> list[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """Per class the rows of all arms, so that arms are listed below each other."""
    tables = {arm: {row["class"]: row for row in _rows(page.class_tables[arm])} for arm in arms if arm in page.class_tables}
    return [(name, [(arm, rows[name]) for arm, rows in tables.items()]) for name in page.classes] if tables else []


def _settings(arms: Sequence[ArmSummary]) -> dict[str, list[tuple[str, list[tuple[Any, str] | None]]]]:
    """Settings that differ between arms and those that do not: (key, per arm (value, origin) or None)."""
    tables = {arm.name: {key: (value, origin) for key, value, origin in arm.values} for arm in arms}
    keys = dict.fromkeys(key for table in tables.values() for key in table)
    rows = [(key, [table.get(key) for table in tables.values()]) for key in keys]
    shown = {key: {None if cell is None else setting(cell[0]) for cell in cells} for key, cells in rows}
    return {
        "different": [row for row in rows if len(shown[row[0]]) > 1],
        "equal": [row for row in rows if len(shown[row[0]]) == 1],
    }


def _rows(table: pd.DataFrame, **more: Any) -> list[dict[str, Any]]:
    """The table's rows as mappings, with further columns computed from a row."""
    records = [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
    return [row | {name: make(row) for name, make in more.items()} for row in records]


def _listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a; b and c`: names may hold commas themselves."""
    return " and ".join([part for part in ("; ".join(names[:-1]), names[-1]) if part])
