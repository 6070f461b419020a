"""`hilum app` as a person starts it: a project with a registered model, the server in a process of its own, and its page."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from empty_store import VARIABLES
from playwright.sync_api import Page

from hilum.workspace import Workspace
from project import ROOT, clean_environment

STARTS_WITHIN = 300  # seconds; on a busy machine its imports alone take minutes
CLASSES = ("normal", "ill")
REGISTERED = "models:/hilum@baseline"
WRITTEN = "written.log"  # in the project: every file that the server opened to write
LISTEN = """
import os, sys
log = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def listen(event, given):
    if event == "open" and isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR):
        os.write(log, f"{given[0]}\\n".encode(errors="replace"))
sys.addaudithook(listen)
from hilum.cli import main
sys.exit(main())
"""


def train_registered(folder: Path, make_project: Callable[..., Workspace]) -> Workspace:
    """A project of two classes with phantom films, and one arm, trained and registered: a small network of random weights with
    a head that is fitted closely, so that films differ."""
    from hilum.stages import acquire, check, prepare, split, train, tune

    labels = {"normal": ["normal"], "ill": ["bacterial", "viral"]}
    quick = {"explain__lime__samples": 60, "explain__lime__superpixels": 12}
    workspace = make_project(folder, prepare__labels=labels, **quick)
    values = yaml.safe_load(workspace.params.read_text())
    options = {"blocks": 3, "filters": 8, "growth": 2.0, "kernel": 3, "pooling": "max", "batch_norm": True}
    phases = [{"unfreeze": "head", "solver": "convex", "penalty": 0.01}]
    values["arms"] = {"baseline": {"backbone": "small_cnn", "options": options, "weights": "none", "phases": phases}}
    values["tune"]["trials"] = 0
    workspace.params.write_text(yaml.safe_dump(values, sort_keys=False))
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(workspace.root):
        for name in VARIABLES:
            patch.delenv(name, raising=False)
        check.run()
        acquire.run(source="phantom")
        prepare.run()
        split.run()
        tune.run("baseline")
        train.run("baseline")
    return workspace


@dataclass(frozen=True)
class Room:
    """A running app. url: of its first page. process: of the server. root: the project's folder."""

    url: str
    process: "subprocess.Popen[bytes]"
    root: Path

    def open(self, page: Page) -> None:
        """Its first page in a new session, drawn."""
        page.goto(self.url)
        page.locator("#hilum-foot").wait_for()

    def written(self) -> list[str]:
        """Every file that the server has opened to write so far, without devices and descriptors that were open already."""
        lines = (self.root / WRITTEN).read_text().splitlines()
        return [line for line in lines if not line.startswith("/dev/") and not line.isdecimal()]


@contextlib.contextmanager
def started_room(workspace: Workspace, *options: str) -> Iterator[Room]:
    """`hilum app` with these options, in the project's folder, on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    environment = clean_environment(PYTHONPATH=str(ROOT / "src"), PYTHONDONTWRITEBYTECODE="1", HILUM_DEBUG="1")
    command = [sys.executable, "-c", LISTEN, str(workspace.root / WRITTEN), "app", "--port", str(port), *options]
    with (workspace.root / "app.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=workspace.root, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        await_room(process, f"http://127.0.0.1:{port}", workspace.root / "app.log")
        yield Room(f"http://127.0.0.1:{port}", process, workspace.root)
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


def await_room(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/_stcore/health", timeout=2):
            return
        time.sleep(0.1)
    raise AssertionError(f"{url} did not answer:\n{log.read_text()[-3000:]}")


def upload(page: Page, name: str, content: bytes) -> None:
    """Hand a file to the page as a person drops it, in place of an earlier one, when the page has come to rest."""
    settle(page)
    page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "application/octet-stream", "buffer": content})


def settle(page: Page) -> None:
    """Until the script of the page has run to its end."""
    page.wait_for_function("document.querySelector('.stApp')?.dataset.testScriptState === 'notRunning'")
