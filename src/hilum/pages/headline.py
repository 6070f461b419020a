"""The key metrics of every arm, beside the shortcut baselines, which see no lung."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
import pandas as pd

from hilum.evaluation.scoring.metrics import metric_title
from hilum.evaluation.shortcut_baselines import MEASURED, SEES, SHORTCUT_BASELINES, tell_flag
from hilum.evaluation.signed_numbers import signed_interval
from hilum.evaluation.statistics import Interval
from hilum.evaluation.style import with_interval
from hilum.pages.arm_results import ArmResults
from hilum.pages.levels import interval_name, name_intervals
from hilum.pages.numbers import number


class HeadlineRow(TypedDict):
    """One line of the headline table, as `headline_rows` makes it.

    metric: flat name; name: as displayed; arms: arm -> text; majority: text; shortcut_baselines: name -> text;
    differences: arm other than the reference -> (text, judgement: better, worse or unclear).
    """

    metric: str
    name: str
    arms: dict[str, str]
    majority: str
    shortcut_baselines: dict[str, str]
    differences: dict[str, tuple[str, str]]


class ShortcutBaselineRow(TypedDict):
    """How far an arm is above a shortcut baseline: texts, and `flagged`, `not flagged` or `undefined`."""

    arm: str
    classifier: str
    own: str
    shortcut_baseline: str
    difference: str
    verdict: str


def headline_rows(
    intervals: Mapping[str, Mapping[str, Interval]],
    majority: Mapping[str, float],
    differences: pd.DataFrame,
    metrics: Sequence[str],
    shortcut_baselines: Mapping[str, Mapping[str, Interval]],
) -> list[HeadlineRow]:
    """The headline table for these metrics (flat names), the most important first.

    intervals: arm -> flat name -> interval; majority: flat name -> value of always predicting the majority class;
    differences: of `comparison.compare_arms`; shortcut_baselines: displayed name -> flat name -> interval, NaN
    bounds where there is none; a baseline that is undefined in all of them (a single source) is left out.
    """
    shortcut_baselines = {
        name: values
        for name, values in shortcut_baselines.items()
        if any(_bounded(values.get(m)) != "undefined" for m in metrics)
    }
    rows: list[HeadlineRow] = []
    for metric in metrics:
        found: list[Any] = differences[differences["metric"] == metric].to_dict("records")
        rows.append(
            {
                "metric": metric,
                "name": metric_title(metric),
                "arms": {arm: with_interval(values[metric]) for arm, values in intervals.items()},
                "majority": number(majority[metric]),
                "shortcut_baselines": {name: _bounded(values.get(metric)) for name, values in shortcut_baselines.items()},
                "differences": {row["arm"]: (difference_text(row), row["judgement"]) for row in found},
            }
        )
    return rows


def shortcut_baseline_rows(
    metrics: Mapping[str, Mapping[str, float | None]], intervals: Mapping[str, Interval]
) -> list[ShortcutBaselineRow]:
    """A row per arm and shortcut baseline.

    metrics: arm -> flat metrics of `shortcut_baselines.measure_shortcut_baselines`. intervals: arm -> AUROC with interval.
    """
    rows: list[ShortcutBaselineRow] = []
    for arm, found in metrics.items():
        for key, name in SHORTCUT_BASELINES.items():
            value, above = interval_of(found, f"{key}/{MEASURED}"), interval_of(found, f"above_{key}/{MEASURED}")
            rows.append(
                {
                    "arm": arm,
                    "classifier": name,
                    "own": with_interval(intervals[arm]),
                    "shortcut_baseline": _bounded(value),
                    "difference": signed_interval(above.value, above.low, above.high),
                    "verdict": tell_flag(found.get(f"flagged/{key}")),
                }
            )
    return rows


def interval_of(metrics: Mapping[str, float | None], key: str) -> Interval:
    """A flat metric with its `.low` and `.high`; NaN where there is none."""
    bounds = (metrics.get(name) for name in (key, f"{key}.low", f"{key}.high"))
    value, low, high = (float("nan") if bound is None else bound for bound in bounds)
    return Interval(value, low, high, 0.0)


def flag_warnings(rows: Sequence[ShortcutBaselineRow], margin: float) -> list[str]:
    """A sentence for each flag of an arm."""
    seen = {SHORTCUT_BASELINES[key]: text for key, text in SEES.items()}
    return [
        f"{row['arm']} is flagged: its AUROC of {row['own']} is not clearly {margin:g} above the "
        f"{row['shortcut_baseline']} of a classifier that sees {seen[row['classifier']][0]} and no lung "
        f"(difference {row['difference']}). {seen[row['classifier']][1]} could explain it"
        for row in rows
        if row["verdict"] == "flagged"
    ]


def difference_text(row: Mapping[str, Any]) -> str:
    """`+0.049 [+0.020, +0.081]` or `undefined`, from a row of `comparison.compare_arms`."""
    return signed_interval(row["difference"], row["low"], row["high"])


def _bounded(found: Interval | None) -> str:
    if found is None or np.isnan(found.value):
        return "undefined"
    return number(found.value) if np.isnan(found.low) else with_interval(found)


HEADLINE = ("auroc_macro", "auprc_macro", "balanced_accuracy", "accuracy", "mcc", "brier", "ece")


def headline(arms: dict[str, ArmResults], differences: pd.DataFrame, reference: str) -> list[HeadlineRow]:
    """The headline table of the key metrics."""
    values = {name: {m: interval_of(arm.metrics, f"test/{m}") for m in HEADLINE} for name, arm in arms.items()}
    majority = {m: interval_of(arms[reference].metrics, f"majority/{m}").value for m in HEADLINE}
    shortcut_baselines = {
        name: {m: interval_of(arms[reference].metrics, f"{key}/{m}") for m in HEADLINE}
        for key, name in SHORTCUT_BASELINES.items()
    }
    return headline_rows(values, majority, differences, HEADLINE, shortcut_baselines)


def headline_text(arms: dict[str, ArmResults], differences: pd.DataFrame, reference: str, confidence: float) -> str:
    """The table that ends `make repro`. reference, confidence: of the differences.

    Raises:
        ValueError: the reference is none of the arms.
    """
    if reference not in arms:
        raise ValueError(
            f"the reference of the comparison must be one of the arms {', '.join(arms)}, got {reference!r}; run `dvc repro`"
        )
    frame = {}
    for row in headline(arms, differences, reference):
        cells = {**row["arms"], "majority class": row["majority"], **row["shortcut_baselines"]}
        cells |= {f"{name} - {reference}": " ".join(texts) for name, texts in row["differences"].items()}
        frame[row["name"]] = cells
    own = name_intervals({name: arm.folder["evaluation"] for name, arm in arms.items()}, "evaluate")
    between = interval_name(confidence)
    intervals = f"{own} of each arm, {between} of differences" if len(arms) > 1 else own
    return f"\ntest films, over patients: {intervals}\n{pd.DataFrame(frame).T.to_string()}\n"
