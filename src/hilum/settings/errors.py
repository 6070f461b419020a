"""Messages for pydantic's errors in params.yaml: the key as the user wrote it, the rule, the evidence, the remedy."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from hilum.settings.schema import find_members, fits_kind, is_section, step_into
from hilum.settings.search_space import Choices, Range, Section, kind_of_space

RENAMED = {  # keys of earlier versions -> what replaces them
    "seed": "every section that draws has a seed of its own; write split.seed, pretrain.seed, train.seed, evaluate.seed, "
    "explain.seed, audit.seed and compare.seed (equal numbers give what the one number gave)",
    "explain.dear_films": "it is explain.costly_films now; write its value there",
    "explain.sanity.dear_films": "it is explain.sanity.costly_films now; write its value there",
    "prepare.markers": "it is prepare.burned_in (keep or inpaint, as before); prepare.burned_in_reader says who looks before "
    "inpainting (letters: as before), prepare.burned_in_left what becomes of films where something is still found (keep)",
}
ADDED: dict[str, Any] = {  # keys that files of earlier versions lack -> the value to paste; suggested, never used as a default
    "tracking.tensorboard": False,
    "acquire.sources.*.contrast": 1.0,
    "train.repeats": 1,
    "train.calibration": "temperature",
    "train.decision": "probable",
    "train.costs": {},
    "train.augment.unchanged": 0,
    "train.augment.erase": 0.0,
    "train.optimizer": {
        **{"name": "adam", "momentum": 0.9, "nesterov": False},
        **{"weight_decay": 0.0, "clip": 0.0, "layer_decay": 1.0},
    },
    "train.schedule": {"warmup": 0.0, "plateau_factor": 0.3, "plateau_patience": 2},
    "train.label_smoothing": 0.0,
    "train.mixup": 0.0,
    "train.averaging": 0.0,
    "ensembles": {},
    "external": {"sources": {}},
    "tune.minutes": 0,
    "tune.sampler": "tpe",
    "tune.grid": 5,
    "tune.pruner": "median",
    "tune.batch": 1,
    "tune.repeats": 1,
    "tune.folds": 0,
    "tune.executor": "serial",
    "tune.workers": 1,
    "tune.dask": {"cluster": "local", "memory": "4GB", "job": {}, "tls": {}},
    "tune.threads": 0,
    "workers": {"executor": "serial", "count": 1, "threads": 0},
}
OTHERWISE = ("train.calibration",)  # of these, those that give another model than earlier versions
SPACES = {"range": Range, "list": Choices}
SPACE_FORMS = "{low, high, log, start, step, when} or {choices, start, when}"

Fault = Mapping[str, Any]  # one of ValidationError.errors()


def tell_faults(items: Sequence[Fault], values: Any, whole: type[Section]) -> list[str]:
    """One line for each wrong place of params.yaml, in pydantic's order.

    pydantic reports for every member of a union why the value is not that member. If the value has the form of one member and is
    wrong inside, only that error is reported; otherwise the rules of all members form one sentence.

    items: of ValidationError.errors(). values: those checked. whole: the model of all of params.yaml.
    """
    places: dict[tuple[str, ...], list[Fault]] = {}
    for item in items:
        path = tuple(_written_path(item, values))
        space = _mixed_space(path, values, whole)
        places.setdefault(space or path, []).append(item)
    inner = {path: {other for other in places if len(other) > len(path) and other[: len(path)] == path} for path in places}
    return [
        _tell_place(".".join(path), list(path), found, values, whole)
        for path, found in places.items()
        if not inner[path] or not all(_is_of_a_union(item, path) for item in found)
    ]


def _tell_place(key: str, path: list[str], found: Sequence[Fault], values: Any, whole: type[Section]) -> str:
    item = found[0]
    if _mixed_space(tuple(path), values, whole) == tuple(path):
        return _tell_mixed_space(key, _value_at(path, values))
    if item["type"] == "extra_forbidden":
        return _tell_unknown_key(key, path, values, whole)
    if item["type"] == "union_tag_not_found":
        key, item = f"{key}.reader", {**item, "type": "missing"}
    if item["type"] == "union_tag_invalid" and item["ctx"]["tag"] == "range":
        return f"{key} is no number, so it must be a value or {{choices: [...], start: ...}}, got a range with low and high"
    if item["type"] == "union_tag_invalid":
        legal, got = str(item["ctx"]["expected_tags"]).replace("'", ""), str(item["ctx"]["tag"])
        near = difflib.get_close_matches(got, legal.split(", "), 1)
        return f"{key}.reader must be one of {legal}, got {got!r}" + (f"; did you mean {near[0]}?" if near else "")
    if item["type"] == "missing":
        return f"{key} is missing; {_tell_value(path)}"
    value, kinds = item["input"], [one["type"] for one in found]
    if "string_type" in kinds and not isinstance(value, Mapping | list) and all(k in ("string_type", "list_type") for k in kinds):
        list_too = " or a list" if "list_type" in kinds else ""
        return f"{key} must be text{list_too}, got {_as_written(value)}; put what you wrote in quotes"
    if item["type"] in ("model_type", "model_attributes_type"):
        return f"{key} must be a section with the keys {', '.join(_legal_keys(path, values, whole))}, got {_as_written(value)}"
    message = _join_rules(found)
    if Range in find_members(whole, path, values) and isinstance(value, Mapping | list):
        message += f", or a space, {SPACE_FORMS}"
    if not key or (item["type"] == "value_error" and "got" in message):
        return f"{key}: {message}".removeprefix(": ")
    return f"{key}: {message}, got {_as_written(value)}"


def _tell_value(path: Sequence[str]) -> str:
    """The remedy for a missing key: the line to paste, if files of earlier versions lack the key."""
    section, last = ".".join(path[:-1]), path[-1]
    if path[0] == "arms" and last == "classes":
        return "add it, in the order of the given model's outputs, such as: classes: [normal, viral]"
    inside = {f"{place}.{key}": value for place, held in ADDED.items() if isinstance(held, dict) for key, value in held.items()}
    of_any = [*path[:2], "*", *path[3:]] if list(path[:2]) == ["acquire", "sources"] else path
    value = {**ADDED, **inside}.get(".".join(of_any))
    if value is None:
        return "add it (the repository's params.yaml shows its value)"
    line = yaml.safe_dump({last: value}, default_flow_style=True, sort_keys=False, width=1000).strip()[1:-1]  # without braces
    does = {"train": "train", "tune": "search", "acquire": "draw"}.get(path[0], "")
    said = f"to {does} as before, paste" if does and ".".join(path) not in OTHERWISE else "paste"
    place = f"below `{section}`" if section else "at the end, as a section of its own"
    return f"{said} this line {place}:  {line}"


def _tell_unknown_key(key: str, path: list[str], values: Any, whole: type[Section]) -> str:
    if key in RENAMED:
        return f"{key} is not a key any more: {RENAMED[key]}"
    legal = _legal_keys(path[:-1], values, whole)
    near = difflib.get_close_matches(path[-1], legal, 1)
    hint = f"; did you mean {'.'.join([*path[:-1], near[0]])}?" if near else ";"
    return f"{key} is not a known key{hint} Legal here: {', '.join(legal)}"


def _tell_mixed_space(key: str, space: Mapping[str, Any]) -> str:
    ranged = [name for name in space if name in Range.model_fields and name not in Choices.model_fields]
    return (
        f"{key} must be one space, {SPACE_FORMS}, got keys of both: {', '.join(map(str, space))}; remove choices, or remove "
        f"{' and '.join(ranged)} (a recipe removes a key with `null`)"
    )


def _mixed_space(path: tuple[str, ...], values: Any, whole: type[Section]) -> tuple[str, ...] | None:
    """The place of the space with a fault at or in it, if it mixes keys of a range and of choices; else None."""
    for place in (path, path[:-1]):
        value = _value_at(place, values)
        both = isinstance(value, Mapping) and "choices" in value and {"low", "high", "log"} & set(value)
        if both and Range in find_members(whole, list(place), values):
            return place
    return None


def _join_rules(found: Sequence[Fault]) -> str:
    """`Input should be greater than or equal to 1, or a valid string`."""
    rules = []
    for item in found:
        rule = item["msg"].removeprefix("Value error, ").removesuffix(", got a number with a fractional part")
        rules.append(rule.partition(", unable to parse")[0] if len(found) > 1 else rule)
    first, *others = dict.fromkeys(rules)
    return ", or ".join([first, *(rule.removeprefix("Input should be ") for rule in others)])


def _as_written(value: Any) -> str:
    return "null" if value is None else str(value) if type(value).__name__ in ("date", "datetime") else repr(value)


def _is_of_a_union(item: Fault, path: tuple[str, ...]) -> bool:
    """Whether a fault belongs to one member: its location ends in the name of that member."""
    return len(item["loc"]) > len(path)


def _written_path(item: Fault, values: Any) -> list[str]:
    """pydantic's location without the names of union members, which are not in params.yaml."""
    location = item["loc"]
    if location[-1:] == ("[key]",):
        return [*_written_path({**item, "loc": location[:-2], "type": ""}, values), str(item["input"])]
    path = []
    for i, step in enumerate(location):
        inside = (isinstance(values, Mapping) and step in values) or (isinstance(values, list) and isinstance(step, int))
        if inside:
            values = values[step]
        if inside or (item["type"] in ("missing", "extra_forbidden") and i == len(location) - 1):
            path.append(str(step))
    return path


def _value_at(path: Sequence[str], values: Any) -> Any:
    for step in path:
        values = step_into(values, step)
    return values


def _legal_keys(path: list[str], values: Any, whole: type[Section]) -> list[str]:
    """The legal keys of the section at a place of params.yaml."""
    value = _value_at(path, values)
    sections = [m for m in find_members(whole, path, values) if is_section(m) and fits_kind(m, value)]
    if Range in sections:
        sections = [SPACES.get(kind_of_space(value), Range)]
    names = dict.fromkeys(name for section in sections for name in section.model_fields)
    return [name for name in names if isinstance(value, Mapping) or all(name in section.model_fields for section in sections)]
