"""The explanations on the comparison page: measures grouped by question, each beside chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hilum.pages.numbers import number, percent

CHANCE = {"chance_random": "random map", "chance_centre": "centre map"}  # column -> label
FEW_FILMS = 5  # below it an interval means nothing, and there is no comparison with chance
SHOWN_FILMS = 30  # films listed on which no methods agree


@dataclass(frozen=True)
class MeasureNote:
    """One measure in words.

    name: as in the table; title, question, annotation (what it is measured on, or empty); direction: higher or lower is better;
    judged: whether it is compared with chance; reads: part of a signed map; scope: its range; says: what it is;
    chance: what uninformative maps get.
    """

    name: str
    title: str
    question: str
    annotation: str
    direction: str
    judged: bool
    reads: str
    scope: str
    says: str
    chance: str


@dataclass(frozen=True)
class Cell:
    """A value with its interval, in words; judgement: of `against_chance`, or empty."""

    value: str
    interval: str
    judgement: str


@dataclass(frozen=True)
class ExplanationGroup:
    """One table: the measures of one question (and one kind of annotation) as columns; rows are (arm, method, cells, chance?)."""

    question: str
    annotation: str
    columns: list[tuple[str, str, str, bool]]  # title, direction, films in words, whether they are too few
    rows: list[tuple[str, str, list[Cell], bool]]
    notes: list[MeasureNote]


@dataclass(frozen=True)
class Agreement:
    """The agreement of one arm's methods.

    names: methods, then reference maps; cells: method -> name -> text, empty on the diagonal;
    disagreeing: films on which no pair agrees better than by chance, with the best pair's value; chance: that level.
    """

    arm: str
    names: list[str]
    cells: dict[str, dict[str, str]]
    disagreeing: list[tuple[str, str]]
    films: int
    chance: str


def group_explanations(table: pd.DataFrame, notes: Sequence[MeasureNote]) -> list[ExplanationGroup]:
    """The explanation table as one table per question and kind of annotation, in the order of the notes.

    table: columns arm, method, measure, value, low, high, films, chance_random, chance_centre; measures without a note are left
    out; the reference maps follow the methods of each arm.
    """
    found = []
    known = set(table["measure"]) if len(table) else set()
    for question, annotation in dict.fromkeys((note.question, note.annotation) for note in notes):
        own = [note for note in notes if (note.question, note.annotation) == (question, annotation) and note.name in known]
        if own:
            found.append(_group(table, question, annotation, own))
    return found


def _group(table: pd.DataFrame, question: str, annotation: str, notes: list[MeasureNote]) -> ExplanationGroup:
    part = table[table["measure"].isin([note.name for note in notes])]
    values = {(row["arm"], row["method"], row["measure"]): row for row in part.to_dict("records")}
    rows: list[tuple[str, str, list[Cell], bool]] = []
    for arm, own in part.groupby("arm", sort=False):
        for method in dict.fromkeys(own["method"]):
            rows.append((str(arm), str(method), [_cell(values.get((arm, method, note.name)), note) for note in notes], False))
        first = own.drop_duplicates("measure").set_index("measure")
        for key, name in CHANCE.items():
            levels = [first[key].get(note.name, np.nan) for note in notes]
            rows.append((str(arm), name, [Cell(number(level), "", "") for level in levels], True))
    counts = [part[part["measure"] == note.name]["films"] for note in notes]
    columns = [
        (note.title, note.direction, _films(count), bool(count.min() < FEW_FILMS))
        for note, count in zip(notes, counts, strict=True)
    ]
    return ExplanationGroup(question, annotation, columns, rows, notes)


def _cell(row: Mapping[Any, Any] | None, note: MeasureNote) -> Cell:
    if row is None or np.isnan(row["value"]):
        return Cell("undefined", "", "")
    interval = "" if np.isnan(row["low"]) else f"{number(row['low'])} to {number(row['high'])}"
    return Cell(number(row["value"]), interval, against_chance(row, note.direction) if note.judged else "")


def _films(counts: pd.Series) -> str:
    """`9 films`, or `2 to 9 films` where methods or arms differ."""
    low, high = int(counts.min()), int(counts.max())
    return f"{high} film{'s' if high != 1 else ''}" if low == high else f"{low} to {high} films"


def against_chance(row: Mapping[Any, Any], direction: str) -> str:
    """Whether a row of the explanation table is better than the reference maps, with its whole interval.

    direction: higher or lower is better. Gives better, partly (than one of the two only), no, or empty where there is no value or
    fewer than FEW_FILMS films count. Where all films have one value, so that there is no interval, that value is used.
    """
    levels = [row[key] for key in CHANCE if not np.isnan(row[key])]
    if np.isnan(row["value"]) or not levels or row["films"] < FEW_FILMS:
        return ""
    low, high = (row["value"] if np.isnan(row[side]) else row[side] for side in ("low", "high"))
    beaten = [low > level if direction == "higher" else high < level for level in levels]
    return "better" if all(beaten) else "partly" if any(beaten) else "no"


def agree(
    arm: str, agreement: pd.DataFrame, disagreement: pd.DataFrame, films: int, chance: float, titles: Mapping[str, str]
) -> Agreement:
    """The agreement of one arm's methods in words.

    agreement: columns first, second, measure (spearman, overlap), value; disagreement: columns image_id, best; titles: of
    methods; names without a title are reference maps and come last.
    """
    pairs = {(row["first"], row["second"], row["measure"]): row["value"] for row in agreement.to_dict("records")}
    names = list(dict.fromkeys([*agreement["first"], *agreement["second"]]))
    methods, others = [n for n in names if n in titles], [n for n in names if n not in titles]

    def cell(one: str, other: str) -> str:
        values = [pairs.get((one, other, m), pairs.get((other, one, m), np.nan)) for m in ("spearman", "overlap")]
        return "" if one == other else f"{number(values[0], 2)} · {percent(values[1])}"

    shown = {name: titles.get(name, f"{name} map") for name in [*methods, *others]}
    cells = {shown[one]: {shown[other]: cell(one, other) for other in shown} for one in methods}
    disagreeing = [(str(row["image_id"]), number(row["best"], 2)) for row in disagreement.to_dict("records")]
    return Agreement(arm, list(shown.values()), cells, disagreeing, films, number(chance, 2))
