"""What the charts of the comparison page share: rows of runs in a chosen order, their colours, lists below a chart."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hilum.evaluation.style import ARM_COLOURS

if TYPE_CHECKING:
    import altair as alt

ROWS = "rows"  # name of a chart's data, which is put in afterwards: Altair checks every value it is given, which takes minutes
FEW = 8  # runs; with more, colours repeat and one run is chosen from a list
GREY = "#808890"
LINES = (*ARM_COLOURS[:-1], GREY)  # no black: a page may be dark
JUDGED = {"better": (ARM_COLOURS[2], "triangle-up"), "worse": (ARM_COLOURS[1], "triangle-down")}
HEIGHT = 300


def run_scale(runs: Collection[str]) -> "alt.Scale":
    """The colours that runs have everywhere on the page, by their place in its tables."""
    import altair as alt

    return alt.Scale(domain=list(runs), range=[LINES[i % len(LINES)] for i in range(len(runs))])


def by_run(runs: Collection[str]) -> dict[str, Any]:
    """The colour of each run, and how faint it is while another one is highlighted; a single run has no legend."""
    import altair as alt

    if len(runs) == 1:
        return {"color": alt.Color("run:N", scale=run_scale(runs), legend=None)}
    legend = alt.Legend(orient="bottom", columns=2) if len(runs) <= FEW else None
    faint = 0.9 if len(runs) <= FEW else 0.45
    return {
        "color": alt.Color("run:N", title=None, scale=run_scale(runs), legend=legend),
        "opacity": alt.condition("highlighted == '' || highlighted == datum.run", alt.value(faint), alt.value(0.06)),
    }


def sorted_rows(chart: "alt.Chart", by: Sequence["alt.Parameter"], value: str) -> "alt.Chart":
    """Only the chosen metric, its runs numbered by validation or by their value, the best first. by: of `sorting`."""
    place = f"sorted_by == 'validation' ? datum.order : -datum.sign * datum.{value}" if by else "datum.order"
    return chart.transform_filter("datum.metric == metric").transform_calculate(place=place)


def run_axis(op: Literal["min", "mean"] = "min") -> "alt.Y":
    """A row for each run, in the chosen order; op: how the places of several rows of a run are one."""
    import altair as alt

    return alt.Y("run:N", title=None, sort=by_place("place", op))


def by_place(field: str, op: Literal["min", "mean"] = "min") -> "alt.EncodingSortField":
    """Names in the order of a number: Vega reads a list of names as an expression, which not every name can be part of."""
    import altair as alt

    return alt.EncodingSortField(field=field, op=op, order="ascending")


def choice(name: str, values: Sequence[str], labels: Sequence[str]) -> "alt.Parameter":
    """A list below the chart, the first value chosen; labels: what it shows of the values."""
    import altair as alt

    bound = alt.binding_select(options=list(values), labels=list(labels), name=f"{name.replace('shown', 'class')} ")
    return alt.param(name=name, value=values[0], bind=bound)


def highlighting(runs: Sequence[str]) -> list["alt.Parameter"]:
    """The list of the run that stands out; none for a single run."""
    return [choice("highlighted", ["", *runs], ["all runs", *runs])] if len(runs) > 1 else []


def sorting(runs: int) -> list["alt.Parameter"]:
    """The list of what runs are sorted by; none for a single run."""
    import altair as alt

    if runs < 2:
        return []
    bound = alt.binding_select(
        options=["validation", "test"], labels=["validation metric", "value on test films"], name="sorted by "
    )
    return [alt.param(name="sorted_by", value="validation", bind=bound)]


def value_axis() -> "alt.Axis":
    """Few marks on the axis of a metric, whose range may be narrow."""
    import altair as alt

    return alt.Axis(format="~g", tickCount=6)


def tips(value: str, *more: str) -> dict[str, Any]:
    """What is shown at a mark: run, value with its interval, and more words."""
    import altair as alt

    numbers = [alt.Tooltip(f"{name}:Q", format=".3f") for name in (value, "low", "high")]
    return {"tooltip": [alt.Tooltip("run:N"), *numbers, *(alt.Tooltip(f"{name}:N") for name in more)]}


def finish(chart: Any, rows: list[dict[str, Any]], runs: int = 0) -> dict[str, Any]:
    """The specification with its data; as wide as its place in the page. runs: on the vertical axis, 0 for a square chart."""
    sized = chart.properties(width="container", height=max(60, 22 * runs) if runs else HEIGHT)
    return {**sized.to_dict(), "datasets": {ROWS: rows}}


def finite(value: float) -> float | None:
    """A number as JSON holds it, of four digits; None where it is not one."""
    return None if np.isnan(value) else round(float(value), 4)


def judged(neither: str) -> tuple["alt.Color", "alt.Shape"]:
    """Colour and shape of a mark by its judgement: better, worse, or `neither`."""
    import altair as alt

    marks = {**JUDGED, neither: (GREY, "circle")}
    colours, shapes = ([mark[k] for mark in marks.values()] for k in range(2))
    colour = alt.Color(
        "judgement:N", title=None, scale=alt.Scale(domain=list(marks), range=colours), legend=alt.Legend(orient="top")
    )
    return colour, alt.Shape("judgement:N", title=None, scale=alt.Scale(domain=list(marks), range=shapes))


def zero_line() -> "alt.Chart":
    """The dashed line at no difference."""
    import altair as alt

    return alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(color=GREY, strokeDash=[4, 3]).encode(x="zero:Q")


def diagonal() -> "alt.Chart":
    """The dashed line from (0, 0) to (1, 1)."""
    import altair as alt

    ends = alt.Data(values=[{"x": 0, "y": 0}, {"x": 1, "y": 1}])
    return alt.Chart(ends).mark_line(color=GREY, strokeDash=[4, 3], strokeWidth=1).encode(x="x:Q", y="y:Q")
