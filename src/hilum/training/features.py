"""Cached activations of a frozen prefix: each view of each film goes through it once, not once per epoch and per trial."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from hilum.data.prepared.rows import Rows, as_images
from hilum.models.classifier import model_sha256
from hilum.models.forward import BATCH, compile_forward
from hilum.training.augmentation import Changes, draw_views

LIMIT = 8 * 1024**3  # bytes of all cached activations; the least recently used ones go first


def cached_features(
    prefix: keras.Model,
    rows: Rows,
    view: int | NDArray[np.intp] | None,
    seed: int,
    changes: Changes,
    folder: Path,
    on_film: Callable[[int, int], None],
) -> NDArray[np.float32]:
    """The prefix's activations for one view of every row, (N, ...) float32, read from or written to folder.

    view: number of the augmented view, (N,) one for each row, or None for the films as they are.
    The file is keyed by content: graph and weights of the prefix, the films' pixels, and what makes the view. An interrupted
    write leaves no file.
    """
    number = " ".join(map(str, view)) if isinstance(view, np.ndarray) else view
    made_of = [model_sha256(prefix), *rows.keys, "as is" if view is None else f"{number} {seed} {changes}"]
    file = folder / f"{hashlib.sha256(chr(10).join(made_of).encode()).hexdigest()}.npy"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        films = rows.films if view is None else draw_views(rows, view, seed, changes)
        forward = compile_forward(prefix, constants=False)
        partial = file.with_suffix(f".{os.getpid()}.partial")
        shape = (len(films), *prefix.output_shape[1:])
        try:
            array = np.lib.format.open_memmap(partial, mode="w+", dtype=np.float32, shape=shape)
            for i in range(0, len(films), BATCH):
                array[i : i + BATCH] = forward(as_images(films[i : i + BATCH]))
                on_film(min(i + BATCH, len(films)), len(films))
            array.flush()
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)
        _trim(folder, keep=file)
    os.utime(file)  # marks it as used
    return np.load(file, mmap_mode="r")


def _trim(folder: Path, keep: Path) -> None:
    files = sorted(folder.glob("*.npy"), key=lambda file: file.stat().st_mtime, reverse=True)
    total = 0
    for file in files:
        total += file.stat().st_size
        if total > LIMIT and file != keep:
            file.unlink(missing_ok=True)
