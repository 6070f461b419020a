"""The value of an override's text: its place in the settings decides, not its form."""

from typing import Any

import yaml

from hilum.settings.params import Params
from hilum.settings.schema import find_inside, find_members, is_text
from hilum.settings.yaml_text import FLOAT, INT, Loader, read_int, read_yaml

NULL = ("", "~", "null", "Null", "NULL")
TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}  # in upper or lower case


def read_value(pair: str, key: str, text: str, values: Any) -> Any:
    """The value of a text at a dotted key.

    Where the settings take a text, it is the text itself: `2024`, `yes`, `~`, `/data/a #2`; quotes around it are removed.
    Where they take a number or a boolean, it is one (1e-3, 017 is 17; yes, off), or null. Where they take both, what reads as a
    number is one. [...] and {...} are read as YAML where a list or a section may stand, and each value in them by its own place.
    An unknown key takes what DVC would read.

    pair: what the user wrote. values: those of params.yaml so far; they give the reader of a source.

    Raises:
        ValueError: a list, a section or a value of an unknown key is not YAML.
    """
    members = find_members(Params, key.split("."), values)
    takes_text = any(map(is_text, members))
    try:
        if not members:
            return read_yaml(text)
        if _is_quoted(text) or (text.lstrip()[:1] in ("[", "{") and not all(map(is_text, members))):
            node = yaml.compose(text, Loader)
            return None if node is None else _read_node(node, members)
    except yaml.YAMLError as error:
        if not takes_text:
            reason = str(error).splitlines()[0]
            raise ValueError(f"an override must be key=value with a value in YAML, got {pair!r}: {reason}") from None
    return read_scalar(text, members)


def read_scalar(text: str, members: list[Any]) -> Any:
    """A text without brackets or quotes around it, as a value that its place takes."""
    takes_text = any(map(is_text, members))
    if takes_text and not any(kind in members for kind in (int, float, bool)):
        return text
    if bool in members and text.lower() in TRUTHS:
        return TRUTHS[text.lower()]
    if INT.fullmatch(text):
        return read_int(text)
    if FLOAT.fullmatch(text):
        return float(text.lower().replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
    return None if text in NULL and not takes_text else text


def _is_quoted(text: str) -> bool:
    return len(text) > 1 and text[0] in ("'", '"') and text[-1] == text[0]


def _read_node(node: yaml.Node, members: list[Any]) -> Any:
    """A value in brackets. Its own texts give, among others, the reader of a source."""
    if isinstance(node, yaml.MappingNode):
        told = {name.value: value.value for name, value in node.value if isinstance(value, yaml.ScalarNode)}
        return {str(name.value): _read_node(value, find_inside(members, str(name.value), told)) for name, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_read_node(value, find_inside(members, str(k), None)) for k, value in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode) and node.style in ("'", '"'):
        return node.value
    return read_scalar(node.value, members) if members else read_yaml(node.value)
