"""The part of the data report on what is associated with the class."""

from collections.abc import Sequence

from markupsafe import Markup

from hilum.data.confounding import PRESENT, STRONG, Confounding
from hilum.pages.data_report.confounding_charts import draw_association, draw_shares
from hilum.pages.levels import interval_name
from hilum.pages.templates import render

SHOWN_VALUES = 12  # rows of a contingency table on the page; contingency.csv has all
COLOURS = (
    "#4477aa",
    "#ee6677",
    "#228833",
    "#ccbb44",
    "#66ccee",
    "#aa3377",
    "#bbbbbb",
)  # Paul Tol's "bright"


def render_confounding(found: Confounding, classes: Sequence[str], confidence: float) -> Markup:
    """Charts of the factors, and as tables each factor's number and the contingency table of those with more than one value.

    classes: in class order. confidence: of the intervals in `found`.
    """
    tables = []
    for row in found.table.itertuples():
        cells = found.cells[found.cells["factor"] == row.factor]
        wide = cells.pivot_table(index="value", columns="label", values="films", fill_value=0).reindex(columns=list(classes))
        wide = (
            wide.fillna(0).astype(int).assign(total=lambda t: t.sum(axis=1)).sort_values("total", ascending=False, kind="stable")
        )
        shown = [(value, list(films), total) for value, *films, total in wide.head(SHOWN_VALUES).itertuples(name=None)]
        if len(wide) > 1:
            tables.append((row.factor, shown, max(0, len(wide) - SHOWN_VALUES)))
    level, colours = interval_name(confidence), {name: COLOURS[k % len(COLOURS)] for k, name in enumerate(classes)}
    shares = draw_shares({str(factor): shown for factor, shown, _ in tables}, colours)
    return render(
        "confounding.html",
        charts=[chart for chart in (draw_association(found.table, level), shares) if chart],
        rows=found.table.to_dict("records"),
        tables=tables,
        opened=set(found.table["factor"][found.table["judgement"] == "strong"]),
        classes=classes,
        level=level,
        strong=STRONG,
        present=PRESENT,
    )
