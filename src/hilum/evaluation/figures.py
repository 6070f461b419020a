"""Figures of one arm; each takes ready data and returns a matplotlib Figure (`style.to_png` makes the bytes)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from hilum.evaluation.style import (
    ARM_COLOURS,
    ARM_MARKERS,
    CLASS_COLOURS,
    CLASS_DASHES,
    COUNT_COLOURS,
    GUIDE,
    LETTER,
    new_figure,
    styled,
    unit_square,
    with_interval,
    wrapped,
)
from hilum.evaluation.tables import Curve


@styled
def confusion_figure(counts: NDArray[np.int64], classes: Sequence[str], title: str) -> Figure:
    """Films by true class (rows) and prediction (columns), and beside it the shares of each true class.

    counts: (K, K) of `tables.confusion_matrix`. A class without films has grey cells with a dash in the right matrix.
    """
    side, beside, below = matrix_inches(classes)
    figure = new_figure(2 * side + beside + 0.5, side + below + 1.0, title)
    left, right = figure.subplots(1, 2)
    share = row_shares(counts)
    draw_matrix(left, counts / max(counts.max(), 1), [[f"{n}" for n in row] for row in counts], classes)
    draw_matrix(right, share, [["–" if np.isnan(v) else f"{100 * v:.0f} %" for v in row] for row in share], classes)
    left.set_title("films")
    right.set_title("share of the true class")
    left.set_ylabel("true class")
    right.set_yticklabels([])
    return figure


def row_shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(K, K) shares of each row; NaN in the row of a class without films."""
    films = counts.sum(axis=1, keepdims=True).astype(np.float64)
    return counts / np.where(films > 0, films, np.nan)


def matrix_inches(classes: Sequence[str]) -> tuple[float, float, float]:
    """Inches of a matrix's side, of the names beside it and of the names below it."""
    names = [wrapped(name).split("\n") for name in classes]
    letters, lines = max(len(line) for name in names for line in name), max(len(name) for name in names)
    below = LETTER * letters if _turned(classes) else 0.17 * lines
    return max(0.62 * len(classes), 2.2), LETTER * letters + 0.4, below + 0.4


def _turned(classes: Sequence[str]) -> bool:
    return len(classes) > 3 or max(len(name) for name in classes) > 9


def draw_matrix(axes: Axes, shade: NDArray[np.float64], texts: Sequence[Sequence[str]], classes: Sequence[str]) -> None:
    """One matrix on `axes`: shade (K, K) 0..1 colours a cell (NaN grey), texts stand in it."""
    k = len(classes)
    colours = colormaps[COUNT_COLOURS].with_extremes(bad="#eeeeee")
    axes.imshow(np.ma.masked_invalid(shade), cmap=colours, vmin=0.0, vmax=1.0)
    for row in range(k):
        for column in range(k):
            dark = shade[row, column] > 0.68
            axes.text(column, row, texts[row][column], ha="center", va="center", color="white" if dark else "black", fontsize=9)
    names = [wrapped(name) for name in classes]
    axes.set_xticks(range(k), names, rotation=90 if _turned(classes) else 0)
    axes.set_yticks(range(k), names)
    axes.set_xticks(np.arange(k + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(k + 1) - 0.5, minor=True)
    axes.grid(visible=True, which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("prediction")


@styled
def roc_figure(curves: Mapping[str, Curve], confidence: float, title: str) -> Figure:
    """ROC curve of each class (or arm) against the rest, area with interval in the legend. curves: `tables.roc_by_class`."""
    figure, axes = _curve_axes(curves, title, "AUROC")
    axes.plot([0, 1], [0, 1], color=GUIDE, linewidth=1, linestyle=":")
    axes.set(xlabel="1 - specificity", ylabel="sensitivity")
    for place, (name, curve) in enumerate(curves.items()):
        axes.plot(curve.x, curve.y, **_look(place), label=_legend(name, curve))
    _legend_beside(axes, f"AUROC [{100 * confidence:g} % interval]")
    return figure


@styled
def pr_figure(curves: Mapping[str, Curve], confidence: float, title: str) -> Figure:
    """Precision over sensitivity of each class; thin lines are the prevalences, which is what a guess reaches.

    curves: `tables.pr_by_class`.
    """
    figure, axes = _curve_axes(curves, title, "AUPRC")
    axes.set(xlabel="sensitivity (recall)", ylabel="precision (PPV)")
    for place, (name, curve) in enumerate(curves.items()):
        look = _look(place)
        axes.axhline(curve.base, color=look["color"], linewidth=0.8, alpha=0.7)
        axes.plot(curve.x, curve.y, **look, drawstyle="steps-pre", label=_legend(name, curve))
    axes.plot([], [], color=GUIDE, linewidth=0.8, label="prevalence of the class" if curves else None)
    _legend_beside(axes, f"AUPRC [{100 * confidence:g} % interval]")
    return figure


@styled
def calibration_figure(table: pd.DataFrame, error: float, title: str) -> Figure:
    """Accuracy over the confidence of the prediction, and the number of films behind each point.

    table: of `tables.reliability_table`. error: the expected calibration error, for the caption.
    """
    figure = new_figure(5.4, 6.0, title)
    top, bottom = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    some = table[table["films"] > 0]
    top.plot([0, 1], [0, 1], color=GUIDE, linewidth=1, linestyle=":", label="perfectly calibrated")
    top.vlines(some["confidence"], some["confidence"], some["accuracy"], color=ARM_COLOURS[1], linewidth=1.5, label="gap")
    top.plot(some["confidence"], some["accuracy"], "o-", color=ARM_COLOURS[0], label=f"predictions (ECE {error:.3f})")
    top.set(ylabel="accuracy", xlim=(0, 1), ylim=(-0.03, 1.03))
    top.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=3, borderaxespad=0.2, columnspacing=1.2)
    top.grid(visible=True)
    bars = bottom.bar((table["low"] + table["high"]) / 2, table["films"], width=0.9 / len(table), color=ARM_COLOURS[0])
    bottom.bar_label(bars, labels=[str(n) if n else "" for n in table["films"]], fontsize=8, padding=1)
    bottom.set(xlabel="confidence: probability of the prediction", ylabel="films", ylim=(0, 1.25 * max(table["films"].max(), 1)))
    bottom.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    return figure


@styled
def scaling_figure(points: pd.DataFrame, errors: Mapping[str, float], title: str) -> Figure:
    """Accuracy over the confidence of the prediction before and after calibration, and each bin's share of the films.

    points: a row per bin with `predictions` (before or after), low, high, films, confidence, accuracy. errors: by `predictions`.
    """
    figure = new_figure(5.4, 6.0, title)
    top, bottom = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    top.plot([0, 1], [0, 1], color=GUIDE, linewidth=1, linestyle=":", label="perfect")
    for place, state in enumerate(("before", "after")):
        rows = points[points["predictions"] == state]
        some = rows[rows["films"] > 0]
        colour, marker = ARM_COLOURS[1 - place], ARM_MARKERS[1 - place]
        told = f"{state} (ECE {errors[state]:.3f})"
        top.plot(some["confidence"], some["accuracy"], marker=marker, color=colour, label=told)
        middle, width = (rows["low"] + rows["high"]) / 2, 0.4 / len(rows)
        bottom.bar(middle + (place - 0.5) * width, rows["films"], width=width, color=colour)
    top.set(ylabel="accuracy", xlim=(0, 1), ylim=(-0.03, 1.03))
    top.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=3, borderaxespad=0.2, columnspacing=1.2)
    top.grid(visible=True)
    bottom.set(xlabel="confidence: probability of the prediction", ylabel="films")
    bottom.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    return figure


@styled
def learning_figure(
    history: pd.DataFrame,
    losses: Sequence[str],
    metrics: Sequence[str],
    best_epoch: int | None,
    title: str,
    axis: str = "epoch",
    kept: str = "",
) -> Figure:
    """Learning curves over all epochs of all phases; phases are shaded in turn, the kept epoch is marked.

    history: one row per epoch with columns `phase` (name or number), `epoch` (counted through all phases) and those named in
    losses and metrics; NaN leaves a gap. best_epoch: value of `epoch` whose weights were kept, or None.
    axis, kept: the words for both where rows are not epochs.
    """
    figure = new_figure(9.6, 4.0, title)
    panels = figure.subplots(1, 2)
    for axes, names, what in zip(panels, (losses, metrics), ("loss", "metric"), strict=True):
        _shade_phases(axes, history)
        for place, name in enumerate(names):
            axes.plot(history["epoch"], history[name], **_look(place), marker="o", markersize=3, label=name)
        if best_epoch is not None:
            axes.axvline(best_epoch, color="black", linewidth=1, linestyle="--", label=f"kept: {kept or f'epoch {best_epoch}'}")
        axes.set(xlabel=axis, ylabel=what, xlim=(history["epoch"].min() - 0.5, history["epoch"].max() + 0.5))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(visible=True, axis="y")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    return figure


def _shade_phases(axes: Axes, history: pd.DataFrame) -> None:
    run = (history["phase"] != history["phase"].shift()).cumsum()
    phases = [(str(rows["phase"].iloc[0]), len(rows)) for _, rows in history.groupby(run, sort=True)]
    # About 50 letters fit over a panel; the names of short phases would run into each other in one line.
    crowded = any(len(name) + 2 > 50 * epochs / len(history) for name, epochs in phases[:-1])
    low = history["epoch"].min() - 0.5
    for place, (name, epochs) in enumerate(phases):
        if place % 2:
            axes.axvspan(low, low + epochs, color="#f0f0f0", zorder=0)
        height = 1.01 + (0.06 * (place % 3) if crowded else 0)
        axes.text(low, height, f" {name}", transform=axes.get_xaxis_transform(), fontsize=9, color="#555555")
        low += epochs


def _curve_axes(curves: Mapping[str, Curve], title: str, area: str) -> tuple[Figure, Axes]:
    figure = new_figure(7.0, 4.6, title)
    axes = figure.subplots()
    unit_square(axes)
    axes.set_anchor("W")
    if not curves:
        axes.text(0.35, 0.85, f"no class has an {area}:\nfilms of one class only", ha="center", va="center", color="#555555")
    return figure, axes


def _legend(name: str, curve: Curve) -> str:
    return f"{wrapped(name, 28)}\n{with_interval(curve.area)}"


def _legend_beside(axes: Axes, heading: str) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), title=heading, alignment="left", labelspacing=0.7)


def _look(place: int) -> dict[str, Any]:
    return {"color": CLASS_COLOURS[place % len(CLASS_COLOURS)], "linestyle": CLASS_DASHES[place % len(CLASS_DASHES)]}
