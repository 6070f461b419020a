"""Searches of `killed_search` whose driver and workers are forked from one process that has imported all they need.

As a program: reads a line of JSON for each command, {"begin": ROOT, "seconds": SECONDS_PER_EPOCH, "log": FILE} and answers with
the number of the driver's process, or {"poll": PID, "waits": BOOL} and answers with its exit code, null while it works.
"""

import functools
import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from killed_processes import end_after

SUPPORT = Path(__file__).resolve().parent


class Forked:
    """A search that runs, with those parts of a `subprocess.Popen` that its killer uses."""

    def __init__(self, server: "Server", root: Path, seconds: float) -> None:
        self.server, self.log, self.returncode = server, root / "log.txt", None
        self.pid = int(server.ask(begin=str(root), seconds=seconds, log=str(self.log)))

    def poll(self, waits: bool = False) -> int | None:
        if self.returncode is None:
            self.returncode = self.server.ask(poll=self.pid, waits=waits)
        return self.returncode

    def communicate(self, timeout: float = 0) -> tuple[str, None]:
        self.poll(waits=True)
        return self.log.read_text(), None


class Server:
    """The process that searches are forked from."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **command: Any) -> Any:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


def main() -> None:
    sys.path.insert(0, str(SUPPORT))
    import killed_search

    from hilum.training.workers import executors

    fork = multiprocessing.get_context("fork")
    executors.multiprocessing.get_context = lambda *_: fork  # type: ignore[assignment, attr-defined]
    for line in sys.stdin:
        asked = json.loads(line)
        if "poll" in asked:
            ended, status = os.waitpid(asked["poll"], 0 if asked["waits"] else os.WNOHANG)
            print(json.dumps(os.waitstatus_to_exitcode(status) if ended else None), flush=True)
            continue
        child = os.fork()
        if not child:
            end_after(functools.partial(search, killed_search, asked["begin"], asked["seconds"], asked["log"]))
        print(json.dumps(child), flush=True)


def search(program: Any, root: str, seconds: float, log: str) -> None:
    """In the driver's process."""
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = [program.__file__, root, str(seconds)]
    os.chdir(root)
    program.tune.prepare_trials = program.prepare_formula
    program.tune.run("baseline")


if __name__ == "__main__":
    main()
