"""From the findings of sources to classes, by rules; a finding that no rule names never becomes a class."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from hilum.records import JOINT, UNCERTAIN
from hilum.settings.meaning import EXCLUDED

UNMATCHED = ("stop", "exclude")
UNUSED = ("stop", "tell")
SHOWN = 20  # findings listed in a message; those that no rule names are all listed
Rules = Mapping[str, Sequence[str]]  # class (or EXCLUDED) -> findings that belong to it, in the order in which they are tried


@dataclass(frozen=True)
class LabelMapping:
    """The classes of films.

    label: index as the films', a class per film; EXCLUDED where a rule leaves the film out, empty where no rule names its
        finding.
    problems: columns image_id, problem, detail; films left out for their finding, and films that rules of two classes name.
    notes: sentences for the user: rules that cover no film, number of films that rules of two classes name.
    """

    label: pd.Series
    problems: pd.DataFrame
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Match:
    """One set of rules applied to one finding. classes: in order, EXCLUDED among them. unnamed: parts that no rule names."""

    classes: tuple[str, ...]
    unnamed: tuple[str, ...]
    rules: tuple[tuple[str, str], ...]

    @property
    def label(self) -> str:
        return "" if self.unnamed or not self.classes else self.classes[0]


@dataclass(frozen=True)
class _Applied:
    """One set of rules applied to films. unnamed: pairs of finding and image_id. unused: a text per class with unused rules."""

    place: str
    label: pd.Series
    problems: list[tuple[str, str, str]]
    unnamed: list[tuple[str, str]]
    unused: list[str]


def map_labels(
    films: pd.DataFrame,
    labels: Rules,
    unmatched: str,
    unused_rules: str,
    by_source: Mapping[str, Rules] | None = None,
    every_class: bool = True,
) -> LabelMapping:
    """Give each film the first class, in the order of its rules, with a rule that covers its findings.

    Findings and rules are paths (`pneumonia/viral`). A rule covers a finding if it equals it or its first whole segments, in any
    case: `pneumonia` covers `Pneumonia/Viral`, and neither `pneumonia-like` nor `other/pneumonia`. An uncertain finding
    (`Effusion/uncertain`) is covered only by a rule that names `uncertain` itself. A film of several
    findings (`Effusion|Pneumonia`) belongs to a class if a rule covers one of them; a rule of several (`Effusion|Pneumonia`)
    requires all of them. Each of a film's findings must be named by some rule, or the film is unmatched: otherwise
    `Pneumonia|COVID-19` would become `other pneumonia` where no rule names COVID-19. The class EXCLUDED names findings to leave
    out, and is tried in order like any class; there the empty finding may be named as well.

    films: index image_id; columns finding, source. labels: the rules of every source without rules of its own; its keys but
    EXCLUDED are the classes. by_source: source -> its own rules, instead of `labels`.
    unmatched: what happens to a film with a finding that no rule names: `stop`, or `exclude` (listed; it never becomes a class).
    unused_rules: what happens where a rule covers no film: `stop`, or `tell`. every_class: whether each class must have a film;
    films that a trained model is only tested on may lack some.

    Raises:
        ValueError: all at once: findings that no rule names and rules that cover no film, where `stop` is asked for, classes
            without a film; before these, invalid rules and words.
    """
    own = dict(by_source or {})
    check_rules(labels, unmatched, unused_rules, own)
    applied = [_apply_rules(f"prepare.labels_by_source.{name}", films[films["source"] == name], own[name]) for name in own]
    rest = films[~films["source"].isin(list(own))]
    if len(rest) or any(labels.values()):
        applied.insert(0, _apply_rules("prepare.labels", rest, labels))
    label = pd.concat([one.label for one in applied]).reindex(films.index)
    faults: list[str] = []
    notes: list[str] = []
    if unmatched == "stop":
        faults += _refuse_unnamed([row for one in applied for row in one.unnamed], [one.place for one in applied if one.unnamed])
    if unused := [texts for one in applied for texts in one.unused]:
        if unused_rules == "tell":
            notes.append(f"rules that cover no film: {'; '.join(unused)}")
        else:
            faults.append(
                f"every rule must cover a film, got some that cover none: {'; '.join(unused)}; the findings are: "
                f"{_list_findings(films)}; correct or remove them, or set `prepare.unused_rules: tell`"
            )
    empty = [name for name in labels if name != EXCLUDED and not (label == name).any()]
    if empty and every_class:
        faults.append(
            f"every class must have a film, got none for {', '.join(empty)}; the findings are: {_list_findings(films)}; "
            "correct the rules under `prepare.labels`"
        )
    if faults:
        raise ValueError("\n".join(faults))
    problems = pd.DataFrame([row for one in applied for row in one.problems], columns=["image_id", "problem", "detail"])
    return LabelMapping(label, problems, (*notes, *_count_twice(problems)))


def check_rules(labels: Rules, unmatched: str, unused_rules: str, by_source: Mapping[str, Rules]) -> None:
    """Raise ValueError naming every invalid word and rule."""
    faults = []
    for name, word, legal in (("unmatched", unmatched, UNMATCHED), ("unused_rules", unused_rules, UNUSED)):
        if word not in legal:
            faults.append(f"`{name}` must be one of {', '.join(legal)}, got {word!r}")
    classes = [name for name in labels if name != EXCLUDED]
    for name in classes or [""]:
        texts = [*labels.get(name, ()), *(rule for rules in by_source.values() for rule in rules.get(name, ()))]
        if not name or not texts or not all(map(_split_rule, texts)):
            faults.append(f"every class must have a name and at least one finding, got {name!r}: {texts!r}; see `prepare.labels`")
    for source, rules in by_source.items():
        if strange := [name for name in rules if name not in (*classes, EXCLUDED)]:
            faults.append(
                f"rules of the source {source} must be for the classes {', '.join(classes)} or {EXCLUDED}, got "
                f"{', '.join(strange)}; name every class under `prepare.labels`, which gives their order"
            )
    if faults:
        raise ValueError("\n".join(faults))


def count_findings(films: pd.DataFrame) -> pd.DataFrame:
    """The number of films of each finding, class and source: columns finding, label, source, films.

    films: columns finding, label, source; a label is empty where no rule names the finding, EXCLUDED where one leaves it out.
    """
    return films.groupby(["finding", "label", "source"]).size().reset_index(name="films")


def _apply_rules(place: str, films: pd.DataFrame, rules: Rules) -> _Applied:
    """Apply one set of rules to its films. place: its key in params.yaml."""
    matches = {finding: _match(finding, rules) for finding in films["finding"].unique()}
    label = films["finding"].map({finding: match.label for finding, match in matches.items()}).astype(object)
    used = {rule for match in matches.values() for rule in match.rules}
    idle = {name: [rule for rule in texts if (name, rule) not in used] for name, texts in rules.items()}
    unused = [f"{place}.{name}: {', '.join(map(repr, texts))}" for name, texts in idle.items() if texts]
    problems, unnamed = [], []
    for image_id, finding in films["finding"].items():
        match = matches[finding]
        problems += _tell_film(str(image_id), finding, match, place)
        if match.label == "":
            unnamed += [(part, str(image_id)) for part in match.unnamed or (finding,)]
    return _Applied(place, label, problems, unnamed, unused)


def _refuse_unnamed(unnamed: Sequence[tuple[str, str]], places: Sequence[str]) -> list[str]:
    if not unnamed:
        return []
    found = _count(pd.Series([image_id for _, image_id in unnamed], [finding for finding, _ in unnamed]))
    return [
        f"every finding must belong to a class, got {len(found)} that no rule names: {', '.join(found)}; name them under a class "
        f"of `{'` and `'.join(places)}` or under its `{EXCLUDED}`, or leave all such films out with `prepare.unmatched: exclude`"
    ]


def _match(finding: str, rules: Rules) -> _Match:
    parts = [_split_path(part) for part in finding.split(JOINT)]
    hits = [
        (name, rule)
        for name, texts in rules.items()
        for rule in texts
        if all(any(_covers(wanted, part) for part in parts) for wanted in _split_rule(rule) or [()])
    ]
    named = [wanted for texts in rules.values() for rule in texts for wanted in _split_rule(rule) or [()]]
    unnamed = [
        text.strip() for text, part in zip(finding.split(JOINT), parts, strict=True) if not any(_covers(n, part) for n in named)
    ]
    return _Match(tuple(dict.fromkeys(name for name, _ in hits)), tuple(unnamed), tuple(hits))


def _covers(rule: tuple[str, ...], path: tuple[str, ...]) -> bool:
    """The empty rule covers the empty finding only: it would be the first segments of everything."""
    return path[: len(rule)] == rule and UNCERTAIN not in path[len(rule) :] and bool(rule) == bool(path)


def _split_path(finding: str) -> tuple[str, ...]:
    whole = unicodedata.normalize("NFC", finding)  # an accent may be a separate character in a folder's name
    return tuple(part.strip().casefold() for part in whole.split("/") if part.strip())


def _split_rule(rule: str) -> list[tuple[str, ...]]:
    return [path for part in rule.split(JOINT) if (path := _split_path(part))]


def _tell_film(image_id: str, finding: str, match: _Match, place: str) -> list[tuple[str, str, str]]:
    if match.label == "":
        names = " and ".join(map(repr, match.unnamed or [finding]))
        beside = f" beside {finding!r}" if match.classes else ""
        return [(image_id, "unmatched finding", f"no rule of {place} names the finding {names}{beside}")]
    if match.label == EXCLUDED:
        return [(image_id, "excluded finding", f"{place} leaves out the finding {finding!r}")]
    if len(classes := [name for name in match.classes if name != EXCLUDED]) > 1:
        return [
            (
                image_id,
                "rules of two classes",
                f"the finding {finding!r} fits the rules of {', '.join(classes)}; the first one applies",
            )
        ]
    return []


def _count_twice(problems: pd.DataFrame) -> list[str]:
    twice = problems[problems["problem"] == "rules of two classes"]
    return [f"films that rules of two classes name: {len(twice)}, such as {twice['image_id'].iloc[0]}"] if len(twice) else []


def _count(films: pd.Series) -> list[str]:
    """Findings with their number of films and an example, the most common first. films: image_ids, index finding."""
    counts = films.index.value_counts()
    return [f"{finding!r} ({count} films, such as {films[films.index == finding].iloc[0]})" for finding, count in counts.items()]


def _list_findings(films: pd.DataFrame) -> str:
    counts = films["finding"].value_counts()
    shown = films[films["finding"].isin(counts.index[:SHOWN])]
    more = f" and {len(counts) - SHOWN} more" if len(counts) > SHOWN else ""
    return ", ".join(_count(pd.Series(shown.index, shown["finding"]))) + more
