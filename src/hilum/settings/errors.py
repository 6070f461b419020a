"""What pydantic found wrong with params.yaml, in words: the key as the user wrote it, the rule, the evidence, the remedy."""

import difflib
from collections.abc import Mapping
from typing import Any, get_args

from hilum.settings.search_space import Section

RENAMED = {  # keys of earlier versions -> what stands in their place
    "seed": "every section that draws has a seed of its own; write split.seed, pretrain.seed, train.seed, evaluate.seed, "
    "explain.seed, audit.seed and compare.seed (equal numbers give what the one number gave)",
}


def tell_fault(item: Mapping[str, Any], values: Any, whole: type[Section]) -> str:
    """One line for one of pydantic's errors.

    item: an element of ValidationError.errors(). values: what was checked. whole: the model of all of params.yaml.
    """
    path = _written_path(item["loc"], values, item["type"] in ("missing", "extra_forbidden"))
    key = ".".join(path)
    if item["type"] == "extra_forbidden":
        legal = _legal_keys(path[:-1], values, whole)
        near = difflib.get_close_matches(path[-1], legal, 1)
        if key in RENAMED:
            return f"{key} is not a key any more: {RENAMED[key]}"
        hint = f"; did you mean {'.'.join([*path[:-1], near[0]])}?" if near else ";"
        return f"{key} is not a known key{hint} Legal here: {', '.join(legal)}"
    if item["type"] == "union_tag_not_found":
        key, item = f"{key}.reader", {**item, "type": "missing"}
    if item["type"] == "missing":
        return f"{key} is missing; add it (the repository's params.yaml shows its value)"
    if item["type"] == "string_type" and isinstance(item["input"], int | float):  # YAML takes `no` for false and 01 for 1
        return f"{key} must be text, got {item['input']!r}; put what you wrote in quotes"
    message = item["msg"].removeprefix("Value error, ")
    if not key:
        return message
    return f"{key}: {message}" if "got" in message else f"{key}: {message}, got {item['input']!r}"


def _written_path(location: tuple[int | str, ...], values: Any, absent: bool) -> list[str]:
    """pydantic's location without the names of union members, which nobody wrote into params.yaml."""
    path = []
    for i, step in enumerate(location):
        inside = (isinstance(values, Mapping) and step in values) or (isinstance(values, list) and isinstance(step, int))
        if inside:
            values = values[step]
        if inside or (absent and i == len(location) - 1):
            path.append(str(step))
    return path


def _legal_keys(path: list[str], values: Any, whole: type[Section]) -> list[str]:
    """The keys that the section at a place of params.yaml knows."""
    known: Any = whole
    for step in path:
        values = values[int(step)] if isinstance(values, list) else values[step]
        members = [known] if isinstance(known, type) else _members(known)
        section = next((m for m in members if isinstance(m, type) and issubclass(m, Section) and step in m.model_fields), None)
        known = section.model_fields[step].annotation if section else known
    sections = [m for m in ([known] if isinstance(known, type) else _members(known)) if issubclass(m, Section)]
    fits = [
        m for m in sections if "reader" not in m.model_fields or values.get("reader") in str(m.model_fields["reader"].annotation)
    ]
    return [name for m in fits for name in m.model_fields]


def _members(annotation: Any) -> list[type]:
    """All classes that stand anywhere inside an annotation such as dict[str, A | B]."""
    if isinstance(annotation, type) and not get_args(annotation):
        return [annotation]
    return [member for argument in get_args(annotation) for member in _members(argument)]
