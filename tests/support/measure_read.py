"""Read films in a process of its own and say what each cost: the test of bombs runs this file, so that nothing else counts."""

import json
import resource
import sys
from pathlib import Path

import cv2  # noqa: F401  libraries are no part of what a film costs

import hilum.data.decoding.dicom  # noqa: F401
from hilum.data.decoding.images import prepare_film


def peak(who: int) -> int:
    """Largest memory in bytes; of this process from /proc where it is, as getrusage begins with what the parent had."""
    status = Path("/proc/self/status")
    if who == resource.RUSAGE_SELF and status.is_file():
        return 1024 * int(next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")))
    return resource.getrusage(who).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    path, before = Path(sys.argv[1]), peak(resource.RUSAGE_SELF)
    try:
        prepare_film(path, 128, "pad")
        told = ""
    except ValueError as error:
        told = str(error)
    grown = peak(resource.RUSAGE_SELF) - before
    child = peak(resource.RUSAGE_CHILDREN)
    print(json.dumps({"told": told, "bytes": grown + child, "child": child > 0}))
