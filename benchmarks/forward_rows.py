"""Inference of every backbone at 224 px: films a second by tf.function and by hilum's fastest forward, random weights.

Run: python benchmarks/forward_rows.py [--size 224] [--films 64] [--batch 32] [--rounds 5] [--rows vgg16] [--out FILE.md]

Both run in one process on the same films, after a first call each, so that compiling is excluded; the rounds alternate and the
best of each side counts. `tf.function` calls the model in inference mode; the fastest forward is `compile_forward` with the
weights as constants. Batch norm has the statistics of these films and the head random weights, so that outputs are not all equal;
the last column is the largest difference of the two sides' probabilities. Prints a Markdown table as it goes.
"""

import argparse
import gc
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from hilum.models.backbones import BACKBONES
from hilum.models.classifier import backbone_layers, build_classifier
from hilum.models.forward import compile_forward

CLASSES, SEED = 3, 0
OPTIONS: dict[str, float | int | str | bool] = {
    "blocks": 5,
    "filters": 32,
    "growth": 2.0,
    "kernel": 3,
    "pooling": "max",
    "batch_norm": True,
}  # of our own networks
HEADING = "| backbone | parameters, million | tf.function, films/s | fastest, films/s | ratio | largest difference |"
Films = NDArray[np.float32]


def main() -> None:
    """Print a row of the table for each backbone, and write the table where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--films", type=int, default=64)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", nargs="*", default=list(BACKBONES))
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    films = np.random.default_rng(SEED).integers(0, 256, (asked.films, asked.size, asked.size, 1)).astype(np.float32)
    lines = [HEADING, "|---|---|---|---|---|---|"]
    print("\n".join(lines), flush=True)
    for name in asked.rows:
        lines.append(measure(name, films, asked.batch, asked.rounds))
        print(lines[-1], flush=True)
        keras.backend.clear_session()
        gc.collect()
    print(f"\n{asked.size} px, batches of {asked.batch}, {os.cpu_count()} processors, best of {asked.rounds} rounds", flush=True)
    if asked.out:
        asked.out.write_text("\n".join(lines) + "\n")


def measure(name: str, films: Films, batch: int, rounds: int) -> str:
    """A row of the table."""
    options = OPTIONS if BACKBONES[name].required else None
    size = films.shape[1]
    model = build_classifier(name, size, CLASSES, None, 0.0, 0.0, np.zeros(CLASSES), SEED, options=options)
    wake(model, films[:batch])
    compiled = tf.function(lambda inputs: model(inputs, training=False), jit_compile=False)
    ways: dict[str, Callable[[Films], Films]] = {
        "usual": lambda given: np.asarray(compiled(tf.constant(given))),
        "fastest": compile_forward(model, constants=True),
    }
    batches = [films[start : start + batch] for start in range(0, len(films), batch)]
    predicted = {way: run(batches[0]) for way, run in ways.items()}
    best = dict.fromkeys(ways, np.inf)
    for _ in range(rounds):
        for way, run in ways.items():
            start = time.perf_counter()
            for given in batches:
                run(given)
            best[way] = min(best[way], time.perf_counter() - start)
    usual, fastest = (len(films) / best[way] for way in ways)
    parameters = sum(layer.count_params() for layer in backbone_layers(model)) / 1e6
    apart = float(np.abs(predicted["usual"] - predicted["fastest"]).max())
    return f"| `{name}` | {parameters:.2f} | {usual:.1f} | {fastest:.1f} | {fastest / usual:.2f} | {apart:.0e} |"


def wake(model: keras.Model, films: Films) -> None:
    """Give batch norm the statistics of these films, and the logits a spread of about 1: else all outputs are equal."""
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for norm in norms:
        norm.momentum = 0.0
    model(films, training=True)
    below = keras.Model(model.input, model.get_layer("pool").output)(films, training=False)
    kernel = model.get_layer("logits").kernel
    drawn = np.random.default_rng(SEED).normal(size=kernel.shape)
    kernel.assign(drawn / max(float(np.linalg.norm(below)) / np.sqrt(len(films)), 1e-12))


if __name__ == "__main__":
    main()
