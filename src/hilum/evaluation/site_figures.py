"""The picture of what recalibration on few films of a site brings."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hilum.evaluation.scoring.metrics import METRICS
from hilum.evaluation.style import ARM_COLOURS, ARM_MARKERS, GUIDE, new_figure, styled

SHOWN = ("log_loss", "ece", "balanced_accuracy")
LABELS: Mapping[str, str] = {"temperature": "temperature", "temperature_and_biases": "temperature and biases"}


@styled
def site_curve_figure(curve: pd.DataFrame, level: str, title: str) -> Figure:
    """Metrics on other patients after minus before recalibration, over the films that it was fitted to.

    curve: of `site_learning_curve.measure_curve`, with at least one row. level: `95 % interval`, for the caption.
    """
    figure = new_figure(10.5, 4.0, title)
    sizes = sorted(set(curve["size"]))
    for axes, metric in zip(figure.subplots(1, len(SHOWN)), SHOWN, strict=True):
        _draw_metric(axes, curve[curve["metric"] == metric], sizes)
        axes.set(title=METRICS[metric].title, xlabel="films that it was fitted to")
    figure.axes[0].set_ylabel("recalibrated minus as it is")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    heading = f"mean over draws and {level} over draws and patients"
    figure.legend(handles, labels, loc="outside lower left", ncols=len(labels), title=heading, alignment="left")
    return figure


def _draw_metric(axes: Axes, rows: pd.DataFrame, sizes: list[int]) -> None:
    """Both methods beside each other at each size; NaN leaves a gap."""
    axes.axhline(0, color=GUIDE, linewidth=1, linestyle=":", label="the model as it is")
    for place, (method, label) in enumerate(LABELS.items()):
        own = rows[rows["method"] == method].set_index("size").reindex(sizes)
        x = [i + 0.14 * (2 * place - 1) for i in range(len(sizes))]
        colour, marker = ARM_COLOURS[place], ARM_MARKERS[place]
        axes.vlines(x, own["low"], own["high"], color=colour, linewidth=1.5)
        axes.plot(x, own["difference"], color=colour, marker=marker, linestyle="none", label=label)
    axes.set_xticks(range(len(sizes)), [str(size) for size in sizes])
    axes.set_xlim(-0.5, len(sizes) - 0.5)
    axes.grid(visible=True, axis="y")
