"""The part of the comparison page on cross-validation: pooled metrics, each fold, and the labels to check."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from hilum.evaluation.scoring.metrics import higher_is_better, metric_title
from hilum.evaluation.style import arm_colour, with_interval
from hilum.pages.headline import headline_rows, interval_of
from hilum.pages.levels import interval_name, one_or_each
from hilum.pages.templates import render
from hilum.records import Predictions

MEASURED = "auroc_macro"  # of each fold alone


@dataclass(frozen=True)
class FoldResults:
    """One arm's folder `crossvalidation`: metrics.json, the pooled predictions, folds.csv, the contact sheet as PNG, and the
    confidence of the intervals in both tables."""

    metrics: Mapping[str, float | None]
    predictions: Predictions
    folds: pd.DataFrame
    sheet: bytes
    confidence: float


def render_folds(
    found: Mapping[str, FoldResults],
    page_arms: Sequence[str],
    reference: str,
    differences: pd.DataFrame,
    metrics: Sequence[str],
    fold_by: str,
    confidence: float,
) -> Markup:
    """The section of the comparison page as HTML.

    found: arm -> results, in the page's order; page_arms: all arms of the page, which give the colours.
    differences: of `comparison.compare_arms` on the pooled predictions.
    metrics: flat names of the table. fold_by: patient or source. confidence: of the intervals of `differences`.
    """
    arms = list(found)
    values = {
        arm: {metric: interval_of(one.metrics, f"out_of_fold/{metric}") for metric in metrics} for arm, one in found.items()
    }
    tables = {arm: {str(row["fold"]): _named(row) for row in one.folds.to_dict("records")} for arm, one in found.items()}
    folds = [
        (fold, row["films"], row["patients"], [with_interval(interval_of(tables[arm][fold], MEASURED)) for arm in arms])
        for fold, row in tables[arms[0]].items()
    ]
    return render(
        "folds.html",
        colour={arm: arm_colour(arm, page_arms) for arm in page_arms},
        arms=arms,
        reference=reference,
        count=len(folds),
        fold_by=fold_by,
        interval=one_or_each({arm: interval_name(one.confidence) for arm, one in found.items()}),
        own={arm: interval_name(one.confidence) for arm, one in found.items()},
        difference=interval_name(confidence),
        less=lambda metric: not higher_is_better(metric),
        headline=headline_rows(values, dict.fromkeys(metrics, float("nan")), differences, metrics, {}),
        folds=folds,
        shown=metric_title(MEASURED),
        contradicted={arm: int(one.metrics["out_of_fold/contradicted_labels"] or 0) for arm, one in found.items()},
        sheets={arm: one.sheet for arm, one in found.items()},
    )


def _named(row: Mapping[Hashable, Any]) -> dict[str, Any]:
    return {str(key): value for key, value in row.items()}
