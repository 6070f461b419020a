"""YAML is read as DVC reads it."""

import math
from pathlib import Path

import pytest
from dvc.utils.serialize import load_yaml

from hilum.settings.yaml_text import read_yaml

TEXTS = (
    *("yes", "No", "on", "OFF", "y", "true", "False", "~", "null", "Null", "''", "'yes'", "1:30", "190:20:30", "2024"),
    *("017", "0o17"),
    *("0x1F", "0b101", "1_000", "+1", "-3", "1e-3", "1E5", "1.", ".5", "-.5", "1.5e+3", "-.inf", ".NaN", "12e03", "1e"),
    *("e3", "."),
    *("_1", "2024-01-01", "a#b", "a #b", "/data/films", "v1e4", "1.2.3", "0.5.", "[1, yes]", "{no: 1e-4}", "- 017"),
)


@pytest.mark.parametrize("text", TEXTS)
def test_a_value_is_what_dvc_takes_it_for(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(f"a: {text}\n" if not text.startswith("- ") else f"a:\n{text}\n")
    wanted, got = load_yaml(str(file))["a"], read_yaml(file.read_text())["a"]
    if isinstance(wanted, float) and math.isnan(wanted):
        assert isinstance(got, float) and math.isnan(got)
    else:
        assert (got, type(got)) == (wanted, type(wanted))


def test_a_document_that_names_python_objects_is_refused() -> None:
    with pytest.raises(Exception, match="could not determine a constructor"):
        read_yaml("!!python/object/apply:os.system [true]")


def test_an_empty_document_is_nothing() -> None:
    assert read_yaml("") is None
