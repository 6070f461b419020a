"""Text that RapidOCR, whose networks are part of its package, finds in a film; what it reads is neither stored nor shown."""

import importlib.util
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

PACKAGES = ("rapidocr", "onnxruntime")
SCORE = 0.5  # lowest confidence of a reading that counts, 0 to 1
LARGEST = 0.5  # share of the film: without a line, the recogniser reads the whole film as one
ROOM = 0.15  # of a line's height: margin covered around it
_OWN = threading.local()


def check_installed() -> None:
    """Check that the packages that read text are installed.

    Raises:
        ValueError: one of them is not installed; the message says how to install it.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f"`burned_in_reader: ocr` needs the packages {' and '.join(PACKAGES)}, got no {' and no '.join(missing)}; install "
            "them with `uv pip install -e '.[ocr]'`, or write `burned_in_reader: text`"
        )


def read_text(grey: NDArray[np.uint8]) -> list[NDArray[np.float64]]:
    """Outlines (4, 2) of x, y in pixels of a film (H, W) uint8 around each line that can be read, single letters included.

    Raises:
        ValueError: the packages are not installed.
    """
    return [_widen(np.asarray(corners, float)) for corners, _ in read_lines(grey)]


def read_lines(grey: NDArray[np.uint8]) -> list[tuple[NDArray[np.float64], str]]:
    """The corners (4, 2) and the words of each line; for measurements only: hilum writes no word of a film anywhere.

    Raises:
        ValueError: the packages are not installed.
    """
    found = _open()(np.repeat(grey[:, :, np.newaxis], 3, axis=2))
    if found.boxes is None or found.txts is None:
        return []
    lines = zip(found.boxes, found.txts, strict=True)
    return [(box, text) for box, text in lines if any(map(str.isalnum, text)) and _measure_area(box) < LARGEST * grey.size]


def _open() -> Any:
    """The recogniser of this thread, on one processor: films are read in parallel."""
    if not hasattr(_OWN, "engine"):
        check_installed()
        from rapidocr import RapidOCR

        threads = {f"EngineConfig.onnxruntime.{kind}_op_num_threads": 1 for kind in ("intra", "inter")}
        _OWN.engine = RapidOCR(params={"Global.log_level": "error", "Global.text_score": SCORE, **threads})
    return _OWN.engine


def _measure_area(corners: NDArray[np.float64]) -> float:
    """Area of a quadrangle (4, 2), by the shoelace formula."""
    x, y = corners.T
    return abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2


def _widen(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """The corners (4, 2) of a rectangle, moved outwards along both of its sides."""
    across, down = corners[1] - corners[0], corners[3] - corners[0]
    room = ROOM * min(np.linalg.norm(across), np.linalg.norm(down))
    along, under = (room * side / max(1e-9, float(np.linalg.norm(side))) for side in (across, down))
    return corners + np.stack([-along - under, along - under, along + under, under - along])
