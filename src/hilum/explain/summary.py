"""What the measures of many films say together: means with intervals over patients."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

MEASURES = ("deletion_auc", "insertion_auc", "share_in_lungs", "share_in_lesion")


def summarise_measures(table: pd.DataFrame, resamples: int, confidence: float, seed: int) -> pd.DataFrame:
    """Mean of every measure per method, with a percentile interval over patients.

    table: one row per film and method: patient_id, method and the columns MEASURES, NaN where a measure does not exist.
    Returns columns method, measure, value, low, high, films; low and high are NaN where fewer than two patients have a value.
    """
    rows = []
    for method in dict.fromkeys(table["method"]):
        part = table[table["method"] == method]
        for measure in MEASURES:
            known = part.dropna(subset=[measure])
            rows.append((method, measure, *_mean(known, measure, resamples, confidence, seed), len(known)))
    return pd.DataFrame(rows, columns=["method", "measure", "value", "low", "high", "films"])


def _mean(known: pd.DataFrame, measure: str, resamples: int, confidence: float, seed: int) -> Sequence[float]:
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
