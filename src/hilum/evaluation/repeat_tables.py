"""The repeats of arms as tables: each repeat's metrics, their mean with its interval, and arms against a reference."""

from collections.abc import Mapping, Sequence

import pandas as pd

from hilum.evaluation.comparison import check_arms, judge
from hilum.evaluation.repeats import (
    RepeatInterval,
    Resampled,
    repeat_differences,
    resample_repeats,
)
from hilum.evaluation.scoring.metrics import METRICS, Metric, higher_is_better
from hilum.evaluation.statistics import OnResample
from hilum.records import Predictions


def repeat_table(seeds: Sequence[int], served: int, parts: Mapping[str, Resampled]) -> pd.DataFrame:
    """One row per repeat: repeat (from 1), seed, served (bool), then <part>/<metric> for each metric that is not of one class.

    served: place of the served repeat, from 0. parts: `val`, `test` -> the same repeats.
    """
    table = pd.DataFrame({"repeat": range(1, len(seeds) + 1), "seed": seeds})
    table["served"] = [place == served for place in range(len(seeds))]
    for part, found in parts.items():
        for place, name in enumerate(found.names):
            if "/" not in name:
                table[f"{part}/{name}"] = found.values[:, place]
    return table


def repeat_interval_table(parts: Mapping[str, Mapping[str, RepeatInterval]]) -> pd.DataFrame:
    """One row per part and metric: part, metric, repeats, mean, sd, low, high, undefined (share of resamples left out)."""
    rows = [
        (part, name, len(i.values), i.mean, i.sd, i.low, i.high, i.undefined)
        for part, found in parts.items()
        for name, i in found.items()
    ]
    return pd.DataFrame(rows, columns=["part", "metric", "repeats", "mean", "sd", "low", "high", "undefined"])


def flat_repeats(found: Mapping[str, RepeatInterval], part: str, names: Sequence[str]) -> dict[str, float]:
    """`repeats/<part>/<metric>`, the mean of these metrics, with `.sd`, `.low` and `.high`."""
    flat: dict[str, float] = {}
    for name in names:
        key, one = f"repeats/{part}/{name}", found[name]
        flat |= {key: one.mean, f"{key}.sd": one.sd, f"{key}.low": one.low, f"{key}.high": one.high}
    return flat


def compare_repeats(
    arms: Mapping[str, Resampled], reference: str, confidence: float, metrics: Mapping[str, Metric] = METRICS
) -> pd.DataFrame:
    """One row per arm other than the reference and metric: the difference of their means over seeds and patients.

    arms: of `resample_arms`. Columns: arm, metric, reference_repeats, arm_repeats, reference_value, arm_value (means), difference
    (arm minus reference), low, high, undefined, judgement: as in `comparison.compare_arms`.

    Raises:
        ValueError: as `repeats.repeat_differences`.
    """
    rows = []
    for arm in (name for name in arms if name != reference):
        counts = (len(arms[reference].values), len(arms[arm].values))
        for name, d in repeat_differences(arms[reference], arms[arm], confidence).items():
            judgement = judge(d.low, d.high, higher_is_better(name, metrics))
            rows.append((arm, name, *counts, d.a, d.b, d.value, d.low, d.high, d.undefined, judgement))
    columns = "arm metric reference_repeats arm_repeats reference_value arm_value difference low high undefined judgement"
    return pd.DataFrame(rows, columns=columns.split())


def resample_arms(
    arms: Mapping[str, Sequence[Predictions]],
    reference: str,
    resamples: int,
    seed: int,
    metrics: Mapping[str, Metric] = METRICS,
    on_resample: OnResample | None = None,
) -> dict[str, Resampled]:
    """The metrics of every arm's repeats on the same resamples of patients. arms: one predictions for an arm trained once.

    Raises:
        ValueError: the reference is none of the arms; arms or repeats with other films, patients, labels or class order.
    """
    check_arms({name: repeats[0] for name, repeats in arms.items()}, reference)
    return {name: resample_repeats(repeats, resamples, seed, metrics, on_resample) for name, repeats in arms.items()}
