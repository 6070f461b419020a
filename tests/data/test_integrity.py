"""A changed byte is found by content, in the workspace and in the cache, whatever the time stamps say."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from hilum.data.integrity import find_absent, find_changed

FILES = {"films/a.png": b"film a", "films/b.png": b"film b"}


def object_of(cache: Path, content: bytes, suffix: str = "") -> Path:
    md5 = hashlib.md5(content).hexdigest() + suffix
    return cache / "files" / "md5" / md5[:2] / md5[2:]


def store(cache: Path, content: bytes, suffix: str = "") -> str:
    place = object_of(cache, content, suffix)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return hashlib.md5(content).hexdigest() + suffix


@pytest.fixture
def versioned(tmp_path: Path) -> tuple[Path, dict[str, Any], Path]:
    """A workspace with a folder and a file, the lock that names them, and a cache that holds them."""
    root, cache = tmp_path / "project", tmp_path / "cache"
    for name, content in FILES.items():
        (root / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "data" / name).write_bytes(content)
    (root / "facts.json").write_bytes(b"{}")
    listing = json.dumps([{"md5": store(cache, content), "relpath": name} for name, content in FILES.items()])
    outs = [{"path": "data", "md5": store(cache, listing.encode(), ".dir")}, {"path": "facts.json", "md5": store(cache, b"{}")}]
    return root, {"stages": {"acquire": {"outs": outs}}}, cache


def flip(file: Path) -> None:
    """One bit, size and time stamp kept."""
    before, content = file.stat(), bytearray(file.read_bytes())
    content[0] ^= 1
    file.write_bytes(bytes(content))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def silent(done: int, total: int) -> None:
    """No progress."""


def test_unchanged_files_are_no_fault(versioned: tuple[Path, dict[str, Any], Path]) -> None:
    assert find_changed(*versioned, silent) == []


@pytest.mark.parametrize("name", ["data/films/b.png", "facts.json"])
def test_a_flipped_bit_in_the_workspace_is_found(versioned: tuple[Path, dict[str, Any], Path], name: str) -> None:
    flip(versioned[0] / name)
    out = name.split("/")[0]
    assert find_changed(*versioned, silent) == [
        f"{name} has other bytes than dvc.lock says; delete it and run `dvc checkout {out}`"
    ]


def test_a_flipped_bit_in_the_cache_is_found(versioned: tuple[Path, dict[str, Any], Path]) -> None:
    flip(object_of(versioned[2], b"film a"))
    (told,) = find_changed(*versioned, silent)
    assert told.startswith("data/films/a.png: its object ") and "in DVC's cache has other bytes" in told


def test_files_that_are_not_there_are_no_fault(versioned: tuple[Path, dict[str, Any], Path]) -> None:
    (versioned[0] / "data/films/a.png").unlink()
    object_of(versioned[2], b"film b").unlink()
    assert find_changed(*versioned, silent) == []


def test_outputs_of_which_nothing_is_here_are_named(versioned: tuple[Path, dict[str, Any], Path]) -> None:
    root, _, cache = versioned
    assert find_absent(*versioned) == []
    shutil.rmtree(root)
    assert find_absent(*versioned) == [], "the cache has them"
    shutil.rmtree(cache)
    assert find_absent(*versioned) == ["data", "facts.json"]
    root.mkdir()
    (root / "facts.json").write_bytes(b"{}")
    assert find_absent(*versioned) == ["data"]


def test_every_file_is_counted(versioned: tuple[Path, dict[str, Any], Path]) -> None:
    seen: list[tuple[int, int]] = []
    find_changed(*versioned, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
