"""The page of a search: interactive charts of its trials and their table, one file that needs no network."""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from markupsafe import Markup

from hilum.pages.chart_script import load_bundle
from hilum.pages.search_charts import draw_search_charts
from hilum.pages.searched_trials import SearchedTrials, arrange_trials
from hilum.pages.templates import read_script, render
from hilum.training.searching.pictures import measure_importance
from hilum.training.searching.samplers import Spaces


def log_page(
    log_folder: Callable[[Path, str], Any],
    arm: str,
    trials: pd.DataFrame,
    spaces: Spaces,
    signs: Mapping[str, int],
    cache: Path,
) -> None:
    """Make the page of a search and upload it beside its pictures. log_folder: of an open run. cache: of `load_bundle`."""
    with TemporaryDirectory() as place:
        (Path(place) / "search.html").write_text(render_search(arm, trials, spaces, signs, load_bundle(cache)), encoding="utf-8")
        log_folder(Path(place), "pictures")


def render_search(arm: str, trials: pd.DataFrame, spaces: Spaces, signs: Mapping[str, int], bundle: str) -> Markup:
    """The page as HTML.

    trials: as in trials.csv, one row or more. signs: metric -> 1 where higher is better, else -1. bundle: of `load_bundle`.
    """
    found = arrange_trials(trials, spaces, signs)
    charts, left_out = draw_search_charts(found, measure_importance(trials, spaces, signs))
    return render(
        "search.html",
        arm=arm,
        metrics=[
            f"{title} ({'higher' if sign > 0 else 'lower'} is better)"
            for sign, title in zip(signs.values(), found.titles, strict=True)
        ],
        counts={state: sum(row["state"] == state for row in found.rows) for state in ("finished", "pruned")},
        taken=next((row for row in found.rows if row["taken"]), None),
        charts={kind: [chart for chart in charts if chart.name.split("-")[0] == kind] for kind in GROUPS},
        groups=GROUPS,
        left_out=left_out,
        columns=[*found.titles, *spaces],
        rows=[_table_row(found, row) for row in found.rows],
        bundle=Markup(bundle),
        script=read_script("page.js") + read_script("search.js"),
    )


GROUPS = {  # first word of the names of charts -> heading
    "history": "History",
    "importance": "Importance",
    "pareto": "Pareto front",
    "parallel": "Parallel coordinates",
    "slice": "Slices",
}


def _table_row(found: SearchedTrials, row: Mapping[str, Any]) -> dict[str, Any]:
    """Number, state and cells of a trial: what is sorted by, and the text."""
    names = [*(f"m{k}" for k in range(len(found.signs))), *(f"p{k}" for k in range(len(found.spaces)))]
    cells = [("" if row[name] is None else row[name], row[f"t{name}"]) for name in names]
    return {"number": row["number"], "state": row["state"], "taken": row["taken"], "front": row["front"], "cells": cells}
