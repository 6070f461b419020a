"""Processes that are killed: forked from one that has imported TensorFlow and not used it, because an import takes seconds.

As a program: reads a line of JSON for each process, {"work", "given", "after"}, forks it, kills it `after` that many seconds (not
at all if that is null) and answers with {"code", "seconds"}; code is minus the number of the signal that ended it.
"""

import functools
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

SUPPORT = Path(__file__).resolve().parent


class Nursery:
    """Starts processes that do a function of `killed_work`."""

    def __init__(self, log: Path) -> None:
        self.log = log
        clean = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}  # what earlier tests set
        self.process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log.open("w"), text=True, env=clean
        )

    def run(self, work: str, after: float | None = None, **given: Any) -> tuple[int, float]:
        """Run a function in a process of its own; returns its exit code and how many seconds it took."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"work": work, "given": given, "after": after}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, self.log.read_text()
        told = json.loads(answer)
        return told["code"], told["seconds"]

    def finish(self, work: str, **given: Any) -> float:
        """Run a function, which must end by itself; returns how many seconds it took."""
        code, seconds = self.run(work, **given)
        assert code == 0, self.log.read_text()[-4000:]
        return seconds

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


def main() -> None:
    sys.path.insert(0, str(SUPPORT))
    import killed_work

    for line in sys.stdin:
        asked, begun = json.loads(line), time.monotonic()
        child = os.fork()
        if not child:
            end_after(functools.partial(work, getattr(killed_work, asked["work"]), asked["given"]))
        code = wait(child, begun, asked["after"])
        print(json.dumps({"code": code, "seconds": time.monotonic() - begun}), flush=True)


def work(function: Callable[..., object], given: dict[str, Any]) -> None:
    os.dup2(2, 1)
    function(**given)


def end_after(work: Callable[[], object]) -> NoReturn:
    """Do the work of a forked process and end it, with 1 after an error, which is printed, and else with 0."""
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait(child: int, begun: float, after: float | None) -> int:
    """Wait for a process, and kill it when its time is over."""
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if after is not None and time.monotonic() - begun >= after:
            os.kill(child, signal.SIGKILL)  # it has not been waited for, so the number is still its own
            after = None
        time.sleep(0.002)


if __name__ == "__main__":
    main()
