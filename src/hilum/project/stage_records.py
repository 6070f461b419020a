"""What each stage of the pipeline read and wrote, and how long it took: a line at its end, and a record for later estimates."""

import csv
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hilum.progress import tell_bytes, tell_seconds
from hilum.project.earlier_stages import OPTIONS, Making, list_makings
from hilum.workspace import Workspace, find_workspace

FOLDER = "stages"  # below .hilum: a small file per stage, of its last run


@dataclass(frozen=True)
class StageRecord:
    """The last run of a stage. seconds: from its start to its end; files, size: what it wrote, in bytes; of_copy: in a copy of
    the project with other parameters; rows: of all tables among what it wrote."""

    seconds: float
    files: int
    size: int
    ended: str
    of_copy: bool = False
    rows: int = 0

    @property
    def wrote(self) -> str:
        """`1,500 rows, 24 MB`; without rows where it wrote no table."""
        return f"{tell_rows(self.rows)}{tell_bytes(self.size)}"


def keep_record(verb: str, chosen: Mapping[str, Any], seconds: float) -> list[str]:
    """Keep the record of a stage that has ended, and return the line that describes it; nothing for other verbs.

    chosen: the options of the command by their names. A run in a copy replaces no record of the project's own.
    """
    if chosen.get("dry_run"):
        return []
    with suppress(ValueError, LookupError, TypeError, AttributeError):  # outside of a project, or a dvc.yaml that DVC refuses
        workspace = find_workspace(Path.cwd())
        item = str(chosen.get(OPTIONS.get(verb, "arm"), ""))
        for one in list_makings(workspace):
            if (one.stage, one.item) == (verb, item):
                record = _measure(one, workspace, seconds)
                known = read_record(workspace, verb, item)
                if known is None or known.of_copy or not record.of_copy:
                    _write(record_file(workspace, verb, item), record)
                return [_tell(one, record, workspace)]
    return []


def record_file(workspace: Workspace, stage: str, item: str) -> Path:
    return workspace.cache / FOLDER / f"{stage}{'@' * bool(item)}{item}.json"


def read_record(workspace: Workspace, stage: str, item: str) -> StageRecord | None:
    """The record of a stage's last run; None if there is none that can be read."""
    with suppress(OSError, ValueError, TypeError):
        return StageRecord(**json.loads(record_file(workspace, stage, item).read_text()))
    return None


def measure(paths: Iterable[Path]) -> tuple[int, int]:
    """How many files there are at and below these paths, and their bytes."""
    files = size = 0
    for path in paths:
        for folder, _, names in os.walk(path) if path.is_dir() else [(str(path.parent), [], [path.name])]:
            for name in names:
                with suppress(OSError):
                    size += Path(folder, name).stat().st_size
                    files += 1
    return files, size


def count_rows(paths: Iterable[Path]) -> int:
    """The rows of all tables (CSV) at and below these paths, without headers."""
    rows = 0
    for path in paths:
        for table in sorted(path.rglob("*.csv")) if path.is_dir() else [path] if path.suffix == ".csv" else []:
            with suppress(OSError, ValueError, csv.Error), table.open(newline="", encoding="utf-8") as stream:
                rows += max(0, sum(1 for _ in csv.reader(stream)) - 1)
    return rows


def tell_rows(rows: int) -> str:
    return f"{rows:,} row{'s' * (rows != 1)}, " if rows else ""


def _measure(one: Making, workspace: Workspace, seconds: float) -> StageRecord:
    files, size = measure(workspace.root / out for out in one.outs)
    now = datetime.now().astimezone().isoformat(" ", "seconds")
    rows = count_rows(workspace.root / out for out in one.outs)
    return StageRecord(round(seconds, 1), files, size, now, workspace.root != workspace.home, rows)


def _tell(one: Making, record: StageRecord, workspace: Workspace) -> str:
    read, read_size = measure(workspace.root / dep for dep in one.deps)
    inputs = f"read {read} files ({tell_bytes(read_size)}), " if one.deps else ""
    files = "1 file" if record.files == 1 else f"{record.files} files"
    wrote = f"wrote {', '.join(one.outs)} ({files}, {record.wrote})"
    return f"{' '.join((one.stage, one.item)).strip()}: {inputs}{wrote} in {tell_seconds(record.seconds)}"


def _write(file: Path, record: StageRecord) -> None:
    """Replace the file in one step; a full or read-only disk loses the record, not the stage."""
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(f".{os.getpid()}")
        try:
            partial.write_text(json.dumps(asdict(record)))
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)
