"""An output takes the place of an earlier one in one step; whatever fails before, the earlier one is there."""

from pathlib import Path

import pytest
from failing_disk import FailingDisk

from hilum.project.output_folder import check_out, filled_folder


def write(out: Path, text: str) -> None:
    with filled_folder(out) as folder:
        for name in ("made.json", "table.csv"):
            (folder / name).write_text(text)


def read(out: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in out.iterdir()}


def test_at_whichever_step_the_disk_fails_the_earlier_output_is_whole(tmp_path: Path) -> None:
    out, at, failed = tmp_path / "deep" / "out", 0, 0
    write(out, "before")
    while True:
        with pytest.MonkeyPatch.context() as patch:
            disk = FailingDisk(at, patch)
            try:
                write(out, "after")
            except OSError:
                failed += 1
        if not disk.failed:
            break
        assert read(out) == {"made.json": "before", "table.csv": "before"}
        at += 1
    assert failed == at == 4, "two writes and two renames"
    assert read(out) == {"made.json": "after", "table.csv": "after"}
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_only_an_earlier_output_of_its_kind_is_replaced(tmp_path: Path) -> None:
    for there in ("nothing", "empty", "earlier"):
        check_out(tmp_path / there, "made.json", "evaluation")
        (tmp_path / "empty").mkdir(exist_ok=True)
        (tmp_path / "earlier").mkdir(exist_ok=True)
        (tmp_path / "earlier" / "made.json").touch()
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "a.png").touch()
    (tmp_path / "file").touch()
    for other in ("films", "file"):
        with pytest.raises(ValueError, match="or one of an earlier evaluation, got"):
            check_out(tmp_path / other, "made.json", "evaluation")
