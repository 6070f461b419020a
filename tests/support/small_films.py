"""Small films and tables on the disk, for tests of readers."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_films(root: Path, *names: str, size: tuple[int, int] = (8, 8)) -> Path:
    """Write grey films of different pixels, (height, width) each; returns the root."""
    for seed, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, size, np.uint8)).save(path)
    return root


def write_lines(path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path
