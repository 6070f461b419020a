"""Commands and settings that README, docs and recipes show can be given as they are written."""

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hilum.cli import VERBS, build_parser
from hilum.project.faults import find_faults
from hilum.project.overrides import apply_overrides, merge
from hilum.settings.params import Params, check_params
from hilum.settings.training import Arm

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "recipes").glob("*.yaml"))]
WRITTEN = yaml.safe_load((ROOT / "params.yaml").read_text())
NAMED = set(yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]["main"]["parameters"])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
MINE = "recipe=mine"  # the recipe that the README shows how to write; tests/stages/test_experiment.py reads it


def blocks(page: Path, *languages: str) -> list[str]:
    return [body for language, body in FENCE.findall(page.read_text()) if language in languages]


def commands(page: Path) -> Iterator[str]:
    """Lines of shell blocks, and what stands between backticks in the text; a recipe's comments are text."""
    for block in blocks(page, "", "sh") if page.suffix == ".md" else []:
        yield from block.replace("\\\n", " ").splitlines()
    text = FENCE.sub("", page.read_text()) if page.suffix == ".md" else ""
    yield from (span.replace("\n", " ") for span in re.findall(r"`([^`]+)`", text))
    if page.suffix == ".yaml":
        yield from re.findall(r"-P (?:set=\"[^\"]*\"|[^\s]*\w)", page.read_text())


def options_of(verb: str) -> set[str]:
    """The names of a verb's options."""
    verbs = next(action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction))
    return {name for action in verbs.choices[verb]._actions for name in action.option_strings}


def words_of(command: str) -> list[str]:
    return shlex.split(command, comments=True)


ALL = [(page.name, command) for page in PAGES for command in commands(page)]
CHANGES = sorted({(page, command) for page, command in ALL if re.search(r"(^| )-P \w+=.", command) and MINE not in command})
CALLS = sorted(
    (page, re.sub(r"^python src/hilum", "hilum", command))
    for page, command in ALL
    if re.match(r"(hilum|python src/hilum) [a-z]+ +\S", command) and "--help" not in command
)
BENCHMARKS = sorted({(page, command) for page, command in ALL if command.startswith("python benchmarks/")})


def test_the_pages_are_read() -> None:
    assert {page for page, _ in CHANGES} >= {"README.md", "training.md", "results.md", "audit.md", "covid.yaml"}
    assert {page for page, _ in CALLS} >= {"README.md", "reading.md", "results.md", "commands.md"}
    assert len(BENCHMARKS) > 30


@pytest.mark.parametrize(("page", "command"), CHANGES)
def test_changes_of_settings_are_applied(page: str, command: str) -> None:
    words = words_of(command.replace(' ..."', '"'))
    pairs = [words[i + 1] for i, word in enumerate(words) if word == "-P"]
    given = dict(pair.split("=", 1) for pair in pairs)
    assert set(given) <= NAMED
    recipe = given.pop("recipe", page.removesuffix(".yaml") if page.endswith(".yaml") else "")
    values = apply_overrides(WRITTEN, ROOT, recipe, given.pop("set", ""), [f"{key}={text}" for key, text in given.items()])
    assert find_faults(check_params(values)) == []


@pytest.mark.parametrize(("page", "command"), CALLS)
def test_calls_are_read_by_the_parser(page: str, command: str) -> None:
    _, verb, *rest = words_of(command)
    assert verb in VERBS
    if rest and rest[-1].startswith("--"):  # names an option, which may take a value
        assert rest[-1] in options_of(verb)
    else:
        build_parser().parse_args([verb, *rest])


@pytest.mark.parametrize(("page", "command"), BENCHMARKS)
def test_benchmarks_exist_with_the_options_that_are_named(page: str, command: str) -> None:
    _, file, *rest = words_of(command.replace("[", " ").replace("]", " "))
    source = (ROOT / file).read_text()
    assert [word for word in rest if word.startswith("--") and f'"{word}"' not in source] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.suffix == ".md"], ids=lambda page: page.name)
def test_a_shell_runs_nothing_that_a_command_quotes(page: Path) -> None:
    """Backticks within double quotes or none are a command of their own."""
    lines = [line for block in blocks(page, "", "sh") for line in block.replace("\\\n", " ").splitlines()]
    typed = [re.sub(r"'[^']*'", "", re.sub(r"(^|\s)#.*", "", line)) for line in lines]
    assert [line for line in typed if re.search(r"(?<!\\)`", line)] == []


def lay(shown: dict[str, Any]) -> Any:
    """A page's settings over params.yaml; those of an arm alone over the fine-tuned one. Ensembles may be of repeats."""
    if set(shown) <= set(Params.model_fields):
        return merge(WRITTEN, shown | ({"train": {"repeats": 2}} if "ensembles" in shown else {}))
    assert set(shown) <= set(Arm.model_fields), f"neither settings nor those of an arm: {', '.join(shown)}"
    return merge(WRITTEN, {"arms": {"finetuned": shown}})


@pytest.mark.parametrize(
    ("page", "block"), [(page.name, block) for page in PAGES if page.suffix == ".md" for block in blocks(page, "yaml")]
)
def test_settings_that_a_page_shows_hold(page: str, block: str) -> None:
    params = check_params(lay(yaml.safe_load(block)))
    if not re.search(r"\b(models|presets)/", block):  # else files of one's own, which are not here
        assert find_faults(params) == []
