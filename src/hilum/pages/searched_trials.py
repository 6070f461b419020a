"""The trials of a search as its page reads them: from the table that `tune` writes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hilum.evaluation.scoring.metrics import metric_title
from hilum.pages.numbers import setting
from hilum.training.searching.pictures import searched_values
from hilum.training.searching.samplers import Spaces


@dataclass(frozen=True)
class SearchedTrials:
    """The trials of a search as charts and the page's table read them.

    rows: of each trial number, state, taken, front; of metric k its value `m{k}`, the best so far `b{k}` and its rank among
    finished trials `r{k}`, 0 worst, 1 best; of space k its value `p{k}`; None where there is none. `m{k}` and `p{k}` as text
    are `tm{k}` and `tp{k}`. spread: a number from 0 to 1 that keeps points of one choice apart.
    """

    spaces: Spaces
    signs: Mapping[str, int]
    rows: list[dict[str, Any]]

    @property
    def finished(self) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["state"] == "finished"]

    @property
    def titles(self) -> list[str]:
        return [metric_title(metric) for metric in self.signs]


def arrange_trials(trials: pd.DataFrame, spaces: Spaces, signs: Mapping[str, int]) -> SearchedTrials:
    """trials: as in trials.csv. signs: metric -> 1 where higher is better, else -1."""
    rows = list[dict[str, Any]]()
    for row in trials.to_dict("records"):
        values, reached = searched_values(row, spaces), [shorten(row[f"val/{metric}"]) for metric in signs]
        state = "finished" if row["state"] == "COMPLETE" else "pruned"
        number = int(row["number"])
        made: dict[str, Any] = {"number": number, "state": state}
        made |= {"taken": bool(row.get("best", False)), "front": bool(row.get("front", False))}
        made |= {f"m{k}": value for k, value in enumerate(reached)}
        made |= {f"tm{k}": "no value" if value is None else f"{value:.4f}" for k, value in enumerate(reached)}
        made |= {f"p{k}": _shown(values[key]) if key in values else None for k, key in enumerate(spaces)}
        made |= {f"tp{k}": setting(values[key]) if key in values else "not searched" for k, key in enumerate(spaces)}
        rows.append(made | {"spread": round(number * 0.618034 % 1, 3)})
    for k, sign in enumerate(signs.values()):
        best = -math.inf
        ranks = iter(_ranks([sign * row[f"m{k}"] for row in rows if row["state"] == "finished"]))
        for made in rows:
            done = made["state"] == "finished"
            best = max(best, sign * made[f"m{k}"]) if done else best
            made |= {f"b{k}": sign * best if math.isfinite(best) else None, f"r{k}": next(ranks) if done else None}
    return SearchedTrials(spaces, signs, rows)


def shorten(value: float) -> float | None:
    """Six digits; None for what is no number."""
    return float(f"{value:.6g}") if np.isfinite(value) else None


def _ranks(values: Sequence[float]) -> list[float]:
    return [round(float(rank - 1) / max(1, len(values) - 1), 4) for rank in pd.Series(values, dtype=float).rank()]


def _shown(value: Any) -> Any:
    return value if isinstance(value, bool | str) else shorten(value)
