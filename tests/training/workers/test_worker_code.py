"""What code a worker must have: all that its driver has imported, as it was at its start, and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

from hilum.training.workers import worker_code
from hilum.training.workers.worker_code import AGAIN, check_code, code_now, differing


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "training").mkdir()
    for name in ("records.py", "training/fit.py"):
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(worker_code, "PACKAGE", tmp_path)
    monkeypatch.setattr(worker_code, "AT_START", code_now())
    return tmp_path


def test_locks_of_editors_and_hidden_folders_are_no_code(package: Path) -> None:
    (package / ".#records.py").symlink_to("nobody@nowhere.1")
    (package / ".checkpoints").mkdir()
    (package / ".checkpoints" / "records.py").write_text("old")
    assert list(code_now()) == ["records.py", "training/fit.py"]


def test_what_was_edited_since_the_start_is_named_and_what_lies_beside_it_is_not(package: Path) -> None:
    wanted = code_now()
    (package / "notes.py").write_text("of nobody else")
    check_code(wanted, AGAIN)
    (package / "training" / "fit.py").write_text("edited")
    now = {name: code_now()[name] for name in wanted}
    assert differing(wanted) == differing(now) == ["training/fit.py"], "on the disk, or in what it may have imported"
    with pytest.raises(ValueError, match=r"got other training/fit\.py in .*; it was edited while this command ran"):
        check_code(wanted, AGAIN)


def test_a_missing_file_differs_and_a_few_are_named(package: Path) -> None:
    wanted = {f"file{i}.py": "a" for i in range(5)}
    with pytest.raises(ValueError, match=r"got other file0\.py, file1\.py, file2\.py and more in"):
        check_code(wanted, AGAIN)


def test_only_what_is_imported_counts() -> None:
    asked = "from hilum.training.workers.worker_code import *; print(*loaded_code(), '|', *differing(loaded_code()))"
    names, _, differing_now = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True
    ).stdout.partition(" |")
    assert {"training/workers/worker_code.py", "__init__.py"} <= set(names.split()) and "stages/export.py" not in names
    assert not differing_now.strip()
