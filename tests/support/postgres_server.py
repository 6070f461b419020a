"""A PostgreSQL of the test's own, on a socket in a folder; skipped where none is installed."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def postgres() -> Iterator[str]:
    """A server that has begun; gives the address of an empty database."""
    programs = {name: shutil.which(name) for name in ("initdb", "pg_ctl")}
    if not all(programs.values()):
        pytest.skip("needs PostgreSQL's initdb and pg_ctl")
    pytest.importorskip("psycopg2")
    folder = Path(tempfile.mkdtemp(prefix="hilum-pg-"))
    runner: dict[str, Any] = {"check": True, "capture_output": True, "cwd": folder}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, "postgres", "postgres")
        runner["user"] = "postgres"
    begin = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    subprocess.run([str(programs["initdb"]), "-D", str(folder / "data"), "-U", "postgres", "-A", "trust"], **runner)
    data = [str(programs["pg_ctl"]), "-D", str(folder / "data"), "-w"]
    subprocess.run([*data, "-l", str(folder / "log"), "-o", begin, "start"], **runner)
    try:
        yield f"postgresql+psycopg2://postgres@/postgres?host={folder}"
    finally:
        subprocess.run([*data, "-m", "immediate", "stop"], **runner)
        shutil.rmtree(folder)
