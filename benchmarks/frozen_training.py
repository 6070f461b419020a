"""Training above a frozen cut on cached activations, against plain `fit` through the frozen layers, as ratios in one process.

Run: python benchmarks/frozen_training.py [--backbone mobilenetv2] [--weights FILE] [--films 1000] [--size 224]

Both train the same layers on the same films in the same batches, so the largest difference of their weights is printed beside
the ratio. The cached side includes making its cache. One step of each runs before timing starts.
"""

import argparse
import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import keras
import numpy as np
import tensorflow as tf

from hilum.data.prepared.examples import Examples, as_images
from hilum.models.classifier import build_classifier, unfreeze
from hilum.settings.params import read_params
from hilum.settings.training import Phase, Train
from hilum.training.learning.augmentation import epoch_order
from hilum.training.learning.fit import begin_training, fit_phases
from hilum.training.learning.imbalance import Sampling

CLASSES, SEED, RATE, WARM_UP = 3, 0, 1e-4, 32  # films of the step that runs before timing starts
EXPERIMENTS = {"mobilenetv2": (("head", 20), ("block_16", 10))}  # unfreeze, epochs


def main() -> None:
    """Print for each experiment how many times as fast the cached training is, and how far the results differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="mobilenetv2")
    parser.add_argument("--weights", help="a file without top; random weights without it")
    parser.add_argument("--films", type=int, default=1000)
    parser.add_argument("--size", type=int, default=224)
    asked = parser.parse_args()
    begin_training(SEED)
    train, val = make_rows(asked.films, asked.size, 1), make_rows(WARM_UP, asked.size, 2)
    for extent, epochs in EXPERIMENTS.get(asked.backbone, (("head", 20), (1, 10))):
        weights, seconds = [], []
        for learn in (learn_plainly, learn_cached):
            make = lambda: build_classifier(  # noqa: E731
                asked.backbone, asked.size, CLASSES, asked.weights, 0.0, 1e-4, np.log(np.ones(CLASSES) / CLASSES), SEED
            )
            learn(make(), extent, 1, train.take(np.arange(WARM_UP)), val)
            model = make()
            start = time.perf_counter()
            learn(model, extent, epochs, train, val)
            seconds.append(time.perf_counter() - start)
            weights.append(model.get_weights())
        apart = max(float(np.abs(a - b).max()) for a, b in zip(*weights, strict=True))
        print(
            f"{asked.backbone}, {asked.films} films of {asked.size} px, unfreeze {extent}, {epochs} epochs: "
            f"{seconds[0] / seconds[1]:.1f} times as fast as plain fit; weights at most {apart:.1e} apart"
        )


def make_rows(films: int, size: int, seed: int) -> Examples:
    """Random films with labels: their content does not affect the time of a step."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, 256, (films, size, size), dtype=np.uint8)
    keys = tuple(hashlib.sha256(film.tobytes()).hexdigest() for film in drawn)
    return Examples(drawn, rng.integers(0, CLASSES, films), keys)


def learn_plainly(model: keras.Model, extent: str | int, epochs: int, train: Examples, val: Examples) -> None:
    """Train with Keras' own `fit` on tf.data, every film through the whole network in every epoch."""
    unfreeze(model, extent, "frozen")
    size = settings().batch_size
    images, labels = tf.constant(as_images(train.films)), tf.constant(train.labels)
    orders = tf.data.Dataset.from_tensor_slices(np.stack([epoch_order(len(train.labels), SEED, i) for i in range(epochs)]))
    batches = orders.flat_map(
        lambda order: (
            tf.data.Dataset.from_tensor_slices(order).map(lambda i: (tf.gather(images, i), tf.gather(labels, i))).batch(size)
        )
    )
    learner = keras.Model(model.input, model.get_layer("logits").output)
    learner.compile(keras.optimizers.Adam(RATE), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    steps = -(-len(train.labels) // size)
    judged = (as_images(val.films), val.labels)
    learner.fit(batches, steps_per_epoch=steps, epochs=epochs, validation_data=judged, verbose=0)


def learn_cached(model: keras.Model, extent: str | int, epochs: int, train: Examples, val: Examples) -> None:
    """Train as hilum does; the score rises with every epoch, so that the last one stays, as with plain `fit`."""
    rising = iter(range(epochs))
    with tempfile.TemporaryDirectory() as folder:
        fit_phases(
            model,
            [Phase(unfreeze=extent, epochs=epochs, learning_rate=RATE, decay="none", batch_norm="frozen")],
            train,
            val,
            [Sampling("none", np.arange(len(train.labels)), np.ones(len(train.labels)))],
            settings(),
            SEED,
            Path(folder),
            lambda labels, probabilities: {"select": float(next(rising))},
            lambda step, metrics: None,
            lambda done, total: None,
        )


def settings() -> Train:
    """The project's own settings without augmentation: augmented views would differ from the films of plain `fit`."""
    given = read_params(Path(__file__).resolve().parents[1] / "params.yaml").train
    return given.model_copy(update={"augment": given.augment.model_copy(update={"views": 0})})


if __name__ == "__main__":
    main()
