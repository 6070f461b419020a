"""Arms against one reference on the same films: differences with intervals, changed predictions, and an exact test."""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import pandas as pd

from hilum.evaluation.scoring.checks import check_pair
from hilum.evaluation.scoring.metrics import METRICS, Metric, higher_is_better
from hilum.evaluation.statistics import Draws, draw_metrics, mcnemar_exact, pair_draws
from hilum.records import Predictions

OnResample = Callable[[str, int, int], None]  # arm, resamples done, resamples in all


def compare_arms(
    arms: Mapping[str, Predictions],
    reference: str,
    resamples: int,
    confidence: float,
    seed: int,
    metrics: Mapping[str, Metric] = METRICS,
    on_resample: OnResample | None = None,
) -> pd.DataFrame:
    """One row per arm other than the reference and metric: its difference from the reference, and whether that is clear.

    Columns: arm, metric (flat name), reference_value, arm_value, difference (arm minus reference), low, high, undefined,
    share_not_above, judgement: `better` or `worse` if the interval excludes 0 (in the metric's own direction), else `unclear`.
    All arms use the same resamples. The intervals are not corrected for the number of metrics and arms.

    Raises:
        ValueError: the reference is none of the arms; an arm with other films, patients, true classes or class order.
    """
    return difference_table(draw_arms(arms, reference, resamples, seed, metrics, on_resample), reference, confidence, metrics)


def draw_arms(
    arms: Mapping[str, Predictions],
    reference: str,
    resamples: int,
    seed: int,
    metrics: Mapping[str, Metric] = METRICS,
    on_resample: OnResample | None = None,
) -> dict[str, Draws]:
    """The metrics of every arm on the same resamples of patients. Raises: as `compare_arms`."""
    check_arms(arms, reference)
    found = {}
    for arm, predictions in arms.items():
        report = None if on_resample is None else _with_arm(on_resample, arm)
        found[arm] = draw_metrics(check_pair(arms[reference], predictions), resamples, seed, metrics, report)
    return found


def difference_table(
    draws: Mapping[str, Draws], reference: str, confidence: float, metrics: Mapping[str, Metric] = METRICS
) -> pd.DataFrame:
    """The table of `compare_arms` from the draws of every arm."""
    rows = []
    for arm in (name for name in draws if name != reference):
        found = pair_draws(draws[reference], draws[arm], confidence)
        rows += [
            (
                arm,
                name,
                d.a,
                d.b,
                d.value,
                d.low,
                d.high,
                d.undefined,
                d.share_not_above,
                judge(d.low, d.high, higher_is_better(name, metrics)),
            )
            for name, d in found.items()
        ]
    columns = "arm metric reference_value arm_value difference low high undefined share_not_above judgement"
    return pd.DataFrame(rows, columns=columns.split())


def judge(low: float, high: float, higher: bool) -> Literal["better", "worse", "unclear"]:
    """The judgement from an interval of arm minus reference: `unclear` if it contains 0 or is undefined."""
    if low > 0:
        return "better" if higher else "worse"
    if high < 0:
        return "worse" if higher else "better"
    return "unclear"


def prediction_changes(reference: Predictions, arm: Predictions) -> pd.DataFrame:
    """The films on which two arms give different predictions, the greatest change of the true class's probability first.

    Columns: image_id, patient_id, true, reference_prediction, arm_prediction (class names), reference_probability,
    arm_probability (of the true class), change: `became right`, `became wrong` or `wrong in another way`.

    Raises:
        ValueError: arms that do not hold the same films, patients, true classes and class order.
    """
    arm = check_pair(reference, arm)
    rows = np.flatnonzero(reference.y_pred != arm.y_pred)
    names, truth = np.array(reference.classes), reference.y_true[rows]
    right = np.where(arm.y_pred[rows] == truth, "became right", "wrong in another way")
    table = pd.DataFrame(
        {
            "image_id": reference.image_id[rows],
            "patient_id": reference.patient_id[rows],
            "true": names[truth],
            "reference_prediction": names[reference.y_pred[rows]],
            "arm_prediction": names[arm.y_pred[rows]],
            "reference_probability": reference.y_prob[rows, truth],
            "arm_probability": arm.y_prob[rows, truth],
            "change": np.where(reference.y_pred[rows] == truth, "became wrong", right),
        }
    )
    size = (table["arm_probability"] - table["reference_probability"]).abs()
    return table.assign(size=-size).sort_values(["size", "image_id"], ignore_index=True).drop(columns="size")


def mcnemar_table(arms: Mapping[str, Predictions], reference: str, seed: int) -> pd.DataFrame:
    """One row per arm other than the reference: predictions on one film per patient (see `mcnemar_exact`).

    Columns: arm, films, both_right, only_reference, only_arm, both_wrong, p_value.

    Raises:
        ValueError: as `compare_arms`.
    """
    check_arms(arms, reference)
    rows = []
    for arm in (name for name in arms if name != reference):
        test = mcnemar_exact(arms[reference], arms[arm], seed)
        rows.append((arm, test.films, test.both_right, test.only_a, test.only_b, test.both_wrong, test.p_value))
    return pd.DataFrame(rows, columns=["arm", "films", "both_right", "only_reference", "only_arm", "both_wrong", "p_value"])


def check_arms(arms: Mapping[str, Predictions], reference: str) -> None:
    """Refuse arms that cannot be compared with the reference.

    Raises:
        ValueError: the reference is none of the arms; an arm with other films, patients, true classes or class order, named.
    """
    if reference not in arms:
        raise ValueError(f"the reference must be one of the arms {', '.join(arms)}, got {reference!r}; use one of these names.")
    for arm, predictions in arms.items():
        try:
            check_pair(arms[reference], predictions)
        except ValueError as fault:
            raise ValueError(f"arm {arm} cannot be compared with {reference}: {fault}") from fault


def _with_arm(on_resample: OnResample, arm: str) -> Callable[[int, int], None]:
    return lambda done, total: on_resample(arm, done, total)
