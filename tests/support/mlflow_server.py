"""A real tracking server in a process of its own, which a test can let die."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

STARTS_WITHIN = 400  # seconds; on a busy machine its imports alone take minutes


class Server:
    """`mlflow server` on a free port, its database and artifacts in a folder."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.folder, self.uri = folder, f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Start it, and wait until it answers."""
        store = ["--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db"]
        place = ["--artifacts-destination", str(self.folder / "artifacts"), "--workers", "1", "--port", str(self.port)]
        names = [name for name in os.environ if not name.startswith("MLFLOW_")]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *store, *place],
            env={name: os.environ[name] for name in names},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < until:
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=1):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise AssertionError(f"no server within {STARTS_WITHIN} s")

    def die(self) -> None:
        """Kill it with all its workers."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
