"""predict with several workers: the bytes of one worker, whoever is killed, with one batch of each worker repeated at most."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from own_models import SIZE, save_own
from PIL import Image

from hilum.serving.folder_workers import Workers, choose_workers
from hilum.serving.predictions import BATCH
from hilum.workspace import Workspace

FILMS = 5 * BATCH + 7


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, make_project: Callable[..., Workspace]) -> Path:
    root = make_project(tmp_path_factory.mktemp("folder") / "project").root
    (root / "films").mkdir()
    for number in range(FILMS):
        grey = np.random.default_rng(number).integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
        Image.fromarray(grey).save(root / "films" / f"{number:03d}.png")
    (root / "films" / "100.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    save_own(root / "model", "softmax")
    predict(root, "serial.csv", "--threads", "1")
    return root


def begin(root: Path, out: str, *more: str, films: str = "films") -> subprocess.Popen[str]:
    """A call of `predict` in a group of its own."""
    return begin_verb(root, "predict", "--model", "model/model.keras", "--images", films, "--out", out, *more)


def begin_verb(root: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "hilum", *words]
    return subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def predict(root: Path, out: str, *more: str, films: str = "films") -> str:
    process = begin(root, out, *more, films=films)
    told, _ = process.communicate(timeout=300)
    assert process.returncode == 0, told
    return told


def rows_of(file: Path) -> int:
    return file.read_bytes().count(b"\n") - 1 if file.exists() else 0


def wait_for_rows(process: subprocess.Popen[str], file: Path, count: int) -> None:
    deadline = time.monotonic() + 120
    while rows_of(file) < count and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    assert rows_of(file) >= count, process.communicate()[0] if process.poll() is not None else "no rows in 120 s"


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """Processes that multiprocessing started below a call."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                command = (entry / "cmdline").read_bytes()
            except OSError:  # it has ended
                continue
            if parent == process.pid and b"spawn_main" in command:
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize("executor", ["processes", pytest.param("dask", marks=pytest.mark.slow)])
def test_two_workers_give_the_bytes_of_one(project: Path, executor: str) -> None:
    told = predict(project, f"{executor}.csv", "--workers", "2", "--executor", executor)
    assert (project / f"{executor}.csv").read_bytes() == (project / "serial.csv").read_bytes()
    assert "films without a prediction: 1" in told


def test_workers_draw_every_panel(project: Path) -> None:
    few = project / "few"
    few.mkdir()
    for number in range(BATCH + 1):  # a batch for each worker
        (few / f"{number:03d}.png").hardlink_to(project / "films" / f"{number:03d}.png")
    predict(project, "drawn.csv", "--workers", "2", "--explain", "gradcam", films="few")
    assert sorted(file.name for file in (project / "drawn_panels").iterdir()) == [f"{n:03d}.png.png" for n in range(BATCH + 1)]


@pytest.mark.parametrize("executor", ["processes", pytest.param("dask", marks=pytest.mark.slow)])
def test_explain_of_a_folder_by_workers_gives_what_predict_gives_alone(project: Path, executor: str) -> None:
    few = project / "some"
    few.mkdir(exist_ok=True)
    for number in range(BATCH + 1):
        if not (few / f"{number:03d}.png").exists():
            (few / f"{number:03d}.png").hardlink_to(project / "films" / f"{number:03d}.png")
    if not (project / "alone.csv").exists():
        predict(project, "alone.csv", "--threads", "1", "--explain", "gradcam", films="some")
    out = project / f"explained_{executor}"
    words = ["--model", "model/model.keras", "--films", "some", "--methods", "gradcam", "--out", out.name]
    call = begin_verb(project, "explain", *words, "--workers", "2", "--executor", executor)
    told, _ = call.communicate(timeout=300)
    assert call.returncode == 0, told
    assert (out / "predictions.csv").read_bytes() == (project / "alone.csv").read_bytes()
    panels, alone = (sorted(folder.iterdir()) for folder in (out / "predictions_panels", project / "alone_panels"))
    assert [file.name for file in panels] == [file.name for file in alone] and len(panels) == BATCH + 1
    assert [file.read_bytes() for file in panels] == [file.read_bytes() for file in alone]


def test_a_killed_worker_and_a_killed_call_lose_one_batch_each_at_most(project: Path) -> None:
    out = project / "killed.csv"
    for kept in (1, BATCH + 1, 2 * BATCH + 1):
        process = begin(project, out.name, "--workers", "2")
        wait_for_rows(process, out, kept)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert rows_of(out) >= kept
    process = begin(project, out.name, "--workers", "2")
    while not (workers := workers_of(process)) and process.poll() is None:
        time.sleep(0.002)
    os.kill(workers[0], signal.SIGKILL)
    told, _ = process.communicate(timeout=300)
    assert process.returncode == 0, told
    assert out.read_bytes() == (project / "serial.csv").read_bytes()
    earlier = re.search(r"(\d+) predicted earlier", told)
    assert earlier and int(earlier[1]) >= 2 * BATCH


def test_workers_that_were_not_asked_for_rightly_are_refused() -> None:
    assert choose_workers("", "", "") == Workers("serial", 1, 0)
    assert choose_workers("", "3", "") == Workers("processes", 3, 1)
    assert choose_workers("dask", "", "2") == Workers("dask", 1, 2)
    for asked, told in {
        ("serial", "2", ""): "--workers must be 1 for --executor serial, got 2",
        ("threads", "", ""): "--executor must be one of serial, processes, dask, got 'threads'",
        ("", "0", ""): "--workers must be a whole number from 1 to 1000, got '0'",
        ("", "two", ""): "--workers must be a whole number",
        ("", "", "-1"): "--threads must be a whole number",
    }.items():
        with pytest.raises(ValueError, match=re.escape(told)):
            choose_workers(*asked)
