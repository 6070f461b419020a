"""docs/commands.md holds every option of every verb, with its default; the parser says which."""

import argparse
import re
from pathlib import Path

import pytest

from hilum.cli import VERBS, build_parser
from hilum.exits import EXITS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "commands.md"
SECTIONS = dict(re.findall(r"^## hilum (\w+)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL))
ROW = re.compile(r"^\| `([^`]+)` \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)


def options(verb: str) -> list[argparse.Action]:
    verbs = next(action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction))
    return [action for action in verbs.choices[verb]._actions if not isinstance(action, argparse._HelpAction)]


def name_option(action: argparse.Action) -> str:
    return action.option_strings[0] if action.option_strings else str(action.metavar)


def tell_default(action: argparse.Action) -> str:
    if action.required and action.option_strings:
        return "required"
    return f"`{action.default}`" if action.default else "none"


def test_every_verb_has_a_section_in_its_order() -> None:
    assert list(SECTIONS) == list(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_a_section_says_what_is_written_and_every_option_with_its_default(verb: str) -> None:
    section = SECTIONS[verb]
    assert re.search(r"\b[Ww]rites\b", section)
    told = {name: default.partition(":")[0] for name, _, default, _ in ROW.findall(section) if default.startswith("none")}
    told |= {name: default for name, _, default, _ in ROW.findall(section) if not default.startswith("none")}
    wanted = {name_option(action): tell_default(action) for action in options(verb)}
    assert [name for name, *_ in ROW.findall(section)] == list(wanted)
    assert told == wanted
    assert ("No options." in section) == (not wanted)


def test_the_page_has_the_table_of_exit_statuses() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+?) \|$", PAGE.read_text(), re.MULTILINE)
    assert {int(code): meaning for code, meaning in rows} == EXITS
