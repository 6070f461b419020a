"""The page of any classifier on any labelled films: metrics with intervals, charts, classes, errors, and what was left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from hilum.evaluation.outside.frozen_tables import FrozenResult, list_classes, list_errors, list_intervals
from hilum.evaluation.scoring.metrics import METRICS, metric_title
from hilum.evaluation.shortcut_baselines import SEES, SHORTCUT_BASELINES, flag
from hilum.evaluation.simultaneous import COLUMNS
from hilum.evaluation.tables import confusion_matrix
from hilum.pages.chart_script import load_bundle
from hilum.pages.charts import ChartRuns, draw_charts
from hilum.pages.levels import interval_name, tell_resamples
from hilum.pages.templates import read_script, render
from hilum.settings.params import Evaluate

PAGE = "evaluation.html"
HEADLINE = ("auroc_macro", "auprc_macro", "balanced_accuracy", "accuracy", "mcc", "brier", "ece", "log_loss")
RUN = "model"  # its name in the charts
SHOWN_ERRORS = 20
SHOWN_LEFT_OUT = 50


@dataclass(frozen=True)
class Section:
    """More of the page. table: rows of any columns, or None; pictures: (caption, PNG)."""

    title: str
    text: str
    table: pd.DataFrame | None
    pictures: list[tuple[str, bytes]]


def render_any_evaluation(
    found: FrozenResult,
    facts: Mapping[str, Any],
    left_out: pd.DataFrame,
    settings: Evaluate,
    asked: Mapping[str, str],
    cache: Path,
    sections: Sequence[Section] = (),
) -> str:
    """One HTML text that needs no other file. facts: of evaluation.json. asked: what was evaluated on what, as (what, value).

    cache: where the script of the charts is kept.
    """
    values = list_intervals(found).set_index("metric")
    charts = ChartRuns(
        {RUN: found.intervals},
        {RUN: found.predictions},
        pd.DataFrame(columns=list(COLUMNS)),
        [name for name in HEADLINE if not np.isnan(found.intervals[name].value)] or ["accuracy"],
        RUN,
        {RUN: float("nan")},
        "log_loss",
    )
    level, margin = interval_name(settings.confidence), settings.acquisition.margin
    page = render(
        "any_evaluation.html",
        asked=asked,
        facts=facts,
        resamples=tell_resamples(settings.confidence, settings.bootstrap),
        headline=[(metric_title(name), values.loc[name]) for name in HEADLINE],
        baselines=[
            (SHORTCUT_BASELINES[name], SEES[name][0], both, both is not None and flag(both[1].low, margin) == 1)
            for name, both in found.baselines.items()
        ],
        margin=margin,
        class_metrics=[(name, one.title) for name, one in METRICS.items() if one.kind == "per_class"],
        classes=list_classes(found, settings).to_dict("records"),
        names=list(found.predictions.classes),
        matrix=confusion_matrix(found.predictions).tolist(),
        errors=list_errors(found.predictions, SHOWN_ERRORS).to_dict("records"),
        left_out=left_out.head(SHOWN_LEFT_OUT).to_dict("records"),
        charts=[
            replace(one, says=f"Value and {level}.") if one.name == "metrics" else one
            for one in draw_charts(charts, level, level)
        ],
        bundle=Markup(load_bundle(cache)),
        script=read_script("page.js"),
        sections=[(one, one.table.to_dict("records") if one.table is not None else []) for one in sections],
    )
    return str(page)
