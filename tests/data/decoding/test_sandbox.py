"""A doubtful film is decoded in a child process without a file: neither parent nor child opens one to write."""

import os
import stat
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from dicom_forms import describe, write
from PIL import Image

from hilum.data.decoding.film_read import Order
from hilum.data.decoding.limits import MAX_PIXELS, ResourceLimitError
from hilum.data.decoding.sandbox import read_in_sandbox

WATCHED = """#!{python}
import os, runpy, sys
log = os.open({log!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def listen(event, given):
    if event == "open" and isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR):
        os.write(log, f"{{given[0]}}\\n".encode())
sys.addaudithook(listen)
os.write(log, b"child\\n")
sys.argv = sys.argv[2:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
written: list[str] = []  # by this process, while a test watches
watching = False


def listen(event: str, given: tuple[object, ...]) -> None:
    if watching and event == "open" and isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR):
        written.append(str(given[0]))


sys.addaudithook(listen)  # it cannot be taken away again


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The child's interpreter is one that notes what it opens to write; the parent's openings are kept in `written`."""
    global watching
    log, program = tmp_path / "child.log", tmp_path / "watched"
    program.write_text(WATCHED.format(python=sys.executable, log=str(log)))
    program.chmod(stat.S_IRWXU)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    written.clear()
    watching = True
    yield log
    watching = False


def list_files() -> list[str]:
    """What this process opened to write by a name, other than the null device; descriptors that are open already have none."""
    return [name for name in written if name != os.devnull and not name.isdecimal()]


def as_png(grey: np.ndarray) -> bytes:
    stream = BytesIO()
    Image.fromarray(grey).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("in_memory", [True, False], ids=["memory file", "pipe"])
@pytest.mark.parametrize("kind", ["PNG", "DICOM"])
def test_no_file_is_written_by_either_process(log: Path, monkeypatch: pytest.MonkeyPatch, kind: str, in_memory: bool) -> None:
    if not in_memory:  # macOS has none
        monkeypatch.delattr(os, "memfd_create", raising=False)
    elif not hasattr(os, "memfd_create"):
        pytest.skip("this system has no memory files")
    grey = np.tile(np.arange(200, dtype=np.uint8), (900, 5))
    raw = as_png(grey) if kind == "PNG" else write(describe(grey.astype(np.uint16) * 16, 12), "RLE")
    read = read_in_sandbox(raw, Order(MAX_PIXELS))
    assert read.grey.shape == (900, 1000) and len(np.unique(read.grey)) > 150
    if kind == "PNG":
        assert np.array_equal(read.grey, grey)
    assert list_files() == []
    assert log.read_text().split() == ["child"], "the child writes to its standard output alone"


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_refusal_is_told_without_a_file(log: Path, monkeypatch: pytest.MonkeyPatch, in_memory: bool) -> None:
    if not in_memory:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    with pytest.raises(ResourceLimitError, match="MiB and"):
        read_in_sandbox(as_png(np.zeros((9000, 7000), np.uint8)), Order(MAX_PIXELS))
    assert list_files() == [] and log.read_text().split() == ["child"]
