"""The part of the comparison page on subgroups: which are served worse, which gap would have been found, all groups, a chart."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from hilum.evaluation.group_measures import MEASURES
from hilum.evaluation.style import arm_colour
from hilum.evaluation.subgroups import NOT_SHOWN, POWER, SUBGROUPS, TOO_SMALL, WORSE, tell_subgroups
from hilum.evaluation.tables import FEW_PATIENTS
from hilum.pages.chart_parts import ROWS, by_place, choice, finish, finite, judged, zero_line
from hilum.pages.chart_script import ChartPart
from hilum.pages.headline import difference_text
from hilum.pages.numbers import number
from hilum.pages.templates import render
from hilum.results import read_table


def read_subgroups(folders: Mapping[str, Path]) -> dict[str, pd.DataFrame]:
    """arm -> its table of `measure_subgroups`; folders: arm -> its evaluation. Evaluations of earlier versions have none."""
    files = {arm: folder / SUBGROUPS for arm, folder in folders.items()}
    text = {"column": str, "group": str, "note": str}
    return {arm: read_table(file).fillna({"note": ""}).astype(text) for arm, file in files.items() if file.is_file()}


def warn_of_subgroups(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """A sentence for each arm and group that is served worse."""
    return [f"{arm}: {sentence}" for arm, table in tables.items() for sentence in tell_subgroups(table)]


def render_subgroups(tables: Mapping[str, pd.DataFrame], level: str) -> Markup:
    """A sentence for each arm, what it names, and a table of all its groups; empty without tables.

    level: such as `95 % interval`.
    """
    if not tables:
        return Markup()
    arms = [
        {"name": arm, "summary": summarise(table), "worse": tell_subgroups(table), "columns": _columns(table)}
        for arm, table in tables.items()
    ]
    *first, last = MEASURES.values()
    return render(
        "subgroups.html",
        arms=arms,
        colour={arm: arm_colour(arm, list(tables)) for arm in tables},
        measures=f"{', '.join(first)} and {last}",
        titles=list(MEASURES.values()),
        level=level,
        few=FEW_PATIENTS,
    )


def summarise(table: pd.DataFrame) -> str:
    """How many groups were measured and named, and which gaps would have been found in those that were not named."""
    measured = table[table["judgement"] != TOO_SMALL]
    groups, all_groups, worse = (_count(rows) for rows in (measured, table, table[table["judgement"] == WORSE]))
    said = (
        f"{groups} of {all_groups} groups in {measured['column'].nunique()} columns are large enough to be measured "
        f"({len(measured)} looks); {worse or 'none'} {'is' if worse < 2 else 'are'} shown to be served worse."
    )
    gaps = []
    for measure, title in MEASURES.items():
        rows = measured[(measured["measure"] == measure) & (measured["judgement"] == NOT_SHOWN)].dropna(subset="detectable")
        if len(rows):
            ordered = rows.sort_values("detectable").iloc[[0, -1]].to_dict("records")
            ends = [f"{number(row['detectable'], 2)} ({row['column']} {row['group']})" for row in ordered]
            gaps.append(f"{title} {' to '.join(dict.fromkeys(ends))}")
    if not gaps:
        return said
    return f"{said} A gap that would have been found in the other groups with a chance of {100 * POWER:g} %: {'; '.join(gaps)}."


def _count(rows: pd.DataFrame) -> int:
    return len(rows[["column", "group"]].drop_duplicates())


def _columns(table: pd.DataFrame) -> list[tuple[str, list[dict[str, Any]]]]:
    """Column -> its groups, each with a cell for each measure."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in table.to_dict("records"):
        group = found.setdefault(row["column"], {}).setdefault(
            row["group"], {"group": row["group"], "films": row["films"], "patients": row["patients"], "cells": []}
        )
        gap = difference_text({"difference": row["gap"], "low": row["gap_low"], "high": row["gap_high"]})
        group["cells"].append({**row, "gap": gap})
    return [(column, list(groups.values())) for column, groups in found.items()]


def subgroup_charts(tables: Mapping[str, pd.DataFrame], level: str) -> list[ChartPart]:
    """One chart of the gaps of all groups, an arm and a measure at a time; none where no group was measured."""
    rows = [
        {
            **{name: row[name] for name in ("measure", "judgement", "films")},
            **{name: finite(row[name]) for name in ("gap", "gap_low", "gap_high", "value", "rest", "detectable")},
            "run": arm,
            "group": f"{row['column']}: {row['group']}",
            "place": place,
        }
        for arm, table in tables.items()
        for place, row in enumerate(table.to_dict("records"))
        if row["judgement"] != TOO_SMALL
    ]
    if not rows:
        return []
    says = f"Group minus all other films with {level}s that hold for all groups, columns and measures of an arm at once."
    most = max(len({row["group"] for row in rows if row["run"] == arm}) for arm in tables)
    return [ChartPart("subgroups", "Subgroups", says, finish(_layers(list(tables)), rows, most), wide=True)]


def _layers(arms: list[str]) -> Any:
    import altair as alt

    run = choice("arm", arms, arms)
    shown = choice("measure", list(MEASURES), list(MEASURES.values()))
    base = alt.Chart(alt.NamedData(ROWS)).transform_filter("datum.run == arm && datum.measure == measure")
    y = alt.Y("group:N", title=None, sort=by_place("place"))
    colour, shape = judged(NOT_SHOWN)
    numbers = [alt.Tooltip(f"{name}:Q", format=".3f") for name in ("value", "rest", "gap", "gap_low", "gap_high", "detectable")]
    tips = [alt.Tooltip("group:N"), *numbers, alt.Tooltip("films:Q"), alt.Tooltip("judgement:N")]
    bars = base.mark_rule(strokeWidth=2).encode(
        y=y, x=alt.X("gap_low:Q", title="group minus all other films"), x2="gap_high:Q", color=colour
    )
    points = base.mark_point(filled=True, size=80, opacity=1).encode(y=y, x="gap:Q", color=colour, shape=shape, tooltip=tips)
    return alt.layer(zero_line(), bars, points).add_params(run, shown)
