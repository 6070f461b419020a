"""A missing package is named with the way to it: the environment's own, or one that a part needs besides."""

import sys

import pytest

from hilum import packages
from hilum.packages import CORE, PARTS, tell_missing


@pytest.mark.parametrize("module", PARTS)
def test_a_driver_of_a_part_names_its_package_and_not_the_environment(module: str) -> None:
    told = tell_missing(f"{module}.errors")
    package, use, extra = PARTS[module]
    assert told.startswith(f"{use} needs the package {package} ({module}.errors), which {sys.executable} has not")
    assert f"`uv pip install --python {sys.executable} '{package}'`" in told
    assert (f"hilum's extra {extra};" in told) == bool(extra)
    assert "activate" not in told


def test_a_package_that_no_row_knows_is_named_by_its_module() -> None:
    assert "needs the package unheard (unheard.of)" in tell_missing("unheard.of")


def test_a_core_package_means_another_environment() -> None:
    for module in CORE:
        assert f"{sys.executable} has no package {module}; activate the environment" in tell_missing(module)


def test_another_environment_is_seen_by_what_else_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "CORE", (*CORE, "no_such_package_of_hilum"))
    assert "has no package tqdm; activate the environment" in tell_missing("tqdm")
