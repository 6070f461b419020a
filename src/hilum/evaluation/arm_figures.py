"""Figures of several arms side by side; each takes ready data and returns a matplotlib Figure."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hilum.evaluation.figures import draw_matrix, matrix_inches, row_shares
from hilum.evaluation.scoring.metrics import higher_is_better, metric_title
from hilum.evaluation.signed_numbers import signed_interval
from hilum.evaluation.statistics import Interval
from hilum.evaluation.style import (
    GUIDE,
    LETTER,
    LINE,
    TITLE_LETTER,
    arm_colour,
    arm_marker,
    new_figure,
    styled,
    with_interval,
    wrapped,
)

ROW = 0.3  # inches per arm and metric
COLUMNS = 3  # matrices in one row


@styled
def confusion_arms_figure(counts: Mapping[str, NDArray[np.int64]], classes: Sequence[str], title: str) -> Figure:
    """The confusion matrices of all arms: share of the true class as shade, films and share as text.

    counts: arm -> (K, K), rows by true class; all arms on the same films.
    """
    columns = min(len(counts), COLUMNS)
    rows = -(-len(counts) // columns)
    side, beside, below = matrix_inches(classes)
    names = [wrapped(arm, int(side / TITLE_LETTER)) for arm in counts]
    above = 0.3 + LINE * max(name.count("\n") for name in names)
    figure = new_figure(columns * (side + 0.25) + beside, rows * (side + below + above) + 0.6, title)
    panels = figure.subplots(rows, columns, squeeze=False)
    for place, (arm, films) in enumerate(counts.items()):
        axes, share = panels[place // columns][place % columns], row_shares(films)
        texts = [[f"{n}\n–" if np.isnan(v) else f"{n}\n{100 * v:.0f} %" for n, v in zip(*row, strict=True)]
                 for row in zip(films, share, strict=True)]  # fmt: skip
        draw_matrix(axes, share, texts, classes)
        axes.set_title(names[place], color=arm_colour(arm, list(counts)))
        if place % columns:
            axes.set_yticklabels([])
        else:
            axes.set_ylabel("true class")
    for empty in panels.flat[len(counts) :]:
        empty.set_axis_off()
    return figure


@styled
def difference_figure(rows: pd.DataFrame, reference: str, arms: Sequence[str], confidence: float, title: str) -> Figure:
    """Forest plot: each arm's difference from the reference with its interval; full markers where the interval excludes 0.

    rows: of `comparison.compare_arms`, only the metrics to draw, in their order. arms: all arms including the reference, whose
    order gives the colours. Metrics where lower is better say so in their label.
    """
    metrics, others = list(dict.fromkeys(rows["metric"])), [arm for arm in arms if arm in set(rows["arm"])]
    figure = new_figure(8.6, _height(metrics, others), title)
    axes = figure.subplots()
    axes.axvline(0, color=GUIDE, linewidth=1)
    for arm in others:
        found = rows[rows["arm"] == arm].set_index("metric")
        colour, marker = arm_colour(arm, arms), arm_marker(arm, arms)
        for place, name in enumerate(metrics):
            row, y = found.loc[name], place + _offset(others.index(arm), len(others))
            fill = colour if row["judgement"] != "unclear" else "white"
            axes.plot([row["low"], row["high"]], [y, y], color=colour)
            axes.plot(row["difference"], y, marker, color=colour, markerfacecolor=fill)
            axes.text(1.02, y, _difference_text(row), transform=axes.get_yaxis_transform(), va="center", fontsize=9, color=colour)
        axes.plot([], [], marker, color=colour, label=arm)
    _label_metrics(axes, metrics)
    axes.set_xlabel(f"difference from {reference}, {100 * confidence:g} % interval (hollow: contains 0)")
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=_legend_columns(others), borderaxespad=0.2)
    return figure


@styled
def metrics_figure(
    intervals: Mapping[str, Mapping[str, Interval]], metrics: Sequence[str], arms: Sequence[str], interval: str, title: str
) -> Figure:
    """Every metric of every arm with its interval, on one axis.

    intervals: arm -> flat name -> interval; a name not among `arms` (such as the majority baseline) is drawn in grey.
    interval: what they are called, such as `95 % interval`. An undefined metric has no marker, and its text says so.
    """
    shown = list(intervals)
    figure = new_figure(8.6, _height(metrics, shown), title)
    axes = figure.subplots()
    for arm in shown:
        colour, marker = (arm_colour(arm, arms), arm_marker(arm, arms)) if arm in arms else (GUIDE, "x")
        for place, name in enumerate(metrics):
            found, y = intervals[arm][name], place + _offset(shown.index(arm), len(shown))
            axes.plot([found.low, found.high], [y, y], color=colour)
            axes.plot(found.value, y, marker, color=colour)
            axes.text(1.02, y, with_interval(found), transform=axes.get_yaxis_transform(), va="center", fontsize=9, color=colour)
        axes.plot([], [], marker, color=colour, label=arm)
    _label_metrics(axes, metrics)
    axes.set_xlabel(f"value with {wrapped(interval, 80)}")
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=_legend_columns(shown), borderaxespad=0.2)
    return figure


def _height(metrics: Sequence[str], arms: Sequence[str]) -> float:
    return 1.4 + ROW * len(metrics) * max(len(arms), 1.4) + LINE * -(-len(arms) // _legend_columns(arms))


def _legend_columns(arms: Sequence[str]) -> int:
    """How many names of this length fit side by side above a panel about 6.5 inches wide."""
    return max(1, min(len(arms), int(6.5 / (LETTER * max(map(len, arms), default=1) + 0.55))))


def _offset(place: int, count: int) -> float:
    return (place - (count - 1) / 2) * 0.8 / max(count, 1)


def _label_metrics(axes: Axes, metrics: Sequence[str]) -> None:
    lower = {name: "" if higher_is_better(name) else "\n(lower is better)" for name in metrics}
    axes.set_yticks(range(len(metrics)), [wrapped(metric_title(name), 28) + lower[name] for name in metrics])
    axes.set_ylim(len(metrics) - 0.4, -0.6)
    for place in range(1, len(metrics), 2):
        axes.axhspan(place - 0.5, place + 0.5, color="#f5f5f5", zorder=0)
    axes.grid(visible=True, axis="x")
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)


def _difference_text(row: pd.Series) -> str:
    if np.isnan(row["difference"]):
        return "undefined"
    return f"{signed_interval(row['difference'], row['low'], row['high'])} {row['judgement']}"
