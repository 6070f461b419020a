"""YAML as DVC reads and writes it, which is version 1.2: PyYAML's own rules (1.1) read `yes` as true and `1:30` as 90.

DVC writes an override into params.yaml by its rules, so a text `yes` is written without quotes, and must be read as a text.
Source: YAML 1.2.2, 10.3.2 (core schema), with the underscores and dates that DVC's ruamel.yaml takes beyond it.
"""

import re
from typing import Any

import yaml

BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
INT = re.compile(r"[-+]?0b[01_]+|[-+]?0o[0-7_]+|[-+]?0x[0-9a-fA-F_]+|[-+]?[0-9][0-9_]*")
FLOAT = re.compile(
    r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+|[-+]?\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
BASES = {"0b": 2, "0o": 8, "0x": 16}
REPLACED = ("bool", "int", "float", "value")  # value: a bare `=`, which PyYAML recognises but cannot read


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the rules of YAML 1.2."""


def read_yaml(text: str) -> Any:
    """The values of a document, as DVC reads them.

    Raises:
        yaml.YAMLError: it is not YAML.
    """
    return yaml.load(text, Loader)


def read_int(text: str) -> int:
    """A whole number that INT matches; one that begins with 0 is decimal."""
    sign, digits = (-1 if text.startswith("-") else 1), text.lstrip("+-").replace("_", "")
    return sign * (int(digits[2:], BASES[digits[:2]]) if digits[:2] in BASES else int(digits))


def _construct_int(loader: Loader, node: yaml.ScalarNode) -> int:
    return read_int(str(loader.construct_scalar(node)))


PREFIX = "tag:yaml.org,2002:"
Loader.yaml_implicit_resolvers = {
    first: [rule for rule in rules if rule[0].removeprefix(PREFIX) not in REPLACED]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for kind, pattern, begins in (("bool", BOOL, "tTfF"), ("float", FLOAT, "-+0123456789."), ("int", INT, "-+0123456789")):
    Loader.add_implicit_resolver(f"{PREFIX}{kind}", re.compile(f"(?:{pattern.pattern})$"), list(begins))
Loader.add_constructor(f"{PREFIX}int", _construct_int)
