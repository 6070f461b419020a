"""Each stage ends with a line of what it read and wrote, and keeps a record for later estimates."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from hilum.cli import main
from hilum.project.stage_records import StageRecord, keep_record, read_record
from hilum.workspace import Workspace


@pytest.fixture
def project(make_project: Callable[..., Workspace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    workspace = make_project(tmp_path / "project")
    monkeypatch.chdir(workspace.root)
    return workspace


def test_a_stage_tells_what_it_read_and_wrote_and_how_long_it_took(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check"]) == 0
    assert main(["acquire", "--source", "phantom"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"  check: wrote data/facts\.json \(1 file, \d+ B\) in \d+ s", lines[1])
    assert re.fullmatch(r"  acquire phantom: wrote data/raw/phantom \(\d+ files, 60 rows, [\d.]+ [kM]B\) in \d+ s", lines[-1])
    record = read_record(project, "acquire", "phantom")
    assert record is not None and not record.of_copy
    files = [path for path in project.raw("phantom").rglob("*") if path.is_file()]
    assert (record.files, record.size, record.rows) == (len(files), sum(path.stat().st_size for path in files), 60)
    told = keep_record("split", {}, 75.4)
    assert re.fullmatch(r"split: read \d+ files \(.*\), wrote data/split \(0 files, 0 B\) in 1 min 15 s", told[0])


def test_what_is_no_stage_leaves_no_record(project: Workspace) -> None:
    assert keep_record("verify", {}, 1.0) == [] and keep_record("explain", {"arm": "", "image": "a.png"}, 1.0) == []
    assert keep_record("check", {"dry_run": True}, 1.0) == []
    assert not project.cache.exists()


def test_a_run_with_other_parameters_in_a_copy_replaces_no_record_of_the_project(
    project: Workspace, make_project: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = make_project(project.root / ".dvc" / "tmp" / "exps" / "standalone" / "tmpabc")
    monkeypatch.chdir(copy.root)
    keep_record("train", {"arm": "baseline"}, 5.0)
    assert (known := read_record(project, "train", "baseline")) is not None and known.of_copy and known.seconds == 5.0
    monkeypatch.chdir(project.root)
    keep_record("train", {"arm": "baseline"}, 60.0)
    monkeypatch.chdir(copy.root)
    keep_record("train", {"arm": "baseline"}, 7.0)
    assert (known := read_record(project, "train", "baseline")) is not None and not known.of_copy and known.seconds == 60.0


def test_a_damaged_record_is_none(project: Workspace) -> None:
    keep_record("train", {"arm": "baseline"}, 5.0)
    file = project.cache / "stages" / "train@baseline.json"
    assert StageRecord(**json.loads(file.read_text())).seconds == 5.0
    for text in ("", "{", "[]", json.dumps({**asdict(StageRecord(1, 1, 1, "")), "more": 1})):
        file.write_text(text)
        assert read_record(project, "train", "baseline") is None
