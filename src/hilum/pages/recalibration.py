"""The page of a recalibration for a site: before and after, where the decision lands, what fewer films bring, whose films."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from hilum.evaluation.scoring.metrics import metric_title, sign_of
from hilum.evaluation.signed_numbers import signed_interval
from hilum.evaluation.site_calibration import FEWEST_PATIENTS
from hilum.pages.chart_parts import GREY, LINES, ROWS, choice, finish, finite
from hilum.pages.chart_script import ChartPart, load_bundle
from hilum.pages.charts import draw_calibration
from hilum.pages.levels import interval_name, tell_resamples
from hilum.pages.numbers import bounded_text
from hilum.pages.templates import read_script, render
from hilum.records import Predictions
from hilum.settings.params import Evaluate

PAGE = "recalibration.html"
AS_IT_IS, RECALIBRATED = "as it is", "recalibrated"
OF_CURVE = ("log_loss", "ece", "balanced_accuracy")  # of the learning curve's table
LABELS = {"temperature": "temperature", "temperature_and_biases": "temperature and biases"}
NO_DIFFERENCE = "not distinguishable"


@dataclass(frozen=True)
class RecalibrationPage:
    """What the page is made from.

    facts: of recalibration.json. effects, curve: of `tabulate_pair` and `measure_curve`. before, after: predictions of the model
    as it is, and cross-fitted. decisions: (what, as it is, recalibrated) in words. left_out: columns of PROBLEMS. not_drawn:
    sizes of the curve that are left out. apart: what cannot be compared.
    """

    facts: Mapping[str, Any]
    effects: pd.DataFrame
    curve: pd.DataFrame
    before: Predictions
    after: Predictions
    decisions: Sequence[tuple[str, str, str]]
    left_out: pd.DataFrame
    not_drawn: Sequence[str]
    apart: Sequence[str]


def render_recalibration(page: RecalibrationPage, settings: Evaluate, draws: int, cache: Path) -> str:
    """One HTML text that needs no other file. draws: of the learning curve, of each size. cache: for the script of the charts."""
    level = interval_name(settings.confidence)
    charts = draw_calibration({AS_IT_IS: page.before, RECALIBRATED: page.after})
    if len(page.curve):
        charts.append(ChartPart("curve", "Learning curve", _tell_curve(level), _draw_curve(page.curve), wide=True))
    return str(
        render(
            "recalibration.html",
            facts=page.facts,
            resamples=tell_resamples(settings.confidence, settings.bootstrap),
            level=level,
            effects=[_effect_row(row) for row in page.effects.to_dict("records")],
            decisions=page.decisions,
            curve=_curve_rows(page.curve),
            draws=draws,
            few=FEWEST_PATIENTS,
            methods=LABELS,
            of_curve=[(name, metric_title(name)) for name in OF_CURVE],
            not_drawn=page.not_drawn,
            apart=page.apart,
            left_out=page.left_out.head(50).to_dict("records"),
            charts=charts,
            bundle=Markup(load_bundle(cache)),
            script=read_script("page.js"),
        )
    )


def judge_change(row: Mapping[Any, Any]) -> str:
    """Whether the interval of a change excludes 0, and on which side. row: metric, low and high of a difference."""
    if np.isnan(row["low"]) or row["low"] <= 0 <= row["high"]:
        return NO_DIFFERENCE
    return "better" if (row["low"] > 0) == (sign_of(row["metric"]) > 0) else "worse"


def _effect_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        "title": metric_title(row["metric"]),
        "before": bounded_text(row["before"], row["before_low"], row["before_high"]),
        "after": bounded_text(row["after"], row["after_low"], row["after_high"]),
        "difference": signed_interval(row["difference"], row["low"], row["high"]),
        "judgement": judge_change(row),
    }


def _curve_rows(curve: pd.DataFrame) -> list[dict[str, Any]]:
    """A row for each method and size, with the change of each metric of OF_CURVE."""
    found: list[dict[str, Any]] = []
    for (method, size), part in curve.groupby(["method", "size"], sort=False):
        by_metric = {row["metric"]: row for row in part.to_dict("records")}
        cells = [(signed_interval(row["difference"], row["low"], row["high"]), judge_change(row)) for row in
                 (by_metric[name] for name in OF_CURVE)]  # fmt: skip
        first = next(iter(by_metric.values()))
        found.append({"method": LABELS[str(method)], "size": size, "patients": first["patients"], "cells": cells})
    return found


def _tell_curve(level: str) -> str:
    return f"Recalibrated minus as it is on other patients, over the films that it was fitted to; mean over draws and {level}."


def _draw_curve(curve: pd.DataFrame) -> dict[str, Any]:
    import altair as alt

    names = list(dict.fromkeys(curve["metric"]))
    first = [name for name in OF_CURVE if name in names]
    metrics = [*first, *(name for name in names if name not in first)]
    rows = [
        {
            "method": LABELS[row["method"]],
            "size": int(row["size"]),
            "metric": row["metric"],
            **{name: finite(row[name]) for name in ("before", "after", "difference", "low", "high")},
        }
        for row in curve.to_dict("records")
    ]
    shown = choice("metric", metrics, [metric_title(name) for name in metrics])
    base = alt.Chart(alt.NamedData(ROWS)).transform_filter("datum.metric == metric")
    x = alt.X("size:O", title="films", axis=alt.Axis(labelAngle=0))
    apart = alt.XOffset("method:N", scale=alt.Scale(paddingOuter=0.6))
    scale = alt.Scale(domain=list(LABELS.values()), range=list(LINES[: len(LABELS)]))
    colour = alt.Color("method:N", title=None, scale=scale, legend=alt.Legend(orient="bottom", columns=1))
    shape = alt.Shape("method:N", title=None, scale=alt.Scale(domain=list(LABELS.values()), range=["circle", "square"]))
    numbers = [alt.Tooltip(f"{name}:Q", format=".3f") for name in ("before", "after", "difference", "low", "high")]
    tips = [alt.Tooltip("method:N"), alt.Tooltip("size:O", title="films"), *numbers]
    bars = base.mark_rule(strokeWidth=2).encode(x=x, xOffset=apart, y=alt.Y("low:Q", title="change"), y2="high:Q", color=colour)
    points = base.mark_point(filled=True, size=80, opacity=1).encode(
        x=x, xOffset=apart, y="difference:Q", color=colour, shape=shape, tooltip=tips
    )
    none = alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(color=GREY, strokeDash=[4, 3]).encode(y="zero:Q")
    return finish(alt.layer(none, bars, points).add_params(shown), rows)
