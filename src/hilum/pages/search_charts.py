"""The charts of a search's page: history, importance, slices, parallel coordinates, Pareto front; one trial marked in all."""

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from hilum.evaluation.style import ARM_COLOURS
from hilum.pages.chart_parts import GREY, HEIGHT, ROWS, value_axis
from hilum.pages.chart_script import ChartPart
from hilum.pages.numbers import setting
from hilum.pages.parallel_axes import NOWHERE, lay_axes
from hilum.pages.searched_trials import SearchedTrials, shorten
from hilum.settings.meaning import is_whole
from hilum.settings.search_space import Choices, Range

STATES = {"finished": (ARM_COLOURS[0], "circle"), "pruned": (GREY, "triangle-down")}
MARKED = "datum.number == chosen"  # `chosen` and `metric` (its place) are set by the page in all charts
RING = ARM_COLOURS[4]
MANY = 60  # finished trials, beyond which the best fifth stands out at first
STEP = 76  # pixels between parallel axes at least


def draw_search_charts(found: SearchedTrials, importance: Mapping[str, Mapping[str, float]]) -> tuple[list[ChartPart], list[str]]:
    """The charts, and a sentence on each that could not be drawn. importance: of `measure_importance`."""
    finished, parts, left_out = found.finished, [_history(found)], list[str]()
    if len(finished) < 2:
        return parts, [f"Importance, slices, parallel coordinates and Pareto front need two finished trials: {len(finished)} is."]
    bars, why = _importance(found, importance)
    left_out += why
    parts += [bars] if bars else []
    for k, (key, space) in enumerate(found.spaces.items()):
        if len({row[f"p{k}"] for row in finished} - {None}) < 2:
            left_out.append(f"No slice of {key}: the finished trials have one value of it, or none.")
        else:
            parts.append(_slice(found, k, key, space))
    if len(found.spaces) > 1 or len(found.signs) > 1:
        parts.append(_parallel(found))
    else:
        left_out.append("No parallel coordinates: only one value is searched, and its slice shows the same.")
    if len(found.signs) in (2, 3):
        parts += [_pareto(found, i, k) for i, k in itertools.combinations(range(len(found.signs)), 2)]
    elif len(found.signs) > 3:
        left_out.append(f"No Pareto front: it is drawn of two or three metrics, and the search has {len(found.signs)}.")
    return parts, left_out


def _history(found: SearchedTrials) -> ChartPart:
    import altair as alt

    states = [state for state in STATES if any(row["state"] == state for row in found.rows)]
    colours, shapes = ([STATES[state][k] for state in states] for k in range(2))
    look = {
        "color": alt.Color("state:N", title=None, scale=alt.Scale(domain=states, range=colours), legend=alt.Legend(orient="top")),
        "shape": alt.Shape("state:N", title=None, scale=alt.Scale(domain=states, range=shapes)),
        "tooltip": _tips(found),
        **_marking(55),
    }
    base = _chart(found.rows)
    x, y = alt.X("number:Q", title="trial", axis=alt.Axis(tickMinStep=1, format="d"), scale=alt.Scale(nice=False)), _value(found)
    reached, none = base.transform_filter("isValid(datum.value)"), base.transform_filter("!isValid(datum.value)")
    best = base.transform_filter("isValid(datum.best)").mark_line(interpolate="step-after", color=ARM_COLOURS[2], strokeWidth=2)
    points = reached.mark_point(filled=True, opacity=0.8).encode(x=x, y=y, **look)
    layers = [best.encode(x=x, y=alt.Y("best:Q")), points]
    if unreached := any(row[f"m{k}"] is None for row in found.rows for k in range(len(found.signs))):
        edge = alt.value(HEIGHT - 6)
        layers.append(none.mark_point(filled=True).encode(x=x, y=edge, **look))
    says = "Each trial; line: the best so far of the finished ones."
    says += " One without a value of the metric stands at the lower edge." if unreached else ""
    return _part("history", "History", says, alt.layer(*layers), found.rows, wide=True)


def _importance(found: SearchedTrials, importance: Mapping[str, Mapping[str, float]]) -> tuple[ChartPart | None, list[str]]:
    """Bars, where there is something to compare, and what is left out."""
    import altair as alt

    if len(found.spaces) < 2:
        return None, ["No importance: only one value is searched, and everything depends on it."]
    rows = [
        {"place": k, "value": key, "importance": shorten(share), "text": f"{share:.3f}"}
        for k, metric in enumerate(found.signs)
        for key, share in importance[metric].items()
    ]
    level = [title for metric, title in zip(found.signs, found.titles, strict=True) if not importance[metric]]
    why = "all finished trials reached the same, or searched nothing in common"
    left_out = [f"No importance for {title}: {why}." for title in level]
    if not rows:
        return None, left_out
    some = [key for key in found.spaces if key not in {row["value"] for row in rows}]
    left_out += [f"Importance leaves out {', '.join(some)}: not searched in every finished trial."] if some else []
    base = (
        alt.Chart(alt.NamedData(ROWS))
        .transform_filter("datum.place == metric")
        .encode(
            x=alt.X("importance:Q", title="share of the variance", axis=value_axis(), scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("value:N", title=None, sort=alt.EncodingSortField("importance", op="max", order="descending")),
            tooltip=[alt.Tooltip("value:N", title="value"), alt.Tooltip("text:N", title="importance")],
        )
    )
    told = base.mark_text(align="left", dx=5, color=GREY).encode(text="text:N")
    bars = alt.layer(base.mark_bar(color=ARM_COLOURS[0]), told)
    says = "fANOVA: how much of the finished trials' variance a value explains."
    height = 26 * len({row["value"] for row in rows})
    return _part("importance", "Importance", says, bars, rows, height=height, wide=True), left_out


def _slice(found: SearchedTrials, k: int, key: str, space: Range | Choices) -> ChartPart:
    import altair as alt

    kept = ("number", f"p{k}", f"tp{k}", "spread", *(f"{kind}{i}" for i in range(len(found.signs)) for kind in ("m", "tm")))
    rows = [{name: row[name] for name in kept} for row in found.finished if row[f"p{k}"] is not None]
    place: dict[str, Any] = {}
    if isinstance(space, Choices):
        names, words = alt.Scale(domain=[setting(choice) for choice in space.choices], paddingInner=0.4), alt.Axis(labelAngle=-25)
        place["x"] = alt.X(f"tp{k}:N", title=None, scale=names, axis=words)
        place["xOffset"] = alt.XOffset("spread:Q", scale=alt.Scale(domain=[0, 1]))
    else:
        scale = alt.Scale(type="log" if space.log else "linear", domain=[space.low, space.high], nice=False)
        least = 1 if is_whole(key) else alt.Undefined
        axis = alt.Axis(format="~g", tickCount=5, labelOverlap=True, tickMinStep=least)
        place["x"] = alt.X(f"p{k}:Q", title=None, scale=scale, axis=axis)
    tips = [alt.Tooltip("number:Q", title="trial"), *_metric_tips(found), alt.Tooltip(f"tp{k}:N", title=key)]
    base, y = _chart(rows), _value(found)
    points = base.mark_point(filled=True, opacity=0.85).encode(
        y=y, color=_later(len(found.rows)), tooltip=tips, **place, **_marking(50)
    )
    count = len(rows), len(found.finished)
    says = f"Searched in {count[0]} of {count[1]} finished trials." if count[0] < count[1] else ""
    return _part(f"slice-{k}", key, says, points, rows, height=200)


def _parallel(found: SearchedTrials) -> ChartPart:
    """A line for each finished trial over axes of all metrics and spaces."""
    import altair as alt

    axes = lay_axes(found)
    names, fits = list(axes.titles), len(axes.titles) * STEP < 700
    written = alt.Axis(
        labelExpr=f"{json.dumps(axes.titles)}[datum.value]", labelAngle=-25, labelLimit=220, title=None, domain=False, ticks=False
    )
    bare = alt.Axis(labels=False, ticks=False, domain=False, grid=False, title=None)  # without one, Vega-Lite fails
    x = alt.X("axis:N", scale=alt.Scale(type="point", domain=names, padding=0.4), axis=written, sort=None)
    y = alt.Y("height:Q", scale=alt.Scale(domain=[NOWHERE - 0.04, 1.04], nice=False), axis=bare)
    bound = alt.binding_range(min=2, max=100, step=1, name="best trials that stand out, percent ")
    share = alt.param(name="share", value=100 if len(axes.rows) <= MANY else 20, bind=bound)
    hovered = alt.param(name="hovered", value=-1)  # set by the page as well
    base = (
        _chart(axes.rows).transform_fold(names, as_=["axis", "height"]).encode(x=x, y=y, detail="number:N", tooltip=_tips(found))
    )
    words = "datum.value == 0 ? 'worst' : 'best'"
    legend = alt.Legend(orient="top", values=[0, 1], labelExpr=words, gradientLength=120, title=None)
    lines = base.mark_line(strokeWidth=1.6).encode(
        color=alt.Color("rank:Q", scale=alt.Scale(scheme=_scheme(), domain=[0, 1]), legend=legend),
        opacity=alt.condition("datum.rank >= 1 - share / 100 - 1e-9", alt.value(0.75), alt.value(0.05)),
    )
    top = base.transform_filter(f"{MARKED} || datum.number == hovered").mark_line(strokeWidth=3.5, color=RING)
    marks = alt.Chart(alt.Data(values=axes.marks))
    rules = marks.transform_filter("isValid(datum.low)").mark_rule(color=GREY).encode(x=x, y="low:Q", y2="high:Q")
    halo, ink = (
        marks.mark_text(align="left", dx=4, fontSize=11, limit=150 if fits else STEP - 2, **look).encode(x=x, y=y, text="text:N")
        for look in ({"stroke": "white", "strokeWidth": 4, "opacity": 0.85}, {"color": "#1b2430"})
    )
    chart = alt.layer(rules, lines, top, halo, ink).add_params(share, hovered)
    says = (
        "A line is a finished trial: point at it to read it, click to mark it everywhere. The slider says how many of the best "
    )
    says += "stand out."
    width = "container" if fits else len(names) * STEP
    return _part("parallel", "Parallel coordinates", says, chart, axes.rows, height=340, width=width, wide=True)


def _pareto(found: SearchedTrials, i: int, k: int) -> ChartPart:
    import altair as alt

    words = ("not on the front", "on the front", "taken")
    rows = [row | {"place": words[2] if row["taken"] else words[row["front"]]} for row in found.finished]
    better = ["higher" if sign > 0 else "lower" for sign in found.signs.values()]
    x, y = (
        kind(f"m{one}:Q", title=f"{found.titles[one]} ({better[one]} is better)", scale=alt.Scale(zero=False), axis=value_axis())
        for kind, one in ((alt.X, i), (alt.Y, k))
    )
    colours, shapes = [GREY, ARM_COLOURS[0], ARM_COLOURS[1]], ["circle", "circle", "diamond"]
    legend = alt.Legend(orient="top")
    base = _chart(rows).encode(x=x, y=y)
    points = base.mark_point(filled=True, opacity=0.85).encode(
        color=alt.Color("place:N", title=None, scale=alt.Scale(domain=words, range=colours), legend=legend),
        shape=alt.Shape("place:N", title=None, scale=alt.Scale(domain=words, range=shapes)),
        tooltip=_tips(found),
        **_marking(90),
    )
    says = "Finished trials. On the front: no other is as good in every metric and better in one. Taken: the search's result."
    title = f"{found.titles[i]} and {found.titles[k]}"
    return _part(f"pareto-{i}-{k}", title, says, points, rows, wide=len(found.signs) == 2)


def _chart(rows: Sequence[Any]) -> Any:
    """A chart of named rows, with value, best and rank of the chosen metric."""
    import altair as alt

    calculated = {"value": "datum['m' + metric]", "best": "datum['b' + metric]", "rank": "datum['r' + metric]"}
    return alt.Chart(alt.NamedData(ROWS)).transform_calculate(**calculated)


def _marking(size: int) -> dict[str, Any]:
    """Size and edge of a point, both larger where the trial is marked. size: of others."""
    import altair as alt

    return {
        "size": alt.condition(MARKED, alt.value(240), alt.value(size)),
        "stroke": alt.condition(MARKED, alt.value(RING), alt.value("transparent")),
        "strokeWidth": alt.condition(MARKED, alt.value(4), alt.value(0)),
    }


def _value(found: SearchedTrials) -> Any:
    import altair as alt

    title = found.titles[0] if len(found.signs) == 1 else "metric chosen above"
    return alt.Y("value:Q", title=title, scale=alt.Scale(zero=False), axis=value_axis())


def _tips(found: SearchedTrials) -> list[Any]:
    """All that is known of a trial."""
    import altair as alt

    own = [alt.Tooltip(f"tp{k}:N", title=key) for k, key in enumerate(found.spaces)]
    return [alt.Tooltip("number:Q", title="trial"), alt.Tooltip("state:N"), *_metric_tips(found), *own]


def _metric_tips(found: SearchedTrials) -> list[Any]:
    import altair as alt

    return [alt.Tooltip(f"tm{k}:N", title=title) for k, title in enumerate(found.titles)]


def _later(trials: int) -> Any:
    """From the first trial's colour to the last one's."""
    import altair as alt

    return alt.Color("number:Q", scale=alt.Scale(scheme=_scheme(), domain=[0, max(1, trials - 1)]), legend=None)


def _scheme() -> Any:
    """Colours that can be seen on a white page and on a dark one."""
    import altair as alt

    return alt.SchemeParams(name="viridis", extent=[0.25, 0.85])


def _part(
    name: str,
    title: str,
    says: str,
    chart: Any,
    rows: list[Any],
    height: int = HEIGHT,
    width: Any = "container",
    wide: bool = False,
) -> ChartPart:
    """A chart that knows the chosen trial and metric, with its rows."""
    import altair as alt

    shared = [alt.param(name="chosen", value=-1), alt.param(name="metric", value=0)]
    spec = chart.add_params(*shared).properties(width=width, height=height).to_dict()
    return ChartPart(name, title, says, {**spec, "datasets": {ROWS: rows}}, wide)
