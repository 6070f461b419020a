"""A doubtful film is decoded in a child process whose memory has a lid, so that a bomb bursts there and costs a row in a list."""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilum.data.decoding.limits import LidError

CHILD_BYTES = 112 * 2**20  # beyond what the child's interpreter and libraries take (about 70 MiB)
CHILD_SECONDS = 10  # of the processor

_SOURCE = Path(__file__).resolve().parents[3]
_LID = f"a doubtful film may take {CHILD_BYTES >> 20} MiB and {CHILD_SECONDS} s to decode"


def read_guarded(
    raw: bytes, max_pixels: int, draft: tuple[int, int] | None, exact: bool
) -> tuple[NDArray[Any], int, int, tuple[str, ...]]:
    """What `levels.read_levels` gives for the bytes of a file, worked out in a child: grey levels, width, height and remarks.

    Raises:
        LidError: the child refused the film, ran out of its memory or time, or died; or this system knows no such lid.
    """
    if importlib.util.find_spec("resource") is None:
        raise LidError("a film that expands so much is only decoded where a process can be given a lid (Linux, macOS)")
    order = {"max_pixels": max_pixels, "draft": draft, "exact": exact}
    command = [sys.executable, "-m", "hilum.data.decoding.sandbox", json.dumps(order)]
    environment = {**os.environ, "PYTHONPATH": str(_SOURCE), "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as answer:
        try:
            done = subprocess.run(
                command, input=raw, stdout=answer, stderr=subprocess.DEVNULL, env=environment, timeout=4 * CHILD_SECONDS
            )
        except subprocess.TimeoutExpired:
            raise LidError(f"{_LID}; this one took longer") from None
        answer.seek(0)
        line = answer.readline()
        if done.returncode or not line:
            raise LidError(f"{_LID}; this one took more, or its decoder broke down")
        told = json.loads(line)
        if "refused" in told:
            raise LidError(told["refused"])
        return np.load(answer), told["width"], told["height"], tuple(told["remarks"])


def main() -> None:
    """The child: a film's bytes on standard input, a line of JSON and an array on standard output."""
    import resource

    from hilum.data.decoding.codestream import is_dicom
    from hilum.data.decoding.levels import read_levels

    order = json.loads(sys.argv[1])
    stream = BytesIO(sys.stdin.buffer.read())
    if is_dicom(stream):
        import hilum.data.decoding.dicom  # noqa: F401  before the lid: libraries are no part of what a film costs
    own = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() if Path("/proc").is_dir() else 2**28
    resource.setrlimit(resource.RLIMIT_AS, (own + CHILD_BYTES, own + CHILD_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CHILD_SECONDS, CHILD_SECONDS))
    draft = tuple(order["draft"]) if order["draft"] else None
    try:
        read = read_levels(stream, order["max_pixels"], draft, order["exact"], guard=None)
    except MemoryError:
        told: dict[str, object] = {"refused": f"{_LID}; this one took more memory"}
    except ValueError as error:
        told = {"refused": f"{error} ({_LID})"}  # a decoder may not say that memory was what it lacked
    else:
        told = {"width": read.width, "height": read.height, "remarks": read.remarks}
    sys.stdout.buffer.write(json.dumps(told).encode() + b"\n")
    if "refused" not in told:
        np.save(sys.stdout.buffer, read.grey)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
