"""What an override's text means is said by its place in the settings."""

from pathlib import Path
from typing import Any

import pytest
from stepping import take_steps

from hilum.project.overrides import apply_overrides, choose_roots
from hilum.project.typed_values import read_value
from hilum.settings.yaml_text import read_yaml

WRITTEN = take_steps(read_yaml((Path(__file__).resolve().parents[2] / "params.yaml").read_text()))
TEXTS = (
    *("/data/films #2", "/data/films: 2024", "2024", "~", "yes", "no", "0o17", "/data/[a]", "[a]", "{a: b}", "1_000"),
    *("1e-3", "null"),
    *("true", "1:30", "2024-01-01", "", " a", "- a", "*a", "&a", "!a", "%a", "@a", "a\tb", "'a", 'a"', "${HOME}", "|", ">"),
    *("?", "#"),
)


def read(key: str, text: str, values: Any = WRITTEN) -> Any:
    return read_value(f"{key}={text}", key, text, values)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("key", ["arms.baseline.weights", "tracking.experiment", "prepare.labels.normal.0", "train.imbalance"])
def test_where_a_text_is_wanted_it_stays_as_it_is(key: str, text: str) -> None:
    assert read(key, text) == text


@pytest.mark.parametrize(("text", "value"), [("'2024'", "2024"), ('"a b"', "a b"), ("'it''s'", "it's"), ("'a' 'b'", "'a' 'b'")])
def test_quotes_around_a_text_are_no_part_of_it(text: str, value: str) -> None:
    assert read("tracking.experiment", text) == value


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("train.seed", "2024", 2024),
        ("train.seed", "017", 17),
        ("train.seed", "yes", "yes"),  # no number: the check refuses it
        ("train.seed", "1:30", "1:30"),
        ("train.seed", "null", None),
        ("pretrain.learning_rate", "1e-3", 0.001),
        ("pretrain.learning_rate", ".5", 0.5),
        ("train.augment.rotate", "-0.5", -0.5),
        ("train.augment.flip", "yes", True),
        ("train.augment.flip", "Off", False),
        ("train.augment.flip", "true", True),
        ("arms.baseline.phases.0.unfreeze", "3", 3),
        ("arms.baseline.phases.0.unfreeze", "yes", "yes"),
        ("arms.baseline.phases.0.unfreeze", "'3'", "3"),
        ("arms.baseline.phases.0.unfreeze", "block_11", "block_11"),
        ("explain.lime.hide", "128", 128),
        ("explain.lime.hide", "film", "film"),
        ("explain.gradcam_layers.layers", "6", 6),
        ("explain.gradcam_layers.layers", "[first, 2]", ["first", "2"]),
        ("explain.methods", "[lime, yes, ~]", ["lime", "yes", "~"]),
        ("prepare.labels", "{normal: [no, 2024], ill: ['a #b']}", {"normal": ["no", "2024"], "ill": ["a #b"]}),
        (
            "arms.baseline.head.dropout",
            "{low: 1e-4, high: 5e-1, log: yes, start: .2}",
            {"low": 1e-4, "high": 0.5, "log": True, "start": 0.2},
        ),
        ("arms.baseline.head.dropout", "{choices: [1e-1, 2], start: 2}", {"choices": [0.1, 2], "start": 2}),
        ("split", "null", None),
        ("arms", "7", 7),
        (
            "acquire.sources.mine",
            "{reader: csv, root: 2024, view: [1, yes], age: no}",
            {"reader": "csv", "root": "2024", "view": ["1", "yes"], "age": "no"},
        ),
        ("acquire.sources.mine", "{reader: phantom, films: 2e1, size: 96}", {"reader": "phantom", "films": 20.0, "size": 96}),
        ("no.such.key", "1e-3", 0.001),
        ("no.such.key", "yes", "yes"),
    ],
)
def test_a_number_a_truth_or_a_list_is_one_where_it_is_wanted(key: str, text: str, value: Any) -> None:
    got = read(key, text)
    assert (got, type(got)) == (value, type(value))


@pytest.mark.parametrize(
    ("key", "text"), [("train.seed", "[1"), ("explain.methods", "[a"), ("no.such.key", "{a"), ("split", "{a: [}")]
)
def test_a_list_or_a_section_that_is_no_yaml_is_told(key: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"an override must be key=value with a value in YAML, got '"):
        read(key, text)


@pytest.mark.parametrize("text", ["/data/films #2", "2024", "~", "yes", "0o17", "/data/[a]", "1_000", "/data/films: 2024"])
def test_a_root_is_the_folder_that_was_named_through_either_door(text: str) -> None:
    values = {"acquire": {"sources": {"s": {"reader": "folder", "root": "nowhere"}}}, "prepare": {"sources": ["s"]}}
    assert choose_roots(values, "", [f"root={text}"]) == {"s": text}
    assert choose_roots(values, f'"acquire.sources.s.root={text}"', []) == {"s": text}


@pytest.mark.parametrize("text", ["my weights #2.h5", "2024", "yes", "~"])
def test_a_named_parameter_is_typed_by_its_place(tmp_path: Path, text: str) -> None:
    values = apply_overrides(WRITTEN, tmp_path, "", "", [f"weights={text}", "source=yes", "seed=12"])
    assert [arm["weights"] for arm in values["arms"].values()] == [text, text]
    assert values["prepare"]["sources"] == ["yes"] and values["train"]["seed"] == 12
