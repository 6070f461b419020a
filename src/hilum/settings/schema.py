"""The types that the settings' classes allow at a place of params.yaml: the members of its annotation."""

import types
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from hilum.settings.search_space import Section


def split_union(annotation: Any) -> list[Any]:
    """The members of an annotation without limits and tags: `Annotated[int, Field(ge=1)] | str` is int and str."""
    if get_origin(annotation) is Annotated:
        return split_union(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [member for argument in get_args(annotation) for member in split_union(argument)]
    return [annotation]


def find_inside(members: list[Any], step: str, value: Any) -> list[Any]:
    """The types allowed one level deeper: under a key of a section or a mapping, or as an item of a list.

    members: the types of the value itself. value: the current value; it decides between sources of several readers, and phases.
    """
    found = []
    for member in members:
        if is_section(member):
            if step in member.model_fields and fits_kind(member, value):
                found += split_union(member.model_fields[step].annotation)
        elif get_origin(member) is list and step.isdecimal():
            found += split_union(get_args(member)[0])
        elif get_origin(member) is dict:
            found += split_union(get_args(member)[1])
    return found


def find_members(whole: type[Section], path: list[str], values: Any) -> list[Any]:
    """The types allowed at a place of params.yaml, none where the settings have no such place. values: the whole file."""
    members: list[Any] = [whole]
    for step in path:
        members = find_inside(members, step, values)
        values = step_into(values, step)
    return members


def step_into(values: Any, step: str) -> Any:
    """The value under a key or at a position of a list, None where there is nothing."""
    if isinstance(values, Mapping):
        return values.get(step)
    return values[int(step)] if isinstance(values, list) and step.isdecimal() and int(step) < len(values) else None


def is_section(member: Any) -> bool:
    """Whether a member of an annotation is a settings class."""
    return isinstance(member, type) and issubclass(member, Section)


def is_text(member: Any) -> bool:
    """Whether a member takes a text unchanged: any, or one of several words."""
    return member is str or (get_origin(member) is Literal and all(isinstance(word, str) for word in get_args(member)))


def kind_of_phase(value: Any) -> str:
    """gradient or convex: the intended kind of a phase, by its solver."""
    solver = value.get("solver") if isinstance(value, Mapping) else getattr(value, "solver", None)
    return "convex" if solver == "convex" else "gradient"


def kind_of_arm(value: Any) -> str:
    """given or trained: the intended kind of an arm; a given one names a model."""
    keys = value if isinstance(value, Mapping) else getattr(type(value), "model_fields", ())
    return "given" if "model" in keys else "trained"


def fits_kind(section: type[Section], value: Any) -> bool:
    """Whether a source of this class has the given reader, a phase the solver, an arm a model; any other section fits."""
    if not isinstance(value, Mapping):
        return True
    fields = section.model_fields
    if {"backbone", "phases"} <= set(fields) or {"model", "classes"} <= set(fields):  # both kinds of arms
        return ("model" in fields) == (kind_of_arm(value) == "given")
    if "reader" in fields and "reader" in value:
        return value["reader"] in get_args(fields["reader"].annotation)
    return "solver" not in fields or kind_of_phase(value) in get_args(fields["solver"].annotation)
