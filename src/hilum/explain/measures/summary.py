"""Measures over many films: means with intervals over patients."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

HEAD = ("image_id", "patient_id", "method", "target")  # columns that are not measures


def summarise_measures(table: pd.DataFrame, resamples: int, confidence: float, seed: int) -> pd.DataFrame:
    """Mean of every measure per method, with a percentile interval over patients.

    table: one row per film and method: the columns HEAD, then one per measure, NaN where a measure does not exist.
    Returns columns method, measure, value, low, high, films; low and high are NaN where fewer than two patients have a value.
    """
    rows = []
    measures = [name for name in table.columns if name not in HEAD]
    for method in dict.fromkeys(table["method"]):
        part = table[table["method"] == method]
        for measure in measures:
            known = part.dropna(subset=[measure])
            rows.append((method, measure, *patient_mean(known, measure, resamples, confidence, seed), len(known)))
    return pd.DataFrame(rows, columns=["method", "measure", "value", "low", "high", "films"])


def summarise_pairs(pairs: pd.DataFrame, resamples: int, confidence: float, seed: int) -> pd.DataFrame:
    """Mean agreement of each pair of methods, with a percentile interval over patients.

    pairs: of `compare_methods`. Columns first, second, measure (spearman, overlap), value, low, high, films.
    """
    rows = []
    for (first, second), part in pairs.groupby(["first", "second"], sort=False):
        for measure in ("spearman", "overlap"):
            known = part.dropna(subset=[measure])
            rows.append((first, second, measure, *patient_mean(known, measure, resamples, confidence, seed), len(known)))
    return pd.DataFrame(rows, columns=["first", "second", "measure", "value", "low", "high", "films"])


def patient_mean(known: pd.DataFrame, measure: str, resamples: int, confidence: float, seed: int) -> Sequence[float]:
    """Mean of a column over patients (each by the mean of its films), low, high."""
    patients = known.groupby("patient_id")[measure].mean().to_numpy(float)
    if len(patients) < 2 or np.ptp(patients) == 0:
        value = float(patients.mean()) if len(patients) else float("nan")
        return value, float("nan"), float("nan")
    found = bootstrap(
        (patients,),
        np.mean,
        n_resamples=resamples,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(patients.mean()), float(found.low), float(found.high)
