"""What recalibration for a site did, in sentences: on the terminal, among the notes, and in descriptions in the store."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from hilum.evaluation.signed_numbers import signed, signed_interval
from hilum.evaluation.site_calibration import SiteFit
from hilum.progress import say
from hilum.records import Predictions

MARGIN = 0.1  # share of the gain by which another method must be better to be named
OWN_NAMES = (  # of a folder or a table
    "they are named in their own way, so that later films are compared by bytes and pixels alone. Patients of a published set, "
    "or of DICOM films hashed with one salt, are compared too"
)
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


def tell_decisions(
    described: Mapping[str, Any], fit: SiteFit, before: Predictions, after: Predictions
) -> list[tuple[str, str, str]]:
    """(what, the model as it is, recalibrated): the fit, and where its decision falls. described: of the model as it is."""
    classes = before.classes
    rows = [("temperature", "1", f"{fit.scaling.temperature:.3g}")]
    if fit.scaling.biases.any():
        told = ", ".join(f"{name} {signed(bias)}" for name, bias in zip(classes, fit.scaling.biases.tolist(), strict=True))
        rows.append(("biases", "none", told))
    own = "the most probable class" if described["threshold"] is None else f"{described['threshold']:.3f}"
    new = "the most probable class" if fit.threshold is None else f"{fit.threshold:.3f} by {fit.threshold_rule}"
    rows.append((f"threshold of {classes[-1]}", own, new))
    factors, prior = described.get("decision_factors"), described.get("prior")
    if factors or fit.factors is not None:
        new = "none" if fit.factors is None else _tell_numbers(dict(zip(classes, fit.factors.tolist(), strict=True)))
        rows.append(("decision factors", _tell_numbers(factors) if factors else "none", new))
    known = _tell_shares(prior) if isinstance(prior, Mapping) else "not known"
    rows.append(("class shares that probabilities are for", known, _tell_shares(fit.prior) if fit.prior else "not known"))
    for k, name in enumerate(classes):
        of_class = f"{(before.y_true == k).sum()} of {len(before.y_true)} films are of {name}; predicted as {name}"
        own, new = (f"{(one.y_pred == k).sum()} films" for one in (before, after))
        rows.append((of_class, own, new))
    return rows


def tell_apart(shares: Mapping[str, float], sources: Mapping[str, Sequence[str]], foreign: Sequence[str]) -> list[str]:
    """What of a recalibration cannot be compared with what. sources: whether patients of each are named by a shared naming.

    foreign: of `seen_people.tell_people`.
    """
    own = [name for name, namings in sources.items() if not namings]
    return [
        "These figures with those on the model's own test films: other patients and other class shares. The two columns above "
        "are of the same films.",
        f"Probabilities at other class shares: the fit is to those of these films ({_tell_shares(shares)}). Films that were "
        "chosen, not those of consecutive patients, give others.",
        "These patients with those that the model was trained on: model.json holds no patient of its training. Films were "
        "compared with those of this project by bytes and pixels.",
        *([f"Later films of {', '.join(own)} by their patients: {OWN_NAMES}."] if own else []),
        *(f"{text[0].upper()}{text[1:]}." for text in foreign),
    ]


def _tell_shares(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares.items())


def _tell_numbers(numbers: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in numbers.items())


def tell_site(told: Mapping[str, Any], curve: pd.DataFrame) -> None:
    """The headline on the terminal: the fit, its effect, and what fewer films bring."""
    biases = ", ".join(f"{name} {signed(bias, 2)}" for name, bias in told["biases"].items())
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
    say(f"the page: {told['page']}")
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
    return signed_interval(row["difference"], row["low"], row["high"])
