"""The part of the comparison page on the sanity gate: which methods' maps depend on what a model learned, and the evidence."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from hilum.evaluation.style import arm_colour
from hilum.pages.levels import interval_name, one_or_each
from hilum.pages.numbers import number, percent
from hilum.pages.templates import render

LOOKS = {"passes": "better", "fails sanity": "worse", "no evidence": "unclear"}  # verdict -> how its tag looks


@dataclass(frozen=True)
class SanityResults:
    """One arm's verdicts and the rule behind them.

    table: columns method, verdict, spearman, low, high, films, patients, pairs, empty, a row per method; seeds: permutations;
    limit: what the interval must stay below; evidence: share of pairs that must have a value; confidence: of the interval.
    """

    table: pd.DataFrame
    seeds: int
    limit: float
    evidence: float
    confidence: float


def render_sanity(found: Mapping[str, SanityResults], titles: Mapping[str, str]) -> Markup:
    """The section of the comparison page as HTML. found: arm -> results; titles: of methods.

    The rule in words is the first arm's, as arms share `explain`; the level is each arm's own.
    """
    arms = list(found)
    first = found[arms[0]]
    return render(
        "sanity.html",
        colour={arm: arm_colour(arm, arms) for arm in arms},
        seeds=first.seeds,
        limit=f"{first.limit:g}",
        evidence=percent(first.evidence),
        interval=one_or_each({arm: interval_name(results.confidence) for arm, results in found.items()}),
        rows=[(arm, _rows(results.table, titles)) for arm, results in found.items()],
    )


def _rows(table: pd.DataFrame, titles: Mapping[str, str]) -> list[dict[str, str]]:
    return [
        {
            "method": titles.get(row["method"], row["method"]),
            "verdict": row["verdict"],
            "looks": LOOKS[row["verdict"]],
            "value": number(row["spearman"]),
            "interval": "" if np.isnan(row["low"]) else f"{number(row['low'])} to {number(row['high'])}",
            "films": f"{row['films']} of {row['patients']} patients",
            "empty": f"{row['empty']} of {row['pairs']}",
        }
        for row in table.to_dict("records")
    ]
