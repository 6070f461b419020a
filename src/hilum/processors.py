"""The processors of this machine that this process may use."""

import os
import platform
from contextlib import suppress
from pathlib import Path


def usable_processors() -> int:
    """How many there are; on Linux without those that the process is kept off."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1  # not on a Mac


def processor_name() -> str:
    """The line of /proc/cpuinfo with the model's name, or what Python knows of the processor."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next((line for line in lines if line.startswith("model name")), platform.processor())
    return platform.processor()
