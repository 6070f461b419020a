"""Cached activations of a frozen prefix: computed once per view of a film, not once per epoch and trial."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from hilum.code_version import made_by
from hilum.data.prepared.examples import Examples, as_images
from hilum.models.classifier import model_sha256
from hilum.models.forward import BATCH, compile_forward
from hilum.training.learning.augmentation import Changes, draw_views
from hilum.training.learning.sealed_arrays import drop_oldest, open_array, write_array

LIMIT = 8 * 1024**3  # bytes of all cached activations; the least recently used are deleted first
FEATURE_CODE = (  # what computes views and activations; tests/training/test_deciding_code.py compares it with the imports
    *(
        "data/prepared/examples.py",
        *(f"models/{name}.py" for name in ("backbones", "classifier", "flatten", "forward", "packaged_weights", "torch_pickle")),
        *(f"models/{name}.py" for name in ("body", "dinov2", "efficientnet_lite", "head", "hub", "initial_weights", "small_cnn")),
        *(f"models/{name}.py" for name in ("cuts", "own_backbone", "own_layers")),
    ),
    *("training/learning/augmentation.py", "training/learning/features.py", "training/learning/sealed_arrays.py"),
)
FEATURE_LIBRARIES = ("keras", "numpy", "pillow", "tensorflow")


def cached_features(
    prefix: keras.Model,
    rows: Examples,
    view: int | NDArray[np.intp] | None,
    seed: int,
    changes: Changes,
    folder: Path,
    on_film: Callable[[int, int], None],
) -> NDArray[np.float32]:
    """The prefix's activations for one view of every row, (N, ...) float32, read from or written to folder.

    view: number of the augmented view, (N,) one for each row, or None for the films as they are.
    The file is keyed by content: graph and weights of the prefix, the films' pixels, the settings of the view, and the code and
    libraries. A damaged file is written again.

    Raises:
        OSError: they cannot be written; names the file.
    """
    number = " ".join(map(str, view)) if isinstance(view, np.ndarray) else view
    drawn = "as is" if view is None else f"{number} {seed} {changes}"
    made_of = [made_by(FEATURE_CODE, FEATURE_LIBRARIES), model_sha256(prefix), *rows.keys, drawn]
    file = folder / f"{hashlib.sha256(chr(10).join(made_of).encode()).hexdigest()}.npy"
    if (kept := open_array(file)) is not None:
        return kept
    films = rows.films if view is None else draw_views(rows, view, seed, changes)
    forward = compile_forward(prefix, constants=False)

    def batches() -> Iterator[NDArray[np.float32]]:
        for i in range(0, len(films), BATCH):
            yield forward(as_images(films[i : i + BATCH]))
            on_film(min(i + BATCH, len(films)), len(films))

    features = write_array(file, (len(films), *prefix.output_shape[1:]), batches())
    drop_oldest(folder, LIMIT, keep=file)
    return features
