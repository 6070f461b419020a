"""The repeats of arms in one figure: a point per repeat, the mean, and its interval over seeds and patients."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from hilum.evaluation.repeats import RepeatInterval
from hilum.evaluation.scoring.metrics import higher_is_better, metric_title
from hilum.evaluation.style import arm_colour, arm_marker, new_figure, styled, wrapped

ROW = 0.32  # inches per arm and metric


@styled
def repeats_figure(
    found: Mapping[str, Mapping[str, RepeatInterval]],
    served: Mapping[str, int],
    metrics: Sequence[str],
    arms: Sequence[str],
    interval: str,
    title: str,
) -> Figure:
    """Every metric of every arm: repeats as points, the served one ringed, the mean as a bar across its interval.

    found: arm -> flat name -> interval over its repeats; served: arm -> place of the served repeat, from 0. arms: all arms, whose
    order gives the colours. interval: what it is called, such as `95 % interval`. An undefined metric has no marks.
    """
    shown = list(found)
    figure = new_figure(8.6, 1.5 + ROW * len(metrics) * max(len(shown), 1.4), title)
    axes = figure.subplots()
    for arm in shown:
        colour, marker = arm_colour(arm, arms), arm_marker(arm, arms)
        for place, name in enumerate(metrics):
            one, y = found[arm][name], place + (shown.index(arm) - (len(shown) - 1) / 2) * 0.8 / len(shown)
            axes.plot([one.low, one.high], [y, y], color=colour)
            axes.plot([one.mean, one.mean], [y - 0.14, y + 0.14], color=colour, linewidth=2.5)
            axes.plot(one.values, [y] * len(one.values), marker, color=colour, alpha=0.45, linestyle="none", markersize=5)
            axes.plot(one.values[served[arm]], y, "o", markerfacecolor="none", markeredgecolor="black", markersize=9)
            text = "undefined" if one.mean != one.mean else f"{one.mean:.3f} [{one.low:.3f}, {one.high:.3f}]"
            axes.text(1.02, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=9, color=colour)
        axes.plot([], [], marker, color=colour, label=f"{wrapped(arm, 40)}, {len(one.values)} repeats")
    axes.plot([], [], "o", markerfacecolor="none", markeredgecolor="black", markersize=9, linestyle="none", label="served")
    lower = {name: "" if higher_is_better(name) else "\n(lower is better)" for name in metrics}
    axes.set_yticks(range(len(metrics)), [wrapped(metric_title(name), 28) + lower[name] for name in metrics])
    axes.set_ylim(len(metrics) - 0.4, -0.6)
    axes.grid(visible=True, axis="x")
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"points: repeats; bar: their mean with its {interval} over seeds and patients")
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=min(len(shown) + 1, 3), borderaxespad=0.2)
    return figure
