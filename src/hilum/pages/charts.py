"""The charts of the comparison page: Vega-Lite specifications by Altair, drawn in the browser by the bundle inside the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from hilum.evaluation.scoring.metrics import metric_title, sign_of
from hilum.evaluation.statistics import Interval
from hilum.evaluation.style import ARM_COLOURS
from hilum.evaluation.tables import confusion_matrix, pr_by_class, reliability_table, roc_by_class
from hilum.pages.chart_parts import (
    FEW,
    ROWS,
    by_place,
    by_run,
    choice,
    diagonal,
    finish,
    finite,
    highlighting,
    judged,
    run_axis,
    run_scale,
    sorted_rows,
    sorting,
    tips,
    value_axis,
    zero_line,
)
from hilum.pages.chart_script import ChartPart
from hilum.records import Predictions

POINTS = 60  # of one curve at most
BINS = 10  # of the calibration chart
NOWHERE = Interval(float("nan"), float("nan"), float("nan"), 0.0)


@dataclass(frozen=True)
class ChartRuns:
    """What the charts draw.

    intervals: run -> flat metric -> interval. predictions: run -> predictions on the compared films. differences: of
    `simultaneous.compare_at_once`. metrics: flat names, the most important first. validation: run -> value of the validation
    metric `select`, NaN where unknown; charts are sorted by it unless the reader chooses otherwise. repeats: of runs trained
    several times, flat metric -> its value of each training, NaN where undefined.
    """

    intervals: Mapping[str, Mapping[str, Interval]]
    predictions: Mapping[str, Predictions]
    differences: pd.DataFrame
    metrics: Sequence[str]
    reference: str
    validation: Mapping[str, float]
    select: str
    repeats: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)


def draw_charts(runs: ChartRuns, interval: str, simultaneous: str) -> list[ChartPart]:
    """All charts. interval, simultaneous: the names of the intervals of a metric and of a difference."""
    order = order_runs(runs.validation, runs.select)
    of_class = f"{next(iter(runs.predictions.values())).classes[0]} against the rest; other classes by the list below it."
    by_validation = " Sorted by validation." if len(order) > 1 else ""
    parts = [
        ChartPart("metrics", "Metrics", f"Test films; value and {interval}.{by_validation}", _metrics(runs, order), True),
        ChartPart("roc", "ROC", of_class, _curves(runs, order, "roc")),
        ChartPart("pr", "Precision and recall", of_class, _curves(runs, order, "pr")),
        ChartPart("calibration", "Calibration", "Share of right predictions by their probability.", _calibration(runs, order)),
        ChartPart("confusion", "Confusion matrices", "Share of the true class; films as numbers.", _confusion(runs, order), True),
    ]
    if runs.repeats:
        says = "Test films; a point is one training, the line their mean. Runs trained once are left out."
        parts.insert(1, ChartPart("repeats", "Trainings with other seeds", says, _repeats(runs, order), wide=True))
    if len(runs.differences):
        together = ", which hold for all runs at once" if len(order) > 2 else ""
        says = f"Run minus reference with {simultaneous}{together}; grey: not distinguishable."
        parts.insert(1, ChartPart("differences", "Differences", says, _differences(runs, order), wide=True))
    return parts


def draw_calibration(predictions: Mapping[str, Predictions]) -> list[ChartPart]:
    """The charts of calibration and of confusion alone. predictions: run -> predictions on the same films."""
    order = list(predictions)
    runs = ChartRuns({run: {} for run in order}, predictions, pd.DataFrame(), [], order[0], {}, "log_loss")
    return [
        ChartPart("calibration", "Calibration", "Share of right predictions by their probability.", _calibration(runs, order)),
        ChartPart("confusion", "Confusion matrices", "Share of the true class; films as numbers.", _confusion(runs, order), True),
    ]


def order_runs(validation: Mapping[str, float], select: str) -> list[str]:
    """The runs by their validation metric, the best first; those without a value last, in their own order."""
    return sorted(validation, key=lambda run: (np.isnan(validation[run]), -sign_of(select) * np.nan_to_num(validation[run])))


def _metrics(runs: ChartRuns, order: Sequence[str]) -> dict[str, Any]:
    import altair as alt

    rows = [
        {
            "run": run,
            "order": i,
            "metric": metric,
            "value": finite(one.value),
            "low": finite(one.low),
            "high": finite(one.high),
            "sign": sign_of(metric),
            "chosen": run == runs.reference,
        }
        for i, run in enumerate(order)
        for metric, one in ((metric, runs.intervals[run].get(metric, NOWHERE)) for metric in runs.metrics)
    ]
    shown, by = choice("metric", runs.metrics, [metric_title(m) for m in runs.metrics]), sorting(len(order))
    base = sorted_rows(alt.Chart(alt.NamedData(ROWS)), by, "value")
    y = run_axis()
    scale = alt.Scale(zero=False, nice=True)
    bars = base.mark_rule(strokeWidth=2).encode(
        y=y, x=alt.X("low:Q", title="value", scale=scale, axis=value_axis()), x2="high:Q", **tips("value")
    )
    points = base.mark_point(filled=True, size=70, opacity=1).encode(y=y, x=alt.X("value:Q", scale=scale), **tips("value"))
    colour: Any = alt.Color("run:N", scale=run_scale(runs.intervals), legend=None)
    if len(order) > FEW:  # colours repeat: the reference alone stands out
        colour = alt.condition("datum.chosen", alt.value(ARM_COLOURS[1]), alt.value(ARM_COLOURS[0]))
    return finish(alt.layer(bars.encode(color=colour), points.encode(color=colour)).add_params(shown, *by), rows, len(order))


def _repeats(runs: ChartRuns, order: Sequence[str]) -> dict[str, Any]:
    """Every training as a point, and the mean of each run's trainings."""
    import altair as alt

    rows = [
        {"run": run, "order": i, "metric": metric, "training": k + 1, "value": finite(value), "sign": sign_of(metric)}
        for i, run in enumerate(run for run in order if run in runs.repeats)
        for metric in runs.metrics
        for k, value in enumerate(runs.repeats[run][metric])
    ]
    shown, by = choice("metric", runs.metrics, [metric_title(m) for m in runs.metrics]), sorting(len(runs.repeats))
    base = sorted_rows(alt.Chart(alt.NamedData(ROWS)), by, "value")
    y, scale = run_axis("mean"), alt.Scale(zero=False, nice=True)
    x = alt.X("value:Q", title="value", scale=scale, axis=value_axis())
    points = base.mark_point(filled=True, size=60, opacity=0.75, color=ARM_COLOURS[0]).encode(
        y=y, x=x, tooltip=["run:N", "training:Q", alt.Tooltip("value:Q", format=".3f")]
    )
    means = base.mark_tick(thickness=3, size=16, color=ARM_COLOURS[1]).encode(
        y=y, x=alt.X("mean(value):Q"), tooltip=["run:N", alt.Tooltip("mean(value):Q", title="mean", format=".3f")]
    )
    return finish(alt.layer(points, means).add_params(shown, *by), rows, len(runs.repeats))


def _differences(runs: ChartRuns, order: Sequence[str]) -> dict[str, Any]:
    import altair as alt

    place = {run: i for i, run in enumerate(order)}
    rows = [
        {
            "reference": row["reference"],
            "run": row["arm"],
            "order": place[row["arm"]],
            "metric": row["metric"],
            "difference": finite(row["difference"]),
            "low": finite(row["low"]),
            "high": finite(row["high"]),
            "judgement": row["judgement"],
            "sign": sign_of(row["metric"]),
        }
        for row in runs.differences.to_dict("records")
    ]
    shown, by = choice("metric", runs.metrics, [metric_title(m) for m in runs.metrics]), sorting(len(order) - 1)
    against = alt.param(name="reference", value=runs.reference)  # set by the list of the page, which its table follows too
    base = sorted_rows(alt.Chart(alt.NamedData(ROWS)), by, "difference").transform_filter("datum.reference == reference")
    colour, shape = judged("not distinguishable")
    y = run_axis()
    bars = base.mark_rule(strokeWidth=2).encode(y=y, x=alt.X("low:Q", title="run minus reference"), x2="high:Q", color=colour)
    points = base.mark_point(filled=True, size=80, opacity=1).encode(
        y=y, x="difference:Q", color=colour, shape=shape, **tips("difference", "judgement")
    )
    return finish(alt.layer(zero_line(), bars, points).add_params(shown, against, *by), rows, len(order) - 1)


def _curves(runs: ChartRuns, order: Sequence[str], kind: str) -> dict[str, Any]:
    """ROC or precision and recall of every class, one of them at a time."""
    import altair as alt

    rows: list[dict[str, Any]] = []
    for run in order:
        predictions = runs.predictions[run]
        areas = {f"{name}/{one}": NOWHERE for name in ("auroc", "auprc") for one in predictions.classes} | dict(
            runs.intervals[run]
        )
        curves = (roc_by_class if kind == "roc" else pr_by_class)(predictions, areas)
        for name, curve in curves.items():
            for i, (x, y) in enumerate(zip(*thin(curve.x, curve.y), strict=True)):
                rows.append({"run": run, "class": name, "x": finite(x), "y": finite(y), "i": i})
    classes = list(next(iter(runs.predictions.values())).classes)
    titles = ("1 − specificity", "sensitivity") if kind == "roc" else ("sensitivity (recall)", "precision")
    shown, highlighted = choice("shown", classes, classes), highlighting(order)
    unit = alt.Scale(domain=[0, 1])
    lines = (
        alt.Chart(alt.NamedData(ROWS))
        .mark_line(interpolate="linear" if kind == "roc" else "step-before", strokeWidth=1.8)
        .transform_filter("datum['class'] == shown")
        .encode(
            x=alt.X("x:Q", title=titles[0], scale=unit),
            y=alt.Y("y:Q", title=titles[1], scale=unit),
            order="i:Q",
            detail="run:N",
            tooltip=[alt.Tooltip("run:N"), alt.Tooltip("x:Q", title=titles[0]), alt.Tooltip("y:Q", title=titles[1])],
            **by_run(runs.intervals),
        )
    )
    layers = [lines]
    if kind == "roc":
        layers.insert(0, diagonal())
    return finish(alt.layer(*layers).add_params(shown, *highlighted), rows)


def _calibration(runs: ChartRuns, order: Sequence[str]) -> dict[str, Any]:
    import altair as alt

    rows = [
        {"run": run, "confidence": finite(row["confidence"]), "accuracy": finite(row["accuracy"]), "films": int(row["films"])}
        for run in order
        for row in reliability_table(runs.predictions[run], BINS).to_dict("records")
        if row["films"]
    ]
    highlighted, unit = highlighting(order), alt.Scale(domain=[0, 1])
    base = alt.Chart(alt.NamedData(ROWS)).encode(
        x=alt.X("confidence:Q", title="probability of the predicted class", scale=unit),
        y=alt.Y("accuracy:Q", title="share right", scale=unit),
        tooltip=[
            alt.Tooltip(f"{name}:{kind}") for name, kind in (("run", "N"), ("confidence", "Q"), ("accuracy", "Q"), ("films", "Q"))
        ],
        **by_run(runs.intervals),
    )
    size = alt.Size("films:Q", legend=None, scale=alt.Scale(range=[20, 220]))
    return finish(alt.layer(diagonal(), base.mark_line(), base.mark_circle().encode(size=size)).add_params(*highlighted), rows)


def _confusion(runs: ChartRuns, order: Sequence[str]) -> dict[str, Any]:
    import altair as alt

    classes = list(next(iter(runs.predictions.values())).classes)
    rows = []
    for i, run in enumerate(order):
        counts = confusion_matrix(runs.predictions[run])
        for t, true in enumerate(classes):
            for p, predicted in enumerate(classes):
                share = float(counts[t, p] / counts[t].sum()) if counts[t].sum() else None
                rows.append(
                    {"run": run, "order": i, "true": true, "t": t, "predicted": predicted, "p": p}
                    | {"films": int(counts[t, p]), "share": share}
                )
    base = alt.Chart(alt.NamedData(ROWS)).encode(
        x=alt.X("predicted:N", title="predicted", sort=by_place("p"), axis=alt.Axis(labelAngle=-40)),
        y=alt.Y("true:N", title="true", sort=by_place("t")),
        tooltip=[alt.Tooltip(f"{name}:N") for name in ("run", "true", "predicted", "films", "share")],
    )
    shade = alt.Color("share:Q", title="share", scale=alt.Scale(scheme="blues", domain=[0, 1]), legend=None)
    ink = alt.condition("datum.share > 0.5", alt.value("white"), alt.value("#1b2430"))
    step = max(30, min(46, 150 // len(classes)))
    cells = alt.layer(base.mark_rect().encode(color=shade), base.mark_text(fontSize=11).encode(text="films:Q", color=ink))
    cells = cells.properties(width=step * len(classes), height=step * len(classes))
    chart = cells.facet(facet=alt.Facet("run:N", title=None, sort=by_place("order")), columns=4)
    return {**chart.to_dict(), "datasets": {ROWS: rows}}


def thin(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A curve (P,) at POINTS of its points at most, its ends included."""
    if len(x) <= POINTS:
        return x, y
    kept = np.unique(np.linspace(0, len(x) - 1, POINTS).round().astype(int))
    return x[kept], y[kept]
