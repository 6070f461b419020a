"""`hilum ui`: the server on this machine, the links of the views, and when it opens a browser."""

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from empty_store import forget_environment, make_store
from mlflow_server import Server

from hilum.project.desktop import has_desktop
from hilum.stages import ui
from hilum.tracking.ui_server import check_port
from hilum.workspace import Workspace
from project import ROOT, clean_environment


@pytest.fixture
def project(own_copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    forget_environment(monkeypatch)
    return own_copy


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def started(command: list[str], folder: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A process that heeds Ctrl-C, which a shell's background jobs and their children ignore, and that ends with the test."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        child = subprocess.Popen(command, cwd=folder, env=clean_environment(**environment), stdout=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        yield child
    finally:
        child.terminate()
        child.communicate(timeout=60)


def stand_in_browser(folder: Path) -> tuple[str, Path]:
    """A command for the variable BROWSER, and the file into which it writes the address that it is given."""
    program, opened = folder / "browser", folder / "opened.txt"
    program.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.part && mv {opened}.part {opened}\n')
    program.chmod(0o755)
    return f"{program} %s", opened


def test_the_server_answers_on_loopback_at_the_links_that_are_printed_and_ends_with_ctrl_c(
    project: Workspace, tmp_path: Path
) -> None:
    """Here on a desktop, where the first link is opened."""
    make_store(project.home)
    port = free_port()
    command = [sys.executable, str(ROOT / "src" / "hilum"), "ui", "--port", str(port)]
    browser, opened = stand_in_browser(tmp_path)
    with started(command, project.root, BROWSER=browser, DISPLAY=":0", SSH_CONNECTION="") as child:
        assert child.stdout is not None
        lines = []
        for line in child.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        links = dict(re.findall(r"^  ([A-Z][\w ]+): (http\S+)", "".join(lines), re.MULTILINE))
        assert list(links) == ["Arms", "Maps side by side", "Search"], lines
        assert all(link.startswith(f"http://127.0.0.1:{port}/#/experiments/") for link in links.values())
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=60) as answer:
            assert answer.status == 200
        end = time.monotonic() + 60
        while not opened.is_file() and time.monotonic() < end:
            time.sleep(0.05)
        assert opened.read_text() == links["Arms"], "the first one"
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=120) == 0
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)


def test_of_a_store_that_is_a_server_it_prints_the_links_there_and_starts_none(
    project: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server(tmp_path)
    server.begin()
    try:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri.replace("http://", "http://anna:secret@"))
        ui.run(port="5999")
    finally:
        server.die()
    told = capsys.readouterr().out
    links = dict(re.findall(r"^  ([A-Z][\w ]+): (http\S+)", told, re.MULTILINE))
    assert list(links) == ["Arms", "Maps side by side", "Search"] and "secret" not in told and "Ctrl-C" not in told
    assert all(link.startswith(f"{server.uri}/#/experiments/") for link in links.values())
    assert not (project.cache / "ui.log").exists() and not (project.home / "mlflow.db").exists()


def test_without_runs_it_says_what_makes_them(project: Workspace) -> None:
    with pytest.raises(ValueError, match=r"there must be runs .* no sqlite:.*mlflow\.db yet; run `make repro`"):
        ui.run()
    assert not (project.home / "mlflow.db").exists()


def test_a_port_that_is_taken_is_refused_with_another(project: Workspace) -> None:
    make_store(project.home)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"port {port} must be free .* hilum ui --port {port + 1}"):
            ui.run(port=str(port))


@pytest.mark.parametrize("wrong", ["80", "x", "70000", "-1"])
def test_a_port_must_be_one(wrong: str) -> None:
    with pytest.raises(ValueError, match="--port must be a number from 1024 to 65535"):
        check_port(wrong)


@pytest.mark.parametrize(
    ("environment", "platform", "seen"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "1.2.3.4"}, "linux", False),
        ({}, "darwin", True),
    ],
)
def test_a_browser_is_opened_only_where_somebody_sees_it(environment: dict[str, str], platform: str, seen: bool) -> None:
    assert has_desktop(environment, platform) is seen


def test_make_ui_is_hilum_ui(root: Path) -> None:
    assert "ui: $(VENV)/ready\n\tpython src/hilum ui\n" in (root / "Makefile").read_text()
