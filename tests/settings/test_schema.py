"""What may stand at a place of params.yaml, as the settings' classes say."""

from pathlib import Path
from typing import Literal, get_origin

import pytest
from stepping import take_steps

from hilum.settings.params import Params
from hilum.settings.schema import find_members, is_text, split_union, step_into
from hilum.settings.search_space import Choices, Range, Searched, Share
from hilum.settings.sources import FolderSource, PhantomSource
from hilum.settings.yaml_text import read_yaml

WRITTEN = take_steps(read_yaml((Path(__file__).resolve().parents[2] / "params.yaml").read_text()))
MINE = {"acquire": {"sources": {"mine": {"reader": "folder"}, "drawn": {"reader": "phantom"}}}}


@pytest.mark.parametrize(
    ("key", "members"),
    [
        ("train.seed", [int]),
        ("train.augment.flip", [bool]),
        ("arms.baseline.phases.0.unfreeze", [int, str]),
        ("arms.any.head.dropout", [float, Range, Choices]),
        ("arms.baseline.head.dropout.start", [float, bool, float, int, str]),
        ("prepare.labels.normal.7", [str]),
        ("explain.gradcam_layers.layers", [int, list[str]]),
        ("explain.lime.hide", [Literal["mean", "film"], int]),
        ("train.batchsize", []),
        ("train.seed.low", []),
        ("nothing", []),
    ],
)
def test_the_members_of_a_place(key: str, members: list[object]) -> None:
    assert find_members(Params, key.split("."), WRITTEN) == members


def test_the_reader_says_which_keys_a_source_has() -> None:
    assert find_members(Params, ["acquire", "sources", "mine", "pattern"], MINE) == [str]
    assert find_members(Params, ["acquire", "sources", "drawn", "pattern"], MINE) == []
    assert find_members(Params, ["acquire", "sources", "drawn", "films"], MINE) == [int]
    assert {FolderSource, PhantomSource} <= set(find_members(Params, ["acquire", "sources", "new"], MINE))


def test_a_union_is_split_however_it_is_written() -> None:
    assert split_union(Searched[Share]) == [float, Range, Choices]
    assert [get_origin(member) for member in split_union(list[int] | None)] == [list, None]


def test_a_text_is_any_or_one_of_several_words() -> None:
    assert is_text(str) and is_text(Literal["a", "b"])
    assert not any(map(is_text, (int, list[str], Literal[1, 2], Literal["a", 1], FolderSource)))


def test_a_step_that_leads_nowhere_finds_nothing() -> None:
    assert step_into([1, 2], "1") == 2
    assert [step_into(values, "5") for values in ([1], {"a": 1}, 7, None)] == [None] * 4
