"""A film that expands a lot is decoded in a child process with limits: a decompression bomb only makes that film unreadable."""

import importlib.util
import json
import os
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np

from hilum.data.decoding.film_read import FilmRead, Order
from hilum.data.decoding.kinds import DICOM, find_kind
from hilum.data.decoding.levels import read_levels
from hilum.data.decoding.limits import ResourceLimitError

CHILD_BYTES = 112 * 2**20  # beyond what the child's interpreter and libraries take (about 70 MiB)
CHILD_SECONDS = 10  # of processor time

_SOURCE = Path(__file__).resolve().parents[3]
_LIMITS = f"a film that expands so much may take {CHILD_BYTES >> 20} MiB and {CHILD_SECONDS} s to decode"


def read_in_sandbox(raw: bytes, order: Order) -> FilmRead:
    """What `levels.read_levels` gives for the bytes of a file, computed in a child process; nothing is written to a disk.

    Raises:
        ResourceLimitError: the child refused the film, exceeded its memory or time, or died; or this system has no such limits.
    """
    if importlib.util.find_spec("resource") is None:
        raise ResourceLimitError("a film that expands so much is only decoded where a process can be limited (Linux, macOS)")
    command = [sys.executable, "-m", "hilum.data.decoding.sandbox", json.dumps(asdict(order))]
    environment = {**os.environ, "PYTHONPATH": str(_SOURCE), "OPENBLAS_NUM_THREADS": "1"}
    with _open_memory() or nullcontext() as answer:
        try:
            done = subprocess.run(
                command,
                input=raw,
                stdout=answer or subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                timeout=4 * CHILD_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise ResourceLimitError(f"{_LIMITS}; this one took longer") from None
        return _read_answer(answer or BytesIO(done.stdout), done.returncode)


def _open_memory() -> BinaryIO | None:
    """A file that lies in memory, so that no film reaches a disk; None where the system has none (macOS): the answer then comes
    through a pipe, and is in memory twice while it is read."""
    return os.fdopen(os.memfd_create("hilum-film"), "w+b") if hasattr(os, "memfd_create") else None


def _read_answer(answer: BinaryIO, code: int) -> FilmRead:
    answer.seek(0)
    line = answer.readline()
    if code or not line:
        raise ResourceLimitError(f"{_LIMITS}; this one took more, or its decoder broke down")
    facts = json.loads(line)
    if "refused" in facts:
        raise ResourceLimitError(facts["refused"])
    return FilmRead(np.load(answer), facts["width"], facts["height"], facts["bits"], tuple(facts["remarks"]))


def main() -> None:
    """The child: a film's bytes on standard input, a line of JSON and an array on standard output."""
    import resource

    given = json.loads(sys.argv[1])
    order = Order(**{**given, "draft": tuple(given["draft"]) if given["draft"] else None})
    stream = BytesIO(sys.stdin.buffer.read())
    if find_kind(stream) == DICOM:
        import hilum.data.decoding.dicom  # noqa: F401  before the limit: libraries do not count towards a film's memory
    else:
        import cv2

        cv2.setNumThreads(1)  # each thread's stack counts as memory
    own = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() if Path("/proc").is_dir() else 2**28
    resource.setrlimit(resource.RLIMIT_AS, (own + CHILD_BYTES, own + CHILD_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CHILD_SECONDS, CHILD_SECONDS))
    try:
        read = read_levels(stream, order, sandbox=None)
    except MemoryError:
        facts: dict[str, object] = {"refused": f"{_LIMITS}; this one took more memory"}
    except ValueError as error:
        facts = {"refused": f"{error} ({_LIMITS})"}  # a decoder may not report that it ran out of memory
    else:
        facts = {"width": read.width, "height": read.height, "bits": read.bits, "remarks": read.remarks}
    sys.stdout.buffer.write(json.dumps(facts).encode() + b"\n")
    if "refused" not in facts:
        np.save(sys.stdout.buffer, read.grey)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
