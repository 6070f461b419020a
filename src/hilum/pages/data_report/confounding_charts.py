"""The charts of the data report: how far each factor is associated with the class, and the classes of each value."""

from collections.abc import Mapping, Sequence

import pandas as pd

from hilum.data.confounding import PRESENT, STRONG
from hilum.pages.chart_script import ChartPart

JUDGED = {"strong": "#d55e00", "present": "#e69f00", "weak": "#0072b2", "none seen": "#009e73", "unclear": "#808890"}


def draw_association(table: pd.DataFrame, interval: str) -> ChartPart | None:
    """Cramer's V of each factor with its interval; None where it is undefined for all. interval: its name."""
    import altair as alt

    rows = [
        {"factor": str(row["factor"]), **{name: round(float(row[name]), 3) for name in ("cramers_v", "low", "high")}}
        | {"judgement": row["judgement"]}
        for row in table.sort_values("cramers_v", ascending=False, kind="stable").to_dict("records")
        if row["judgement"] != "undefined"
    ]
    if not rows:
        return None
    y = alt.Y("factor:N", title=None, sort=None)
    names = list(JUDGED)
    scale, legend = alt.Scale(domain=names, range=list(JUDGED.values())), alt.Legend(orient="top", columns=3)
    colour = alt.Color("judgement:N", title=None, scale=scale, legend=legend)
    numbers = (("cramers_v", "V"), ("low", "low"), ("high", "high"))
    tips = [
        alt.Tooltip("factor:N"),
        *(alt.Tooltip(f"{name}:Q", title=title) for name, title in numbers),
        alt.Tooltip("judgement:N"),
    ]
    base = alt.Chart(alt.Data(values=rows))
    bars = base.mark_rule(strokeWidth=2).encode(
        y=y, x=alt.X("low:Q", title="Cramer's V", scale=alt.Scale(domain=[0, 1])), x2="high:Q", color=colour, tooltip=tips
    )
    points = base.mark_point(filled=True, size=80, opacity=1).encode(y=y, x="cramers_v:Q", color=colour, tooltip=tips)
    limits = alt.Data(values=[{"limit": PRESENT}, {"limit": STRONG}])
    lines = alt.Chart(limits).mark_rule(color="#808890", strokeDash=[4, 3]).encode(x="limit:Q")
    chart = alt.layer(lines, bars, points).properties(width="container", height=max(60, 24 * len(rows)))
    says = f"Value and {interval}; dashed: the limits {PRESENT:g} (present) and {STRONG:g} (strong) for the whole interval."
    return ChartPart("association", "Association with the class", says, chart.to_dict())


def draw_shares(values: Mapping[str, Sequence[tuple[str, Sequence[int], int]]], colours: Mapping[str, str]) -> ChartPart | None:
    """The classes of each value of a factor as shares of its films, a factor at a time; None without a factor of several values.

    values: factor -> (value, films of each class, films), the commonest first. colours: class -> colour, in class order.
    """
    import altair as alt

    if not values:
        return None
    rows = [
        {
            "factor": factor,
            "value": f"{value} ({total:,})",
            "class": name,
            "films": count,
            "share": count / total,
            "k": k,
        }
        for factor, found in values.items()
        for value, films, total in found
        for k, (name, count) in enumerate(zip(colours, films, strict=True))
    ]
    bound = alt.binding_select(options=list(values), name="factor ")
    shown = alt.param(name="shown", value=next(iter(values)), bind=bound)
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar()
        .transform_filter("datum.factor == shown")
        .encode(
            y=alt.Y("value:N", title=None, sort=None),
            x=alt.X("share:Q", title="share of the films of this value", stack="zero", scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("class:N", title=None, scale=scale, legend=alt.Legend(orient="top", columns=3)),
            order="k:Q",
            tooltip=[
                alt.Tooltip("value:N"),
                alt.Tooltip("class:N"),
                alt.Tooltip("films:Q"),
                alt.Tooltip("share:Q", format=".1%"),
            ],
        )
        .properties(width="container", height=alt.Step(24))
        .add_params(shown)
    )
    says = "In brackets the films that have the value. Bars of unlike shares: a model may recognise the class by this factor."
    return ChartPart("shares", "Classes of each value", says, chart.to_dict())
