"""Differences from a reference with intervals that hold for all arms at once."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.evaluation.scoring.metrics import sign_of
from hilum.evaluation.statistics import Draws

COLUMNS = ("reference", "arm", "metric", "difference", "low", "high", "judgement")


def compare_at_once(
    draws: Mapping[str, Draws], references: Sequence[str], metrics: Sequence[str], confidence: float
) -> pd.DataFrame:
    """Every arm against each of these references: with probability `confidence`, all intervals of one reference and metric hold.

    metrics: flat names. Columns COLUMNS; difference is arm minus reference; judgement: `better` or `worse` in the metric's own
    direction, or `not distinguishable` where the interval contains 0 or is undefined.
    """
    rows = []
    for reference in references:
        others = [arm for arm in draws if arm != reference]
        for metric in metrics if others else []:
            place = draws[reference].names.index(metric)
            drawn = np.array([draws[arm].drawn[:, place] for arm in others]) - draws[reference].drawn[:, place]  # (R, B)
            found = simultaneous_intervals(drawn, confidence)
            better = sign_of(metric)
            for arm, (low, high) in zip(others, found, strict=True):
                side = better * (int(low > 0) - int(high < 0))
                judgement = {1: "better", -1: "worse", 0: "not distinguishable"}[side]
                difference = draws[arm].value[place] - draws[reference].value[place]
                rows.append((reference, arm, metric, difference, low, high, judgement))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def simultaneous_intervals(drawn: NDArray[np.float64], confidence: float) -> NDArray[np.float64]:
    """(R, 2) lower and upper ends of R percentile intervals, all of one level, that hold together.

    drawn: (R, B) differences on the same B resamples, NaN where undefined. A resample lies as far out as its most extreme rank
    among the R; the common level is the smallest that holds the share `confidence` of the resamples. One interval alone is the
    plain percentile interval.

    Source: Mandel and Betensky 2008, doi 10.1016/j.csda.2007.07.005.
    """
    alone = (1 - confidence) / 2
    defined = ~np.isnan(drawn)
    count = defined.sum(axis=1, keepdims=True)  # (R, 1)
    ranks = np.argsort(np.argsort(drawn, axis=1, kind="stable"), axis=1, kind="stable") + 1  # NaN last
    out = np.where(defined, np.maximum(ranks, count + 1 - ranks) / np.maximum(count, 1), 0).max(axis=0)  # (B,)
    tail = alone if len(drawn) == 1 else min(alone, 1 - float(np.quantile(out, confidence, method="inverted_cdf")))
    ends = np.full((len(drawn), 2), np.nan)
    some = defined.any(axis=1)
    if some.any():
        ends[some] = np.nanquantile(drawn[some], [tail, 1 - tail], axis=1).T
    return ends
