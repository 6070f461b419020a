"""Fingerprints: content alone decides them, and a file that has not changed is read once."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from hilum.data.fingerprints import fingerprint, hash_files
from hilum.results import file_sha256

LONG_AGO = 1_600_000_000  # seconds: a file written lately is read again, as it may change without another time stamp


def write_files(root: Path) -> Path:
    for name in ("normal/a.png", "viral/b.png", "viral/deep/c.png", "table.csv"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
        os.utime(root / name, (LONG_AGO, LONG_AGO))
    return root


def read(root: Path, memory: Path) -> tuple[dict[str, str], int]:
    """The hashes, and how many files were read."""
    told: list[tuple[int, int]] = []
    hashes = hash_files(root, memory, lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == list(range(1, len(told) + 1))
    assert {total for _, total in told} <= {len(told)}
    return hashes, len(told)


def test_the_hashes_are_those_of_the_bytes_by_sorted_path(tmp_path: Path) -> None:
    root = write_files(tmp_path / "films")
    hashes, _ = read(root, tmp_path / "memory")
    assert list(hashes) == ["normal/a.png", "table.csv", "viral/b.png", "viral/deep/c.png"]
    assert hashes == {name: file_sha256(root / name) for name in hashes}


def test_what_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    root, memory = write_files(tmp_path / "films"), tmp_path / "memory"
    first, count = read(root, memory)
    assert count == 4
    assert read(root, memory) == (first, 0)
    (root / "viral" / "b.png").write_text("VIRAL/B.PNG")  # as many bytes
    os.utime(root / "viral" / "b.png", (LONG_AGO + 1, LONG_AGO + 1))
    second, count = read(root, memory)
    assert count == 1 and {name for name in first if first[name] != second[name]} == {"viral/b.png"}
    (root / "table.csv").unlink()
    assert read(root, memory) == ({name: second[name] for name in second if name != "table.csv"}, 0)


def test_another_file_of_the_same_size_and_time_is_read(tmp_path: Path) -> None:
    root, memory = write_files(tmp_path / "films"), tmp_path / "memory"
    read(root, memory)
    other = root / "other"
    other.write_text("NORMAL/A.PNG")
    os.utime(other, (LONG_AGO, LONG_AGO))
    other.replace(root / "normal" / "a.png")
    hashes, count = read(root, memory)
    assert count == 1 and hashes["normal/a.png"] == file_sha256(root / "normal" / "a.png")


def test_a_file_written_just_now_is_read_again(tmp_path: Path) -> None:
    """Two writes within one tick of the clock leave the same time stamp."""
    root, memory = write_files(tmp_path / "films"), tmp_path / "memory"
    (root / "table.csv").touch()
    stamp = (root / "table.csv").stat().st_mtime_ns
    read(root, memory)
    (root / "table.csv").write_text("TABLE.CSV")
    os.utime(root / "table.csv", ns=(stamp, stamp))
    hashes, count = read(root, memory)
    assert count == 1 and hashes["table.csv"] == file_sha256(root / "table.csv")


def test_a_damaged_memory_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    root, memory = write_files(tmp_path / "films"), tmp_path / "memory"
    first, _ = read(root, memory)
    (file,) = memory.iterdir()
    whole = file.read_text()
    for damaged in (whole[:-30], "", "[]", json.dumps({"a": 1}), "\0"):
        file.write_text(damaged)
        assert read(root, memory) == (first, 4)
        assert file.read_text() == whole


def test_the_memory_names_no_file(tmp_path: Path) -> None:
    root, memory = write_files(tmp_path / "Roentgen_Anna"), tmp_path / "memory"
    read(root, memory)
    (file,) = memory.iterdir()
    assert not [name for name in ("Roentgen", "normal", "png", "table") if name in file.name + file.read_text()]


def test_a_fingerprint_changes_when_a_file_is_added_removed_renamed_or_rewritten(tmp_path: Path) -> None:
    root = write_files(tmp_path / "films")

    def now() -> str:
        return fingerprint(read(root, tmp_path / "memory")[0])

    seen = [now()]
    assert now() == seen[0]
    (root / "viral" / "d.png").write_text("new")
    seen.append(now())
    (root / "viral" / "d.png").rename(root / "normal" / "d.png")
    seen.append(now())
    time.sleep(0.01)
    (root / "normal" / "d.png").write_text("NEW")  # as many bytes
    seen.append(now())
    assert len(set(seen)) == len(seen)
    (root / "normal" / "d.png").unlink()
    assert now() == seen[0]


@pytest.mark.parametrize("name", [".DS_Store", "viral/thumbs.db", "normal/desktop.ini", "normal/._a.png", "@eaDir/a.png/x.jpg"])
def test_what_a_system_writes_by_itself_is_no_content(tmp_path: Path, name: str) -> None:
    root = write_files(tmp_path / "films")
    before, _ = read(root, tmp_path / "memory")
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("one")
    assert read(root, tmp_path / "memory")[0] == before


@pytest.mark.parametrize("name", ["DS_Store", "Thumbs.db.png", "_a.png", "normal/desktop.ini.txt", "icon.png"])
def test_what_only_looks_like_it_is_content(tmp_path: Path, name: str) -> None:
    root = write_files(tmp_path / "films")
    (root / name).write_text("one")
    assert name in read(root, tmp_path / "memory")[0]


def test_a_fingerprint_does_not_depend_on_where_or_when_the_files_were_written(tmp_path: Path) -> None:
    here = write_files(tmp_path / "films")
    there = tmp_path / "elsewhere" / "of" / "mine"
    shutil.copytree(here, there, copy_function=shutil.copyfile)
    assert (here / "table.csv").stat().st_mtime_ns != (there / "table.csv").stat().st_mtime_ns
    assert fingerprint(read(here, tmp_path / "a")[0]) == fingerprint(read(there, tmp_path / "b")[0])
