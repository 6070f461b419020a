"""The arithmetic of `method_ranking.py`: ranks of methods by each measure, and the agreement of two rankings."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import kendalltau, rankdata

Numbers = NDArray[np.float64]
FEWEST = 8  # films of a class needed for a correlation over films
Piles = Mapping[str, Numbers]  # measure -> (S, M, P) of seeds, methods and patients, higher is better, NaN where there is none


def pile(films: pd.DataFrame, measure: str, methods: Sequence[str], lower: bool) -> Numbers:
    """One measure as an array (S, M, P) of seeds, methods and patients, signs turned where lower is better.

    films: one row per seed, method and patient: columns seed, method, patient_id and the measure.
    Raises: ValueError where a patient has several rows, whose order would matter.
    """
    rows = films[films["method"].isin(list(methods))]
    if rows.duplicated(["seed", "method", "patient_id"]).any():
        raise ValueError("a patient must have one film per seed and method, got several; keep one film of each patient")
    wide = rows.pivot(index=["seed", "method"], columns="patient_id", values=measure)
    seeds = sorted(rows["seed"].unique())
    found = np.stack([wide.loc[[(seed, method) for method in methods]].to_numpy(np.float64) for seed in seeds])
    return -found if lower else found


def draw_resamples(seeds: int, patients: int, count: int, seed: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Positions of seeds and patients: first all of them once, then `count` resamples with replacement of both."""
    rng = np.random.default_rng(seed)
    drawn = [(rng.integers(0, seeds, seeds), rng.integers(0, patients, patients)) for _ in range(count)]
    return [(np.arange(seeds), np.arange(patients)), *drawn]


def method_means(values: Numbers, drawn: tuple[NDArray[np.intp], NDArray[np.intp]]) -> Numbers:
    """Mean of each method (M,) over the drawn seeds and patients, NaN where no drawn film has a value."""
    seeds, patients = drawn
    taken = values[seeds][:, :, patients]
    there = np.isfinite(taken)
    count = there.sum(axis=(0, 2))
    return np.where(count > 0, np.where(there, taken, 0).sum(axis=(0, 2)) / np.maximum(count, 1), np.nan)


def ranks(means: Numbers) -> Numbers:
    """1 for the highest mean; methods with equal means share the mean of their ranks; NaN stays NaN and gets no rank."""
    found = np.full(means.shape, np.nan)
    known = np.isfinite(means)
    found[known] = rankdata(-means[known])
    return found


def mean_ranks(truths: Sequence[Numbers], drawn: tuple[NDArray[np.intp], NDArray[np.intp]]) -> Numbers:
    """The order by truth: each method's mean (M,) of its ranks by several measures against the lesion; lower is better."""
    return np.mean([ranks(method_means(values, drawn)) for values in truths], axis=0)


def tau(one: Numbers, other: Numbers) -> float:
    """Kendall's tau-b of two orders of methods, -1 to 1; methods that lack a value are left out; NaN where all tie."""
    known = np.isfinite(one) & np.isfinite(other)
    if known.sum() < 2 or np.ptp(one[known]) == 0 or np.ptp(other[known]) == 0:
        return float("nan")
    return float(kendalltau(one[known], other[known]).statistic)


def chance_tau(methods: int) -> float:
    """The |tau| that two orders of this many methods reach at most once in twenty, if one is random.

    Exact: the k-th method adds 0 to k - 1 inversions, each equally likely. 1 where even equal orders are more frequent.
    Source: Kendall 1938, doi 10.1093/biomet/30.1-2.81.
    """
    chances = np.ones(1)  # of 0, 1, ... inversions
    for k in range(2, methods + 1):
        chances = np.convolve(chances, np.full(k, 1 / k))
    sizes = np.abs(1 - 4 * np.arange(len(chances)) / (methods * (methods - 1)))
    return float(min((size for size in sizes if chances[sizes > size - 1e-9].sum() <= 0.05), default=1.0))


def within_films(values: Numbers, truth: Numbers, labels: NDArray[np.str_]) -> float:
    """Does a higher value mean a better map of one method? Spearman over films, the mean over seeds, methods and classes.

    values, truth: (S, M, P); labels: (P,), because marks of one class may be larger than those of another. NaN where a measure
    is the same for every film.
    """
    parts = [labels == label for label in np.unique(labels)]
    rows = np.concatenate([_spearman_rows(*(_as_rows(one[..., part]) for one in (values, truth))) for part in parts])
    return float(np.nanmean(rows)) if np.isfinite(rows).any() else float("nan")


def _as_rows(values: Numbers) -> Numbers:
    return values.reshape(-1, values.shape[-1])


def _spearman_rows(one: Numbers, other: Numbers) -> Numbers:
    """Spearman correlation of each pair of rows (R, P), over what both have; NaN where those are few or constant."""
    found = np.full(len(one), np.nan)
    for i, (first, second) in enumerate(zip(one, other, strict=True)):
        known = np.isfinite(first) & np.isfinite(second)
        if known.sum() >= FEWEST and np.ptp(first[known]) > 0 and np.ptp(second[known]) > 0:
            found[i] = np.corrcoef(rankdata(first[known]), rankdata(second[known]))[0, 1]
    return found


def ends(values: Numbers) -> tuple[float, float]:
    """The 95 % percentile interval of all values after the first; NaN where none is known."""
    if not np.isfinite(values[1:]).any():
        return float("nan"), float("nan")
    low, high = np.nanpercentile(values[1:], [2.5, 97.5])
    return float(low), float(high)


def interval(value: float, low: float, high: float, digits: int = 2, sign: str = "") -> str:
    """`0.81 [0.79, 0.83]`; the value alone where its ends are unknown or alike, nothing where it is unknown."""
    if not np.isfinite(value):
        return ""
    whole = f"{value:{sign}.{digits}f}"
    return whole if not low < high else f"{whole} [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"


def compare_orders(
    piles: Piles,
    truths: Sequence[str],
    labels: NDArray[np.str_],
    per_film: str,
    methods: Sequence[str],
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """The agreement of the order of methods by each measure with the order by truth.

    piles: of every measure, the truths among them; labels: (P,) of the patients; per_film: the truth that `within_films` reads.
    Columns measure; tau with low and high (percentiles over seeds and patients); films, films_low and films_high, of
    `within_films` (a tenth of the resamples, of patients); chooses, the method that the measure ranks first; its_rank, that
    method's rank by truth. A truth is compared with the mean rank by the other truths. Resampling adds noise to both orders, so
    the middle of an interval lies nearer to 0 than its tau.
    """
    some = next(iter(piles.values()))
    drawn = draw_resamples(some.shape[0], some.shape[2], resamples, seed)
    by_truth = ranks(-mean_ranks([piles[name] for name in truths], drawn[0]))
    ranked = {name: np.array([ranks(method_means(piles[name], one)) for one in drawn]) for name in truths}
    rows = []
    for name, values in piles.items():
        against = np.mean([ranked[other] for other in truths if other != name], axis=0)
        taus = np.array([tau(-true, method_means(values, one)) for true, one in zip(against, drawn, strict=True)])
        low, high = ends(taus)
        few = [one[1] for one in drawn[: 1 + resamples // 10]]
        films = np.array([within_films(values[..., p], piles[per_film][..., p], labels[p]) for p in few])
        if name == per_film:
            films[:] = np.nan
        means = method_means(values, drawn[0])
        first = np.flatnonzero(means == np.nanmax(means))
        chosen = ", ".join(methods[int(i)] for i in first) if len(first) < 4 else f"{len(first)} methods alike"
        rows.append((name, taus[0], low, high, films[0], *ends(films), chosen, float(by_truth[first].mean())))
    columns = ["measure", "tau", "low", "high", "films", "films_low", "films_high", "chooses", "its_rank"]
    return pd.DataFrame(rows, columns=columns)
