"""What an interrupted stage of the same key had finished is taken; nothing is left once the stage has ended."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hilum.tracking import kept_parts
from hilum.tracking.kept_parts import KeptParts, keep_parts


class Made:
    """Makes values, and counts how often."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> np.ndarray:
        self.times += 1
        return np.arange(3) / 7


@pytest.fixture
def all_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_parts, "LEAST", 0.0)


def interrupt(folder: Path, key: str, work: Callable[[KeptParts], object]) -> None:
    with pytest.raises(KeyboardInterrupt), keep_parts(folder, "explanations/arm", key) as parts:
        work(parts)
        raise KeyboardInterrupt


def test_an_interrupted_stage_leaves_its_parts(all_last: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Made()
    interrupt(tmp_path, "key", lambda parts: parts.keep("maps-lime", made))
    with keep_parts(tmp_path, "explanations/arm", "key") as parts:
        found = parts.keep("maps-lime", made)
    assert made.times == 1 and found.tolist() == (np.arange(3) / 7).tolist()
    assert "taken from the interrupted run, where it took 0 s: maps-lime\n" in capsys.readouterr().out
    assert not list(tmp_path.glob("*/*/*"))  # the stage has ended
    with keep_parts(tmp_path, "explanations/arm", "key") as parts:
        parts.keep("maps-lime", made)
    assert made.times == 2


def test_what_took_less_is_made_again(tmp_path: Path) -> None:
    made = Made()
    interrupt(tmp_path, "key", lambda parts: parts.keep("a", made))
    interrupt(tmp_path, "key", lambda parts: parts.keep("a", made))
    assert made.times == 2 and not list(tmp_path.rglob("*.part")) and kept_parts.LEAST == 30


def test_finished_work_is_written_once_it_has_taken_long_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter(range(0, 10**6, 12))  # every part takes 12 s
    monkeypatch.setattr(kept_parts.time, "perf_counter", lambda: float(next(clock)))
    made, seen = Made(), []

    def work(parts: KeptParts) -> None:
        for name in "abcdefgh"[: 1 + made.times]:
            parts.keep(name, made)
        seen.append(sorted(file.stem for file in parts.folder.glob("*")))

    for count in range(3):
        made.times = 4 * (count > 0) + 3 * (count > 1)
        interrupt(tmp_path, "key", work)
    assert seen == [[], ["a", "b", "c"], ["a", "b", "c", "d", "e", "f"]]
    assert "taken from the interrupted run, where it took 36 s: a, b, c\n" in capsys.readouterr().out


def test_another_key_name_or_processor_has_parts_of_its_own(
    all_last: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Made()
    interrupt(tmp_path, "key", lambda parts: parts.keep("a", made))
    interrupt(tmp_path, "other", lambda parts: parts.keep("a", made))
    interrupt(tmp_path, "key", lambda parts: parts.keep("b", made))
    monkeypatch.setattr(kept_parts, "usable_processors", lambda: 77)
    interrupt(tmp_path, "key", lambda parts: parts.keep("a", made))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    interrupt(tmp_path, "key", lambda parts: parts.keep("a", made))
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "7")
    interrupt(tmp_path, "key", lambda parts: parts.keep("a", made))
    assert made.times == 5 and len(list(tmp_path.glob("*/*/*"))) == 4


def test_what_is_not_to_last_is_made_again(all_last: None, tmp_path: Path) -> None:
    made = Made()
    interrupt(tmp_path, "key", lambda parts: parts.keep("a", made, lambda value: len(value) > 3))
    interrupt(tmp_path, "key", lambda parts: parts.keep("a", made, lambda value: len(value) == 3))
    interrupt(tmp_path, "key", lambda parts: parts.keep("a", made))
    assert made.times == 2


def test_a_damaged_part_is_reported_and_made_again(all_last: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Made()
    interrupt(tmp_path, "key", lambda parts: parts.keep("a", made))
    (file,) = tmp_path.rglob("*.part")
    file.write_bytes(file.read_bytes()[:-1])
    interrupt(tmp_path, "key", lambda parts: parts.keep("a", made))
    assert "a.part is damaged: its bytes are not those that were written; it is made again" in capsys.readouterr().out
    interrupt(tmp_path, "key", lambda parts: parts.keep("a", made))
    assert made.times == 2


def test_a_disk_that_refuses_is_told_once(all_last: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "parts").write_text("a file where the folder should be")
    made = Made()
    with keep_parts(tmp_path / "parts", "explanations/arm", "key") as parts:
        assert len(parts.keep("a", made)) == len(parts.keep("b", made)) == 3
    told = capsys.readouterr().out
    assert told.count("the parts of this stage cannot be kept (Not a directory for") == 1 and "makes them again" in told


def test_parts_of_other_keys_stay_for_a_while(all_last: None, tmp_path: Path) -> None:
    for k in range(6):
        interrupt(tmp_path, f"key {k}", lambda parts: parts.keep("a", Made()))
    folders = sorted(tmp_path.glob("*/*/*"))
    assert len(folders) == 6  # young ones may be of living processes
    for age, one in enumerate(folders):
        os.utime(one, (time.time() - kept_parts.DAY - 100 * age - 9,) * 2)
    with keep_parts(tmp_path, "explanations/arm", "key 9"):
        assert sorted(tmp_path.glob("*/*/*")) == folders[: kept_parts.OTHERS]
    for one in folders[: kept_parts.OTHERS]:
        os.utime(one, (time.time() - kept_parts.STALE - 9,) * 2)
    with keep_parts(tmp_path, "audit/an arm of today", "key"):  # those of arms that are no longer there go too
        assert not list(tmp_path.glob("*/*/*"))


def test_what_cannot_be_kept_does_not_end_the_stage(all_last: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with keep_parts(tmp_path, "explanations/arm", "key") as parts:
        assert parts.keep("a", lambda: {1, 2}) == {1, 2}
    assert "cannot be kept (a value that is kept must be of numbers" in capsys.readouterr().out
