"""What must be known of a model: from model.json in the forms that people write it, from options, from both."""

import json
from pathlib import Path
from typing import Any

import pytest

from hilum.serving.model_facts import Told, gather_facts

FACTS = {"classes": ["normal", "ill"], "size": 64, "square": "pad", "threshold": 0.5}
SAID = Told(classes="normal, ill", size="64", square="pad", scaling="1/127.5,-1", threshold="0.5")


def write(folder: Path, content: Any = FACTS, encoding: str = "utf-8") -> Path:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "model.json").write_bytes(text.encode(encoding))
    return folder / "model.keras"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_model_json_is_read_as_editors_write_it(tmp_path: Path, encoding: str) -> None:
    assert gather_facts(write(tmp_path, encoding=encoding), Told()) == FACTS


def test_numbers_may_be_text_and_classes_numbers(tmp_path: Path) -> None:
    text = {"classes": [0, 1], "size": "64", "square": "pad", "threshold": "0.5", "scaling": ["1/255", "0"], "arm": "mine"}
    facts = gather_facts(write(tmp_path, text), Told())
    assert facts == {**FACTS, "classes": ["0", "1"], "scaling": [1 / 255, 0.0], "arm": "mine"}


def test_options_stand_for_a_missing_model_json(tmp_path: Path) -> None:
    assert gather_facts(tmp_path / "model.keras", SAID) == {**FACTS, "scaling": [1 / 127.5, -1]}
    without = gather_facts(tmp_path / "model.keras", Told(classes="a,b,c", size="224", square="stretch"))
    assert without == {"classes": ["a", "b", "c"], "size": 224, "square": "stretch", "threshold": None}


def test_options_complete_model_json_and_may_repeat_it(tmp_path: Path) -> None:
    few = {key: FACTS[key] for key in ("classes", "threshold")}
    assert gather_facts(write(tmp_path, few), SAID) == {**FACTS, "scaling": [1 / 127.5, -1]}


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("size", "32", "--size must agree with .*model.json, which says 64, got 32; leave the option out or change that file"),
        ("classes", "ill,normal", "--classes must agree"),
        ("threshold", "none", "--threshold must agree with .*, which says 0.5, got None"),
        ("size", "large", "size of the options must hold numbers"),
        ("size", "nan", "size of the options must hold numbers"),
        ("size", "32.5", "size of the options must be a whole number of pixels, got 32.5"),
        ("square", "crop", "square of the options must be pad or stretch, got crop"),
        ("scaling", "0.5", "scaling of the options must be a factor and an offset"),
        ("scaling", "1/0,0", "scaling of the options must hold numbers such as 0.5 or 1/255, got '1/0'"),
        ("threshold", "2", "threshold of the options must be a probability"),
        ("classes", "one", "classes of the options must be two or more different names"),
    ],
)
def test_an_option_that_contradicts_or_makes_no_sense_is_refused(tmp_path: Path, option: str, value: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        gather_facts(write(tmp_path), Told(**{option: value}))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "must be JSON, got"),
        ("[" * 100_000, "must be JSON, got"),
        ("[1]", r"must hold classes, size, square and threshold by name, got \[1\]"),
        ({}, "got none; write it, or pass: --classes a,b --size 224 --square pad"),
        ({**FACTS, "classes": "normal,ill"}, "two or more different names"),
        ({**FACTS, "classes": ["ill", "ill"]}, "two or more different names"),
        ({**FACTS, "classes": [["a"], "b"]}, "two or more different names"),
        ({**FACTS, "size": True}, "size of .*model.json must hold numbers"),
        ({**FACTS, "size": [64, 64]}, "must hold numbers"),
        ({**FACTS, "size": 0}, "whole number of pixels"),
        ({**FACTS, "square": None}, "must be pad or stretch"),
        ({**FACTS, "scaling": [1, 2, 3]}, "a factor and an offset"),
        ({**FACTS, "classes": ["a", "b", "c"]}, "one of two classes, got 0.5 for 3; set it to null"),
        ({key: FACTS[key] for key in ("classes", "size", "square")}, "must hold a threshold"),
        ({key: FACTS[key] for key in ("classes", "threshold")}, "got no size, square; write it, or pass"),
    ],
)
def test_a_model_json_that_makes_no_sense_is_refused(tmp_path: Path, content: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        gather_facts(write(tmp_path, content), Told())


def test_without_any_the_refusal_says_how_to_tell_them(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"model\.json must be beside the model .*, got none; write it, or pass: --classes a,b"):
        gather_facts(tmp_path / "model.keras", Told())


THREE = {"classes": ["normal", "bacterial", "viral"], "size": 64, "square": "pad", "threshold": None}


def test_the_factors_of_a_decision_are_read_as_numbers(tmp_path: Path) -> None:
    told = {**THREE, "decision_factors": {"viral": "2", "normal": 1, "bacterial": "1/2"}}
    facts = gather_facts(write(tmp_path, told), Told())
    assert facts["decision_factors"] == {"viral": 2.0, "normal": 1.0, "bacterial": 0.5}
    assert gather_facts(write(tmp_path, {**THREE, "decision_factors": None}), Told())["decision_factors"] is None


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (
            {**THREE, "decision_factors": {"normal": 1, "viral": 2}},
            "must name each class once .*, got normal, viral; complete it",
        ),
        ({**THREE, "decision_factors": [1, 1, 2]}, "must give each class a number above 0, or be null"),
        ({**THREE, "decision_factors": {"normal": 1, "bacterial": 0, "viral": 2}}, "must give each class a number above 0"),
        ({**THREE, "decision_factors": {"normal": 1, "bacterial": "x", "viral": 2}}, "must hold numbers such as"),
        (
            {**FACTS, "decision_factors": {"normal": 1, "ill": 2}},
            "a threshold and decision_factors cannot decide together, got 0.5",
        ),
    ],
)
def test_factors_that_cannot_decide_are_refused(tmp_path: Path, facts: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        gather_facts(write(tmp_path, facts), Told())
