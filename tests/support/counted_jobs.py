"""Jobs for executors: they square a number, and write down that they began; some fail, wait or end their process."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def prepare_counting(folder: str) -> Callable[[dict[str, Any]], int]:
    """A job is {"number"}; with `fails` it raises, with `dies` its first so many workers are killed, with `seconds` it waits."""
    file = Path(folder) / "begun.txt"

    def work(job: dict[str, Any]) -> int:
        number = job["number"]
        with file.open("a") as stream:
            stream.write(f"{number}\n")
        time.sleep(job.get("seconds", 0))
        if job.get("fails"):
            raise ValueError(f"of job {number}")
        if file.read_text().split().count(str(number)) <= job.get("dies", 0):
            os.kill(os.getpid(), signal.SIGKILL)
        return int(number**2)

    return work
