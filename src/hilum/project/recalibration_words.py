"""What recalibration for a site did, in sentences: on the terminal, among the notes, and in descriptions in the store."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from hilum.progress import say

MARGIN = 0.1  # share of the gain by which another method must be better to be named
SHOWN = "log_loss"  # what both fits minimise, and so what says whether they help


def tell_effect(effects: pd.DataFrame, name: str) -> tuple[str, bool]:
    """A sentence on the log loss of patients that no fit saw, and whether it is clearly lower.

    effects: of `tabulate_pair`, the predictions after cross-fitted.
    """
    row = effects[effects["metric"] == SHOWN].iloc[0]
    change = f"{row['before']:.3f} to {row['after']:.3f}, {_bounded(row)}"
    if row["high"] < 0:
        return f"log loss on patients that the fit did not see: {change}", True
    how = "makes the model worse on" if row["low"] > 0 else "does not clearly help on"
    return (
        f"recalibration {how} patients that the fit did not see: log loss {change}; {name} as it is may be the better choice, or "
        "more films are needed"
    ), False


def tell_other_method(curve: pd.DataFrame, method: str) -> list[str]:
    """A sentence if another method surely helps, and by MARGIN more, with the most films that were drawn.

    curve: of `measure_curve`.
    """
    rows = curve[(curve["metric"] == SHOWN) & (curve["size"] == curve["size"].max())].set_index("method")
    told = []
    for name, row in rows.iterrows():
        if name != method and row["high"] < 0 and row["difference"] < min(rows.at[method, "difference"] * (1 + MARGIN), 0):
            told.append(
                f"--method {name} brings more: with {row['size']} films, log loss on other patients {row['before']:.3f} to "
                f"{row['after']:.3f}, {_bounded(row)}"
            )
    return told


def tell_site(told: Mapping[str, Any], curve: pd.DataFrame) -> None:
    """The headline on the terminal: the fit, its effect, and what fewer films bring."""
    biases = ", ".join(f"{name} {bias:+.2f}" for name, bias in told["biases"].items())
    moved = f", biases {biases}" if any(told["biases"].values()) else ""
    threshold = "" if told["threshold"] is None else f", threshold {told['threshold']:.3f}"
    say(
        f"{told['arm']}: temperature {told['temperature']:.3g}{moved}{threshold}, fitted on {told['films']} films of "
        f"{told['patients']} patients of {told['site']}"
    )
    if told["helps"]:
        say(told["effect"])
    for row in curve[(curve["metric"] == SHOWN) & (curve["method"] == told["method"])].to_dict("records"):
        clear = "" if row["high"] < 0 else ": not clearly lower"
        say(
            f"{row['size']} films ({row['patients']:.0f} patients) and other patients: log loss {row['before']:.3f} to "
            f"{row['after']:.3f}, {_bounded(row)}{clear}"
        )
    for problem, films in told["left_out"].items():
        say(f"left out, {problem}: {films} (left_out.csv)")
    for note in told["notes"]:
        say(note)
    say(f"the model, its learning curve and tables: {told['out']}")
    if "version" in told:
        say(f"registered as {told['version']}, without the alias champion")


def describe_site(facts: Mapping[str, Any], effect: str) -> str:
    """The description of a registered version and of its run. facts: of model.json."""
    record = facts["recalibrated"]
    return (
        f"{facts['arm']}: {record['parent']} (SHA-256 {record['parent_sha256'][:12]}), recalibrated for {record['site']} on "
        f"{record['date']} by {record['method']}, fitted on {record['films']} films of {record['patients']} patients, which it "
        f"has seen. {effect[0].upper()}{effect[1:]}."
    )


def _bounded(row: Mapping[str, Any] | pd.Series) -> str:
    return f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
