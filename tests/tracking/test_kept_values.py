"""What is kept comes back to the bit, and nothing else is written or read."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hilum.audit.evidence import Evidence
from hilum.audit.exchange import Ranking
from hilum.records import Attribution, Cells, Predictions
from hilum.tracking.kept_values import read_value, write_value

RNG = np.random.default_rng(3)


def round_trip(value: Any, folder: Path) -> Any:
    write_value(folder / "a.part", value)
    return read_value(folder / "a.part")


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -7,
        2**127 + 1,  # a word of a random generator's state
        0.1 + 0.2,
        float("inf"),
        "",
        "Ränder\n☢",
        [1, [2.5, None], ("a", True)],
        (),
        {"a": 1, 2: {"b": (3,)}, ("c", 4): []},
        RNG.bit_generator.state,
    ],
)
def test_plain_values(value: Any, tmp_path: Path) -> None:
    found = round_trip(value, tmp_path)
    assert found == value and type(found) is type(value)


def test_not_a_number(tmp_path: Path) -> None:
    assert np.isnan(round_trip(float("nan"), tmp_path))


@pytest.mark.parametrize("kind", ["bool", "uint8", "int32", "int64", "float16", "float32", "float64", "U7", ">i4"])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3, 4)])
def test_arrays(kind: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    array = RNG.normal(0, 50, shape).astype("U7" if kind == "U7" else "f8").astype(kind)
    array = np.asfortranarray(array) if array.ndim > 1 else array
    found = round_trip(array, tmp_path)
    assert found.dtype == array.dtype and found.shape == array.shape and found.tobytes() == np.asarray(array).tobytes()


def test_numbers_of_numpy(tmp_path: Path) -> None:
    found = round_trip([np.float32(0.1), np.int64(3), np.bool_(True)], tmp_path)
    assert [type(one) for one in found] == [np.float32, np.int64, np.bool_] and found == [np.float32(0.1), 3, True]


@pytest.mark.parametrize("texts", ["str", "object"])
def test_tables(texts: str, tmp_path: Path) -> None:
    table = pd.DataFrame({"name": ["a", "", "=1+1", "nan"], "value": [0.1, np.nan, -np.inf, 1 / 3], "films": [1, 2, 3, 4]})
    table = table.astype({"name": texts}).assign(
        right=[True, False, True, True], missing=pd.Series(["x", None, "y", "z"], dtype=texts)
    )
    found = round_trip(table, tmp_path)
    pd.testing.assert_frame_equal(found, table, check_exact=True)
    empty = table.iloc[:0].reset_index(drop=True)
    pd.testing.assert_frame_equal(round_trip(empty, tmp_path), empty)
    pd.testing.assert_frame_equal(round_trip(pd.DataFrame(), tmp_path), pd.DataFrame())


def test_records(tmp_path: Path) -> None:
    maps = Attribution(
        RNG.normal(size=(2, 3, 3)).astype(np.float32), "lime", np.array([0, 1]), True, {"layer": "top", "cells": (7, 7)},
        {"fit": np.array([0.1, np.nan])}, RNG.integers(0, 9, (2, 3, 3)).astype(np.int32), Cells(7, 7, "top"),
    )  # fmt: skip
    found, seconds = round_trip((maps, 1.25), tmp_path)
    assert seconds == 1.25 and found.cells == maps.cells and dict(found.parameters) == dict(maps.parameters)
    assert found.values.tobytes() == maps.values.tobytes() and found.regions.tobytes() == maps.regions.tobytes()
    answers = Predictions(np.array(["a/1"]), np.array([""]), np.array([1]), np.array([[1 / 3, 2 / 3]]), np.array([1]), ("a", "b"))
    assert round_trip({"test": answers, "none": None}, tmp_path)["test"].classes == ("a", "b")
    ranking = Ranking(1, np.arange(3), np.arange(2), 0.1, 0.2)
    evidence = Evidence({"mark_odds": float("nan")}, np.zeros((2, 2), np.float32), np.ones((2, 2), bool), ranking)
    assert round_trip(evidence, tmp_path).ranking.high.tolist() == [0, 1, 2]


@dataclass
class Foreign:
    value: int


@pytest.mark.parametrize(
    "value", [{1, 2}, b"bytes", Foreign(1), np.array([None, "a"]), pd.DataFrame({"a": [1]}, index=["x"]), Path("a"),
              pd.DataFrame({"a": [(1,), (2,)]}), np.datetime64("2026-01-01")],
)  # fmt: skip
def test_what_would_not_come_back_is_refused(value: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="kept must be of numbers"):
        write_value(tmp_path / "a.part", [value])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("at", [0, 31, 40, -1])
def test_a_changed_byte_is_found(at: int, tmp_path: Path) -> None:
    file = tmp_path / "a.part"
    write_value(file, {"a": np.arange(9)})
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match="damaged: its bytes are not those that were written"):
        read_value(file)
    file.write_bytes(content[:20])
    with pytest.raises(ValueError, match="damaged"):
        read_value(file)


def test_a_file_makes_nothing_but_records_of_the_house(tmp_path: Path) -> None:
    """Also if somebody has sealed it anew: a class of another package is not called, nor a function of this one."""
    for told in ("subprocess:Popen", "collections:OrderedDict", "hilum.results:read_json"):
        stream = io.BytesIO()
        np.savez(stream, outline=np.frombuffer(f'{{"record": "{told}", "fields": []}}'.encode(), np.uint8))
        content = stream.getvalue()
        (tmp_path / "a.part").write_bytes(content + hashlib.sha256(content).digest())
        with pytest.raises(ValueError, match=f"must be of records of hilum, got {told}"):
            read_value(tmp_path / "a.part")
