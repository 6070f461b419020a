"""From what a source says of a film to the class that the rules give it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

UNMATCHED = ("stop", "exclude")


@dataclass(frozen=True)
class LabelMapping:
    """The classes of films.

    label: index as the findings', a class per film; empty where no rule names the finding.
    problems: columns image_id, problem, detail; films that no rule names and films that rules of two classes name.
    """

    label: pd.Series
    problems: pd.DataFrame


def map_labels(findings: pd.Series, labels: Mapping[str, Sequence[str]], unmatched: str) -> LabelMapping:
    """Give each film the first class, in the order of `labels`, with a rule that covers its finding.

    Findings and rules are paths (`pneumonia/viral`). A rule covers a finding if it equals it or its first whole segments, in any
    case: `pneumonia` covers `Pneumonia/Viral`, and neither `pneumonia-like` nor `other/pneumonia`.

    findings: index image_id, values as the sources say them. labels: class -> rules.
    unmatched: what a finding does that no rule names: `stop`, or `exclude` (listed; it never becomes a class).

    Raises:
        ValueError: an unmatched finding where `stop` is asked for, a class without a film, no rule, or another word.
    """
    _check_rules(labels, unmatched)
    covering = {finding: _find_classes(finding, labels) for finding in findings.unique()}
    label = findings.map({finding: classes[0] if classes else "" for finding, classes in covering.items()})
    nameless = findings[label == ""]
    if unmatched == "stop" and len(nameless):
        raise ValueError(
            f"every finding must belong to a class, got {nameless.nunique()} that no rule names: {_count_findings(nameless)}; "
            "name them under `prepare.labels`, or leave such films out with `prepare.unmatched: exclude`"
        )
    empty = [name for name in labels if not (label == name).any()]
    if empty:
        raise ValueError(
            f"every class must have a film, got none for {', '.join(empty)}; the findings are: {_count_findings(findings)}; "
            "correct the rules under `prepare.labels`"
        )
    rows = [(image_id, "unmatched finding", f"no class names the finding {finding!r}") for image_id, finding in nameless.items()]
    for image_id, finding in findings.items():
        if len(classes := covering[finding]) > 1:
            detail = f"the finding {finding!r} fits the rules of {', '.join(classes)}; the first one stands"
            rows.append((image_id, "rules of two classes", detail))
    return LabelMapping(label, pd.DataFrame(rows, columns=["image_id", "problem", "detail"]))


def _check_rules(labels: Mapping[str, Sequence[str]], unmatched: str) -> None:
    if unmatched not in UNMATCHED:
        raise ValueError(f"`unmatched` must be one of {', '.join(UNMATCHED)}, got {unmatched!r}")
    bare = [name for name, rules in labels.items() if not name or not rules or not all(_split_path(rule) for rule in rules)]
    if bare or not labels:
        raise ValueError(f"every class must have a name and at least one finding, got {dict(labels)!r}; see `prepare.labels`")


def _split_path(finding: str) -> tuple[str, ...]:
    return tuple(part.strip().casefold() for part in finding.split("/") if part.strip())


def _find_classes(finding: str, labels: Mapping[str, Sequence[str]]) -> list[str]:
    path = _split_path(finding)
    return [name for name, rules in labels.items() if any(path[: len(rule)] == rule for rule in map(_split_path, rules))]


def _count_findings(findings: pd.Series) -> str:
    counts = findings.value_counts()
    told = [f"{finding!r} ({count} films, such as {findings.index[findings == finding][0]})" for finding, count in counts.items()]
    return ", ".join(told)
