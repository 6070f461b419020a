"""The part of the data report on what is associated with the class."""

from collections.abc import Sequence

from markupsafe import Markup

from hilum.data.confounding import PRESENT, STRONG, Confounding
from hilum.pages.templates import render

SHOWN_VALUES = 12  # rows of a contingency table on the page; contingency.csv has all
COLOURS = ("#332288", "#117733", "#cc6677", "#88ccee", "#aa4499", "#999933", "#882255", "#44aa99")  # Paul Tol's "muted"


def render_confounding(found: Confounding, classes: Sequence[str], confidence: float) -> Markup:
    """A table with a bar per factor, and under it the contingency table of each factor that has more than one value.

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
    return render(
        "confounding.html",
        rows=found.table.to_dict("records"),
        tables=tables,
        opened=set(found.table["factor"][found.table["judgement"] == "strong"]),
        colours={name: COLOURS[k % len(COLOURS)] for k, name in enumerate(classes)},
        confidence=confidence,
        strong=STRONG,
        present=PRESENT,
    )
