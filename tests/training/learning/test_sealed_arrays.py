"""Arrays that can be made again: what is read is what was written, whatever befell the file, the disk or another run."""

import os
import resource
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from hilum.training.learning import sealed_arrays
from hilum.training.learning.sealed_arrays import ABANDONED, SEAL, drop_oldest, open_array, write_array

ARRAY = np.random.default_rng(0).standard_normal((7, 3, 2)).astype(np.float32)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "a.npy"


def write(file: Path, array: np.ndarray = ARRAY) -> np.ndarray:
    return write_array(file, array.shape, (array[i : i + 3] for i in range(0, len(array), 3)))


def in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has compared no file yet."""
    monkeypatch.setattr(sealed_arrays, "_whole", {})


def test_what_is_written_is_read_to_the_last_bit_here_and_elsewhere(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_array(file) is None
    for found in (write(file), open_array(file), in_another_process(monkeypatch) or open_array(file), np.load(file)):
        assert found is not None and found.dtype == np.float32
        np.testing.assert_array_equal(found, ARRAY)
    assert [path.name for path in file.parent.iterdir()] == ["a.npy"]
    assert isinstance(open_array(file), np.memmap), "gigabytes are not loaded"
    none = np.zeros((0, 4), np.float32)
    assert write(file.with_name("none.npy"), none).shape == (0, 4)
    turned = np.asfortranarray(ARRAY).transpose(1, 0, 2)
    np.testing.assert_array_equal(write(file, turned), turned)


def test_every_bit_is_watched_and_every_length(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(file)
    whole = file.read_bytes()
    spoilt = [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in range(len(whole))]
    spoilt += [whole[:length] for length in range(len(whole))] + [whole + b"\0", whole + whole[-SEAL:], b"\0" * len(whole)]
    for content in spoilt:
        file.write_bytes(content)
        assert open_array(file) is None
        assert f"{file} is damaged" in capsys.readouterr().out
    file.write_bytes(whole)
    assert open_array(file) is not None
    write(file.with_name("b.npy"), ARRAY + 1)
    file.write_bytes(file.with_name("b.npy").read_bytes())
    assert open_array(file) is None, "another array's"
    np.testing.assert_array_equal(write(file), ARRAY)
    assert open_array(file) is not None, "healed"


def test_a_file_is_compared_once_in_a_process_and_again_where_it_was_changed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    monkeypatch.setattr(sealed_arrays, "PIECE", 1 << 10)
    write(file, np.zeros((3000, 5), np.float32))
    in_another_process(monkeypatch)
    real = sealed_arrays.hashlib.sha256

    def counted(*given: bytes) -> object:
        compared.append(1)
        return real(*given)

    monkeypatch.setattr(sealed_arrays.hashlib, "sha256", counted)
    for _ in range(3):
        assert open_array(file) is not None
    assert len(compared) == 1, "marking it as used is no change"
    content = bytearray(file.read_bytes())
    content[5000] ^= 1
    file.write_bytes(content)
    assert open_array(file) is None
    assert len(compared) == 2


def test_what_cannot_be_read_is_told_and_made_again(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.parent.mkdir()
    file.symlink_to(file)  # as unreadable as a file that another user closed, but for root as well
    assert open_array(file) is None
    assert f"{file} cannot be read" in capsys.readouterr().out
    np.testing.assert_array_equal(write(file), ARRAY)
    assert open_array(file) is not None


@pytest.mark.parametrize("fault", [KeyboardInterrupt, ValueError, OSError])
def test_an_interrupted_write_leaves_nothing_and_keeps_what_was_there(file: Path, fault: type[BaseException]) -> None:
    write(file)

    def batches() -> Iterator[np.ndarray]:
        yield ARRAY[:3] + 1
        raise fault("its own words")

    with pytest.raises(fault, match=r"^its own words$"):
        write_array(file, ARRAY.shape, batches())
    assert [path.name for path in file.parent.iterdir()] == ["a.npy"]
    found = open_array(file)
    assert found is not None
    np.testing.assert_array_equal(found, ARRAY)


def test_a_file_that_may_not_grow_is_named_with_the_remedy(file: Path) -> None:
    """A quota as every system can set it; tests/training/test_features.py fills a real disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(OSError, match=r"File too large for .*/deep/a\.npy; make room on that disk or make .*/deep writable"):
            write(file, np.zeros((3000, 5), np.float32))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(file.parent.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named_with_the_remedy(file: Path) -> None:
    file.parent.write_bytes(b"")  # refused to root as well, unlike a folder without rights
    assert open_array(file) is None
    with pytest.raises(OSError, match=r"/deep/a\.npy; make room on that disk or make .*/deep writable"):
        write(file)
    file.parent.unlink()
    (file / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match=r"directory for .*/deep/a\.npy; .* what lies there can be deleted"):
        write(file)
    assert [path.name for path in file.parent.iterdir()] == ["a.npy"]


def test_a_folder_that_may_only_be_read_serves_what_it_has(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(file)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "utime", refuse)
    assert open_array(file) is not None


def test_what_interrupted_runs_left_goes_and_what_a_living_one_writes_stays(file: Path) -> None:
    write(file)
    left, busy = file.with_name("left.123.partial"), file.with_name("busy.partial")
    for path in (left, busy):
        path.write_bytes(b"half")
    os.utime(left, (time.time(), time.time() - ABANDONED - 1))
    drop_oldest(file.parent, 10**6, keep=file)
    assert sorted(path.name for path in file.parent.iterdir()) == ["a.npy", "busy.partial"]


def test_a_deleted_folder_stops_nobody_who_reads_from_it(file: Path) -> None:
    kept = write(file)
    file.unlink()
    file.parent.rmdir()
    drop_oldest(file.parent, 10, keep=file)
    np.testing.assert_array_equal(kept, ARRAY)


def test_runs_that_share_a_folder_do_not_meet(file: Path) -> None:
    """Eight at once write, read and drop the same files; what one got stays whole, whoever drops or replaces the file."""
    names = [file.with_name(f"{letter}.npy") for letter in "abc"]

    def work(number: int) -> bool:
        place = names[number % 3]
        found = open_array(place)
        if found is None:
            found = write(place)
        drop_oldest(file.parent, 400, keep=place)
        return np.array_equal(found, ARRAY)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(300)))
    assert not list(file.parent.glob("*.partial"))
