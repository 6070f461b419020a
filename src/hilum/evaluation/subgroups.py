"""Whether a model serves a group of films worse than the rest: every column, group and measure looked at, all at once."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.data.confounding import NOT_TOLD, name_factors
from hilum.evaluation.group_measures import MEASURES, RANGE, Contributions, Shares, count_shares, measure_group, needed_classes
from hilum.evaluation.signed_numbers import signed, signed_interval
from hilum.evaluation.tables import FEW_PATIENTS
from hilum.records import Predictions

SUBGROUPS = "subgroups.csv"  # in the folder of an evaluation
POWER = 0.8  # chance that a gap of the detectable size is found
COLUMNS = ("column", "group", "measure", "films", "patients", "value", "low", "high", "rest", "gap", "gap_low", "gap_high",
           "detectable", "judgement", "note")  # fmt: skip
WORSE, BETTER, NOT_SHOWN, TOO_SMALL = "worse", "better", "not shown", "too small"


@dataclass(frozen=True)
class _Look:
    """One group under one measure. group, gap: (P,) what each patient adds to the value and to the gap. error: of the gap."""

    row: int
    value: float
    rest: float
    group: NDArray[np.float64]
    gap: NDArray[np.float64]
    error: float


def name_groups(manifest: pd.DataFrame, burned_in: pd.DataFrame | None, age_groups: Sequence[float]) -> pd.DataFrame:
    """The group of each film in each column: those of the confounding report without the aspect, and the site where there is one.

    What a source does not say is a group of its own, `not told`. The arguments are those of `confounding.name_factors`.
    """
    named = name_factors(manifest, burned_in, age_groups).drop(columns="aspect")
    if "site" in manifest and "site" not in named:
        named["site"] = manifest["site"].where(manifest["site"] != "", NOT_TOLD)
    return named


def measure_subgroups(
    predictions: Predictions, groups: pd.DataFrame, resamples: int, confidence: float, seed: int
) -> pd.DataFrame:
    """Every group of every column under each of MEASURES: its value, and its gap (group minus all other films).

    groups: one column per property, one row per film of the predictions, in their order. Columns COLUMNS. low, high: percentiles
    of the value alone over resampled patients. gap_low, gap_high: intervals of which, with probability `confidence`, all hold at
    once (the most extreme standardised deviation of all looks, over resampled patients). judgement: `worse` where that
    interval excludes 0 on the worse side (of overconfidence: excludes 0, and the group is further from 0 than the rest), `better`
    on the other, `not shown` where it contains 0, `too small` where group or rest has fewer than FEW_PATIENTS patients of a
    class that the measure needs (note says which). detectable: the gap that would have been found with probability POWER.

    Source: van der Vaart 1998, chapters 20 and 23 (influence functions, bootstrap); Chernozhukov et al. 2013, doi
        10.1214/13-AOS1161 (the largest of many).
    """
    rows = []
    for column in groups:
        names, which = np.unique(groups[column].to_numpy(str), return_inverse=True)
        rows += [(str(column), str(name), which == place) for place, name in enumerate(names)]
    whose = np.unique(predictions.patient_id, return_inverse=True)[1]
    looks, notes = _look_at(predictions, whose, [inside for _, _, inside in rows])
    critical, ends = _resample(looks, resamples, confidence, seed)
    found = {look.row: (look, low, high) for look, (low, high) in zip(looks, ends.tolist(), strict=True)}
    table = []
    for place, (column, group, inside) in enumerate(rows):
        patients = len(set(whose[inside].tolist()))
        for m, measure in enumerate(MEASURES):
            key = place * len(MEASURES) + m
            told = _tell(*found[key], critical, measure) if key in found else (*[np.nan] * 8, TOO_SMALL)
            table.append((column, group, measure, int(inside.sum()), patients, *told, notes.get(key, "")))
    return pd.DataFrame(table, columns=list(COLUMNS))


def _look_at(
    predictions: Predictions, whose: NDArray[np.intp], groups: Sequence[NDArray[np.bool_]]
) -> tuple[list[_Look], dict[int, str]]:
    """The looks at groups that are large enough, and why there is none at the others, by group and measure.

    whose: (N,) number of each film's patient.
    """
    shares, count = count_shares(predictions), len(predictions.classes)
    spread = _spread(predictions, whose, shares)
    looks: list[_Look] = []
    notes: dict[int, str] = {}
    known: dict[bytes, _Side] = {}  # of two groups, each is the rest of the other

    def measure(inside: NDArray[np.bool_]) -> _Side:
        key = inside.tobytes()
        if key not in known:
            known[key] = _Side(predictions, inside, whose, int(whose.max()) + 1, shares)
        return known[key]

    for place, inside in enumerate(groups):
        if inside.all():
            notes |= {place * len(MEASURES) + m: "all films are in this group" for m in range(len(MEASURES))}
            continue
        sides = [measure(inside), measure(~inside)]
        for m, needed in enumerate(needed_classes(count)):
            key = place * len(MEASURES) + m
            if note := _tell_few(sides, needed, predictions.classes):
                notes[key] = note
                continue
            gap = sides[0].influence[m] - sides[1].influence[m]
            least = sum(float((spread[m] / np.maximum(side.patients, 1))[needed].sum()) for side in sides)
            error = float(np.sqrt(max(gap @ gap, least)))
            looks.append(_Look(key, sides[0].values[m], sides[1].values[m], sides[0].influence[m], gap, error))
    return looks, notes


class _Side:
    """A group or the rest: (4,) values, (4, P) what each patient adds to them, (K,) patients of each class."""

    def __init__(self, all_films: Predictions, inside: NDArray[np.bool_], whose: NDArray[np.intp], patients: int, shares: Shares):
        rows = np.flatnonzero(inside)
        truth, owner, count = all_films.y_true[rows], whose[rows], len(shares)
        measured = measure_group(truth, all_films.y_prob[rows], all_films.y_pred[rows], shares)
        self.values = measured.values
        self.patients = np.bincount(np.unique(owner * count + truth) % count, minlength=count)
        many = np.maximum(self.patients, 2)
        films = np.maximum(np.bincount(truth, minlength=count), 1)
        weight = (np.sqrt(many / (many - 1)) / films)[truth]  # the variance of a mean is estimated from one patient fewer
        centred = (measured.films - _means(measured.films, truth, count)[:, truth]) * weight
        self.influence = np.stack([np.bincount(owner, row, minlength=patients) for row in centred])


def _means(films: Contributions, truth: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    number = np.maximum(np.bincount(truth, minlength=count), 1)
    return np.stack([np.bincount(truth, row, minlength=count) / number for row in films])


def _spread(predictions: Predictions, whose: NDArray[np.intp], shares: Shares) -> NDArray[np.float64]:
    """(4, K) variance over patients of what the films of a class add, on all films.

    The error of a gap is at least what this gives: a small group without an error has no spread of its own, and its interval
    would have no width.
    """
    count = len(shares)
    measured = measure_group(predictions.y_true, predictions.y_prob, predictions.y_pred, shares)
    _, first, pair = np.unique(whose * count + predictions.y_true, return_index=True, return_inverse=True)
    number = np.bincount(pair)
    mean = np.stack([np.bincount(pair, row) / number for row in measured.films])  # (4, patients of a class)
    truth = predictions.y_true[first]
    rows = [[float(row[truth == k].var(ddof=1)) if (truth == k).sum() > 1 else 0.0 for k in range(count)] for row in mean]
    return np.array(rows)


def _tell_few(sides: Sequence[_Side], needed: NDArray[np.bool_], classes: Sequence[str]) -> str:
    """Which classes have too few patients, empty where none has."""
    for what, side in zip(("", "in the rest "), sides, strict=True):
        few = [
            f"{n} of {name}"
            for name, n, wanted in zip(classes, side.patients, needed, strict=True)
            if wanted and n < FEW_PATIENTS
        ]
        if few:
            return f"{what}patients: {', '.join(few)}; a figure takes {FEW_PATIENTS}"
    return ""


def _resample(looks: Sequence[_Look], resamples: int, confidence: float, seed: int) -> tuple[float, NDArray[np.float64]]:
    """How many errors wide intervals are that all hold at once, and (L, 2) the percentiles of each value alone."""
    if not looks:
        return np.nan, np.zeros((0, 2))
    patients = len(looks[0].gap)
    times = np.random.default_rng(seed).multinomial(patients, np.full(patients, 1 / patients), resamples) - 1.0  # (B, P)
    tail = (1 - confidence) / 2
    errors = np.array([look.error for look in looks])
    moved = times @ np.stack([look.gap for look in looks]).T  # (B, L)
    furthest = np.max(np.abs(moved) / np.where(errors > 0, errors, np.inf), axis=1)
    critical = max(float(np.quantile(furthest, confidence, method="higher")), NormalDist().inv_cdf(1 - tail))
    alone = times @ np.stack([look.group for look in looks]).T
    ends = np.quantile(alone, [tail, 1 - tail], axis=0).T + np.array([[look.value] for look in looks])
    return critical, ends


def _tell(look: _Look, low: float, high: float, critical: float, measure: str) -> tuple[float | str, ...]:
    """value, low, high, rest, gap, its ends, detectable gap and judgement."""
    gap, wide = look.value - look.rest, critical * look.error
    judgement = _judge(look, gap - wide, gap + wide, measure)
    detectable = wide + NormalDist().inv_cdf(POWER) * look.error if look.error > 0 else np.nan
    least, most = RANGE[measure]
    return look.value, max(low, least), min(high, most), look.rest, gap, gap - wide, gap + wide, detectable, judgement


def _judge(look: _Look, low: float, high: float, measure: str) -> str:
    if low <= 0 <= high:
        return NOT_SHOWN
    worse = abs(look.value) > abs(look.rest) if measure == "overconfidence" else high < 0
    return WORSE if worse else BETTER


def flat_subgroups(table: pd.DataFrame) -> dict[str, float]:
    """`subgroups/served_worse` and `subgroups/measured`: groups named in at least one measure, and groups measured in one."""
    measured = table[table["judgement"] != TOO_SMALL]
    worse = table[table["judgement"] == WORSE]
    return {f"subgroups/{name}": float(len(rows[["column", "group"]].drop_duplicates()))
            for name, rows in (("served_worse", worse), ("measured", measured))}  # fmt: skip


def tell_subgroups(table: pd.DataFrame) -> list[str]:
    """A sentence for each group that is served worse."""
    return [
        f"{row['column']} {row['group']} is served worse: {MEASURES[row['measure']]} {_value(row, 'value')}, in the other films "
        f"{_value(row, 'rest')}, a gap of {signed_interval(row['gap'], row['gap_low'], row['gap_high'])}"
        for row in table[table["judgement"] == WORSE].to_dict("records")
    ]


def _value(row: Mapping[Hashable, Any], side: str) -> str:
    """A measure of RANGE as text, with its sign where it may be negative."""
    return signed(row[side]) if RANGE[row["measure"]][0] < 0 else f"{row[side]:.3f}"
