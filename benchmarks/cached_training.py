"""How much faster a phase trains on cached activations than through the frozen layers, as ratios in one process.

Run: python benchmarks/cached_training.py
"""

import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np

from hilum.config import Phase, read_params
from hilum.data.batches import Rows
from hilum.models.classifier import build_classifier
from hilum.training.fit import begin_training, fit_phases

FILMS, SIZE, EPOCHS, ROUNDS = 256, 128, 4, 3


def main() -> None:
    """Print, for a head and for the upper blocks, the time through the network over the time on cached activations."""
    settings = read_params(Path(__file__).resolve().parents[1] / "params.yaml").train.model_copy(update={"patience": EPOCHS})
    begin_training(0)
    rng = np.random.default_rng(0)
    films = rng.integers(0, 256, (FILMS, SIZE, SIZE), dtype=np.uint8)
    rows = Rows(films, rng.integers(0, 3, FILMS), tuple(hashlib.sha256(film.tobytes()).hexdigest() for film in films))
    for unfreeze in ("head", 4, 8):
        phase = Phase(unfreeze=unfreeze, epochs=EPOCHS, learning_rate=1e-4, batch_norm="frozen")
        ratios = []
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory() as folder:
                seconds = []
                for cache in (None, Path(folder), Path(folder)):  # through the network; cached, empty; cached, filled
                    model = build_classifier("mobilenet_025", SIZE, 3, None, 0.2, 1e-4, np.log(np.ones(3) / 3), 0)
                    start = time.perf_counter()
                    fit_phases(
                        model,
                        [phase],
                        rows,
                        rows.take(np.arange(32)),
                        np.arange(FILMS),
                        np.ones(FILMS),
                        settings,
                        0,
                        cache,
                        lambda y, p: {"select": 0.0, "val/none": 0.0},
                        lambda step, metrics: None,
                        lambda done, total: None,
                    )
                    seconds.append(time.perf_counter() - start)
            ratios.append((seconds[0] / seconds[1], seconds[0] / seconds[2]))
        first, later = np.median(np.array(ratios), axis=0)
        print(
            f"unfreeze {unfreeze}: {EPOCHS} epochs are {first:.1f} times as fast while the cache fills, {later:.1f} times after"
        )


if __name__ == "__main__":
    main()
