"""The part of the comparison page on repeats: each arm's mean over its seeds, its spread, and the differences of the means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup

from hilum.evaluation.repeats import RepeatInterval
from hilum.evaluation.scoring.metrics import higher_is_better, metric_title
from hilum.evaluation.style import arm_colour
from hilum.pages.headline import difference_text
from hilum.pages.levels import interval_name
from hilum.pages.numbers import number
from hilum.pages.templates import render
from hilum.records import Predictions
from hilum.results import REPEATED, REPEATS, read_predictions, read_table


@dataclass(frozen=True)
class ArmRepeats:
    """An arm's repeats on the test films, as `evaluate` left them. served: place of the served one, from 0."""

    seeds: list[int]
    served: int
    test: list[Predictions]


@dataclass(frozen=True)
class PageRepeats:
    """What the page says of repeats: its section, and the differences that its conclusions rest on.

    differences: of `repeat_tables.compare_repeats`. level: the name of its intervals.
    """

    section: Markup
    differences: pd.DataFrame
    level: str


def read_repeats(evaluation: Path, classes: tuple[str, ...]) -> ArmRepeats | None:
    """The repeats of an arm from its folder of evaluation; None for an arm that was trained once."""
    if not (evaluation / "repeats.csv").is_file():
        return None
    table = read_table(evaluation / "repeats.csv")
    test = [read_predictions(evaluation / REPEATS / f"{row}.csv", "test", classes) for row in table["repeat"]]
    return ArmRepeats(table["seed"].tolist(), table["served"].tolist().index(True), test)


def render_repeats(
    repeats: Mapping[str, ArmRepeats],
    intervals: Mapping[str, Mapping[str, RepeatInterval]],
    differences: pd.DataFrame,
    arms: Sequence[str],
    reference: str,
    metrics: Sequence[str],
    confidence: float,
    figure: bytes,
) -> PageRepeats:
    """The section as HTML, with what the conclusions need.

    repeats: the arms with repeats. intervals: of all arms, those trained once included. differences: of `compare_repeats`.
    arms: all arms of the page, which give the colours. metrics: flat names of the table. confidence: of all these intervals.
    """
    rows = [
        {
            "name": metric_title(metric),
            "less": not higher_is_better(metric),
            "arms": {arm: _cell(intervals[arm][metric]) for arm in arms},
            "differences": {
                row["arm"]: (difference_text({str(key): value for key, value in row.items()}), row["judgement"])
                for row in differences[differences["metric"] == metric].to_dict("records")
            },
        }
        for metric in metrics
    ]
    each = {
        arm: [
            (place + 1, seed, place == one.served, [number(intervals[arm][metric].values[place]) for metric in metrics])
            for place, seed in enumerate(one.seeds)
        ]
        for arm, one in repeats.items()
    }
    section = render(
        "repeats.html",
        colour={arm: arm_colour(arm, arms) for arm in arms},
        arms=arms,
        reference=reference,
        repeated=[arm for arm in arms if arm in repeats],
        once=[arm for arm in arms if arm not in repeats],
        equal=[arm for arm in arms if arm in repeats and _are_equal(intervals[arm])],
        level=interval_name(confidence),
        rows=rows,
        titles=[metric_title(metric) for metric in metrics],
        each=each,
        figure=figure,
    )
    return PageRepeats(section, differences, interval_name(confidence))


def repeats_text(differences: pd.DataFrame, reference: str, confidence: float) -> str:
    """The few metrics of repeats for the terminal. differences: of `compare_repeats`; reference, confidence: theirs."""
    lines = [f"means over trainings; {interval_name(confidence)} of differences over seeds and patients:"]
    for arm, rows in differences[differences["metric"].isin(REPEATED)].groupby("arm", sort=False):
        counts = rows.iloc[0]
        told = [
            f"  {metric_title(row['metric'])} {number(row['arm_value'])} and {number(row['reference_value'])}, "
            f"{difference_text({str(key): value for key, value in row.items()})} {row['judgement']}"
            for row in rows.to_dict("records")
        ]
        lines += [f"{arm} (trained {counts['arm_repeats']}x) against {reference} ({counts['reference_repeats']}x)", *told]
    return "\n".join(lines) + "\n"


def _cell(one: RepeatInterval) -> tuple[str, str]:
    """`0.912 [0.880, 0.941]`, and the spread, empty for an arm trained once."""
    spread = "" if np.isnan(one.sd) else f"SD {number(one.sd, 4)}"
    value = "undefined" if np.isnan(one.mean) else f"{one.mean:.3f} [{one.low:.3f}, {one.high:.3f}]".replace("-", "−")
    return value, spread


def _are_equal(found: Mapping[str, RepeatInterval]) -> bool:
    """Whether all repeats have the same value of every metric."""
    return all(len(set(one.values)) == 1 for one in found.values() if not np.isnan(one.mean))
