"""What must be known about a model besides its file: from model.json beside it, options, or both; no TensorFlow here."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

FILE = "model.json"
NEEDED = ("classes", "size", "square")
SQUARES = ("pad", "stretch")
TELL = "--classes a,b --size 224 --square pad, and where they apply --scaling 1/127.5,-1 and --threshold 0.5"


@dataclass(frozen=True)
class Told:
    """The facts of a model given by options; an empty text is not given.

    classes: names separated by commas, in the order of the outputs. size: pixels. square: pad or stretch. scaling: factor and
    offset on grey levels 0-255, separated by a comma. threshold: of the second of two classes; `none`: the most probable one.
    """

    classes: str = ""
    size: str = ""
    square: str = ""
    scaling: str = ""
    threshold: str = ""

    def facts(self) -> dict[str, Any]:
        """The given facts, as model.json would hold them."""
        said: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self) if getattr(self, field.name)}
        for key in {"classes", "scaling"} & set(said):
            said[key] = [part.strip() for part in said[key].split(",")]
        if self.threshold.lower() == "none":
            said["threshold"] = None
        return said


def gather_facts(path: Path, told: Told) -> dict[str, Any]:
    """The facts of a `.keras` file: model.json beside it, completed by the options.

    Raises:
        ValueError: model.json is not JSON, a fact is missing or invalid, or the two contradict each other.
    """
    file = path.resolve().with_name(FILE)
    return complete_facts(_read_file(file) if file.is_file() else {}, told, file)


def complete_facts(described: Mapping[str, Any], told: Told, file: Path) -> dict[str, Any]:
    """The facts in `file`, completed by the options and checked; anything else in it is kept.

    Raises: as `gather_facts`.
    """
    said = _check_facts(told.facts(), "the options")
    facts = {"threshold": None, **_check_facts(described, str(file))}
    if "threshold" not in described and "threshold" not in said and described:
        raise ValueError(f"{file} must hold a threshold (null: the most probable class), got none; add it or pass --threshold")
    for key, value in said.items():
        if key in described and facts[key] != value:
            raise ValueError(
                f"--{key} must agree with {file}, which says {facts[key]}, got {value}; leave the option out or change that file"
            )
    facts |= said
    if missing := [key for key in NEEDED if key not in facts]:
        got = f"no {', '.join(missing)}" if described or said else "none"
        raise ValueError(
            f"{file} must be beside the model with classes, size, square and threshold, got {got}; write it, or pass: {TELL}"
        )
    if facts["threshold"] is not None and len(facts["classes"]) != 2:
        raise ValueError(
            f"a threshold must belong to one of two classes, got {facts['threshold']} for {len(facts['classes'])}; set it to "
            f"null in {FILE} or pass --threshold none: the most probable class is predicted"
        )
    _check_factors(facts)
    return facts


def _check_factors(facts: Mapping[str, Any]) -> None:
    """Refuse decision factors that are not one for each class, or are combined with a threshold."""
    factors = facts.get("decision_factors")
    if factors is None:
        return
    if set(factors) != set(facts["classes"]):
        raise ValueError(
            f"decision_factors in {FILE} must name each class once ({', '.join(facts['classes'])}), got {', '.join(factors)}; "
            "complete it, or set it to null: the most probable class is predicted"
        )
    if facts["threshold"] is not None:
        raise ValueError(
            f"a threshold and decision_factors cannot decide together, got {facts['threshold']} and {factors}; set one to null"
        )


def _read_file(file: Path) -> dict[str, Any]:
    try:
        described = json.loads(file.read_bytes())  # of bytes it recognises UTF-8, with or without a byte order mark, and UTF-16
    except (ValueError, RecursionError) as fault:
        raise ValueError(f"{file} must be JSON, got {fault}; correct it") from None
    if not isinstance(described, dict):
        raise ValueError(f"{file} must hold classes, size, square and threshold by name, got {str(described)[:60]}; correct it")
    return described


def _check_facts(facts: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The same facts with numbers as numbers and names as text. where: what holds them, for the error."""
    checked = dict(facts)
    for key, check in CHECKS.items():
        if key in checked:
            checked[key] = check(checked[key], f"{key} of {where}")
    return checked


def _classes(value: Any, what: str) -> list[str]:
    names = [str(name) for name in value] if isinstance(value, list) else []
    plain = isinstance(value, list) and all(isinstance(name, str | int) for name in value)
    if not plain or len(names) < 2 or len(set(names)) != len(names) or not all(name.strip() for name in names):
        raise ValueError(f"{what} must be two or more different names, in the order of the outputs, got {value}")
    return names


def _size(value: Any, what: str) -> int:
    size = _number(value, what)
    if size < 1 or size != int(size):
        raise ValueError(f"{what} must be a whole number of pixels, got {value}")
    return int(size)


def _square(value: Any, what: str) -> str:
    if value not in SQUARES:
        raise ValueError(f"{what} must be {' or '.join(SQUARES)}, got {value}")
    return str(value)


def _scaling(value: Any, what: str) -> Any:
    if not isinstance(value, list):  # hilum's own models have a text here: it is inside the model
        return value
    if len(value) != 2:
        raise ValueError(f"{what} must be a factor and an offset on grey levels 0-255, such as [0.00392, 0], got {value}")
    return [_number(part, what) for part in value]


def _threshold(value: Any, what: str) -> float | None:
    if value is None:
        return None
    threshold = _number(value, what)
    if not 0 <= threshold <= 1:
        raise ValueError(f"{what} must be a probability or null (the most probable class), got {value}")
    return threshold


def _factors(value: Any, what: str) -> dict[str, float] | None:
    if value is None:
        return None
    factors = {str(name): _number(factor, what) for name, factor in value.items()} if isinstance(value, dict) else {}
    if not factors or min(factors.values()) <= 0:
        raise ValueError(f"{what} must give each class a number above 0, or be null (the most probable class), got {value}")
    return factors


def _number(value: Any, what: str) -> float:
    """A number, also one in text, and a fraction such as 1/255."""
    above, slash, below = str(value).partition("/")
    try:
        number = float(above) / float(below) if slash else float(above)
    except (ValueError, ZeroDivisionError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError(f"{what} must hold numbers such as 0.5 or 1/255, got {value!r}")
    return number


CHECKS = {
    "classes": _classes,
    "size": _size,
    "square": _square,
    "scaling": _scaling,
    "threshold": _threshold,
    "decision_factors": _factors,
}
