"""Parallel coordinates of a search: an axis for each metric and each space, and where every finished trial crosses it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hilum.pages.numbers import setting
from hilum.pages.searched_trials import SearchedTrials
from hilum.settings.meaning import is_whole
from hilum.settings.search_space import Choices

NOWHERE = -0.14  # height of a value that a trial did not search: below the axes


@dataclass(frozen=True)
class ParallelAxes:
    """titles: name of an axis -> title. rows: finished trials, with a height from 0 to 1 under the name of each axis, or NOWHERE.
    marks: what is drawn and written along the axes."""

    titles: dict[str, str]
    rows: list[dict[str, Any]]
    marks: list[dict[str, Any]]


def lay_axes(found: SearchedTrials) -> ParallelAxes:
    """The axes of a search with a finished trial: metrics as far as they were reached, spaces from low to high."""
    rows, marks, titles = [dict(row) for row in found.finished], list[dict[str, Any]](), dict[str, str]()
    for k, title in enumerate(found.titles):
        reached = [row[f"m{k}"] for row in rows]
        _add(titles, rows, marks, f"m{k}", title, *_line(min(reached), max(reached)))
    for k, (key, space) in enumerate(found.spaces.items()):
        if isinstance(space, Choices):
            places = {setting(choice): (i + 0.5) / len(space.choices) for i, choice in enumerate(space.choices)}
            _add(titles, rows, marks, f"tp{k}", key, places.get, list(places.items()))
        else:
            _add(titles, rows, marks, f"p{k}", key, *_line(space.low, space.high, space.log, is_whole(key)))
    return ParallelAxes(titles, rows, marks)


def _add(
    titles: dict[str, str],
    rows: list[dict[str, Any]],
    marks: list[dict[str, Any]],
    field: str,
    title: str,
    height: Callable[[Any], float | None],
    ticks: list[tuple[str, float]],
) -> None:
    """Add an axis. height: of a value of `field`, None where it has none. ticks: texts and their heights."""
    name = f"y{len(titles)}"
    titles[name] = title
    for row in rows:
        at = None if row[field] is None else height(row[field])
        row[name] = NOWHERE if at is None else round(at, 4)
    marks += [{"axis": name, "low": 0, "high": 1, "height": at, "text": text} for text, at in ticks]
    if any(row[name] == NOWHERE for row in rows):
        marks.append({"axis": name, "height": NOWHERE, "text": "not searched"})


def _line(
    low: float, high: float, log: bool = False, whole: bool = False
) -> tuple[Callable[[Any], float], list[tuple[str, float]]]:
    """The height of a number, and texts at the ends and, where three digits say it, in the middle."""
    scale: Callable[[float], float] = math.log if log else float
    width = scale(high) - scale(low)
    if not width:
        return (lambda value: 0.5), [(f"{low:.6g}", 0.5)]
    middle = math.sqrt(low * high) if log else (low + high) / 2
    short = math.isclose(float(f"{middle:.3g}"), middle, rel_tol=1e-6) and not whole
    ticks = [(f"{low:.6g}", 0.0), *([(f"{middle:.6g}", 0.5)] if short else []), (f"{high:.6g}", 1.0)]
    return (lambda value: (scale(value) - scale(low)) / width), ticks
