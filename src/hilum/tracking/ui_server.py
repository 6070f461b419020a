"""MLflow's server for the pages of a store, on this machine alone, as long as `hilum ui` runs."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hilum.tracking.links import HOST
from hilum.tracking.store_kinds import REGISTRY
from hilum.workspace import Workspace

FIRST, LAST = 1024, 65535  # ports that a user's program may take
STARTS_WITHIN = 120  # seconds
LOG = "ui.log"  # what the server prints, below .hilum/


def check_port(text: str) -> int:
    """A port from the command line.

    Raises:
        ValueError: it is none.
    """
    if not text.isdecimal() or not FIRST <= int(text) <= LAST:
        raise ValueError(f"--port must be a number from {FIRST} to {LAST}, got {text!r}; leave it out for the usual one")
    return int(text)


@contextmanager
def serve(uri: str, port: int, workspace: Workspace) -> Iterator[Callable[[], int]]:
    """Start the server and stop it at the end or at Ctrl-C, which is the usual end. Yields a function that waits until then.

    Raises:
        ValueError: the port is taken, or the server does not start.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise ValueError(
                f"port {port} must be free for the server, but another program listens there (an earlier `hilum ui`?); end it, "
                f"or name another port: hilum ui --port {port + 1 if port < LAST else port - 1}"
            ) from None
    workspace.cache.mkdir(parents=True, exist_ok=True)
    log = workspace.cache / LOG
    with log.open("wb") as output:
        command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
        child = subprocess.Popen(
            command, cwd=workspace.home, env=_environment(uri), stdout=output, stderr=output, start_new_session=True
        )
    try:
        _await(child, port, log)
        with suppress(KeyboardInterrupt):
            yield child.wait
    finally:
        _stop(child)


def _environment(uri: str) -> dict[str, str]:
    """Of the server: addresses of stores, which may hold passwords, are no arguments, which every user of the machine sees."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    registry = os.environ.get(REGISTRY, "")
    return {**own, "MLFLOW_BACKEND_STORE_URI": uri, **({"MLFLOW_REGISTRY_STORE_URI": registry} if registry else {})}


def _await(child: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until and child.poll() is None:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/health", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise ValueError(f"MLflow's server must answer within {STARTS_WITHIN} s, but it did not; what it printed is in {log}")


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End the server with its workers."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if child.poll() is not None:
            return
        os.killpg(child.pid, number)
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            continue
