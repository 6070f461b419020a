"""hilum's LIME against `lime` called the usual way and against bare forward passes, as ratios in one process.

Run: python benchmarks/lime_samples.py [--backbone mobilenetv2] [--weights FILE] [--films 2] [--samples 1000] [--rounds 3]

The usual way is `explain_instance` with `model.predict` on three-channel films and lime's own loop and batch of 10. Both get
the same superpixels, hidden grey and seed, so they draw the same samples. Bare passes are as many films through the compiled
function that explainers get, and through TFLite with XNNPACK, the fastest forward there is on a processor; LIME's superpixels
are then made beforehand. The rounds alternate, the best of each counts; beside the ratio of wall-clock times is that of
processor times, which other work on the machine distorts less.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import keras
import numpy as np
import tensorflow as tf
from lime.lime_image import LimeImageExplainer
from numpy.typing import NDArray
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from hilum.explain.explained_model import BATCH, ExplainedModel
from hilum.explain.methods.lime_superpixels import SEGMENTATION, explain, segment
from hilum.models.classifier import build_classifier
from hilum.models.forward import predictor
from hilum.settings.params import read_params

CLASSES, SEED = 3, 0


def main() -> None:
    """Print how many times as fast hilum's LIME is, and how far its weights differ from those of the usual way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="mobilenetv2")
    parser.add_argument("--weights", help="a file without top; random weights without it")
    parser.add_argument("--films", type=int, default=2)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    settings = read_params(Path(__file__).resolve().parents[1] / "params.yaml").explain.lime.model_dump() | {
        "samples": asked.samples
    }
    model = build_classifier(asked.backbone, asked.size, CLASSES, asked.weights, 0.0, 0.0, np.zeros(CLASSES), SEED)
    kernel = model.get_layer("logits").kernel  # an untrained head predicts the prior for every film
    kernel.assign(np.random.default_rng(SEED).normal(0, 0.3, kernel.shape))
    films = np.random.default_rng(SEED).integers(0, 256, (asked.films, 8, 8), dtype=np.uint8).repeat(asked.size // 8, 1)
    images = films.repeat(asked.size // 8, 2)[..., None].astype(np.float32)
    targets = np.zeros(len(images), np.int64)
    explained = ExplainedModel(predictor(model), model)
    usual = keras.Model(model.input, model.output)
    once = settings | {"samples": 20}
    run_usual(usual, images[:1], once)
    explain(explained, images[:1], targets[:1], once, SEED, lambda done, total: None)
    start = time.perf_counter()
    weights = run_usual(usual, images, settings)
    slow = time.perf_counter() - start
    start = time.perf_counter()
    ours = explain(explained, images, targets, settings, SEED, lambda done, total: None).values
    fast = time.perf_counter() - start
    apart = float(np.abs(ours - weights).max())
    print(
        f"{asked.backbone}, {asked.films} films of {asked.size} px, {asked.samples} samples: {slow / fast:.1f} times as fast as "
        f"lime's own loop; weights at most {apart:.1e} apart, the largest {float(np.abs(weights).max()):.1e}"
    )
    regions = segment(images[0, ..., 0], **{key: settings[key] for key in SEGMENTATION})
    batch = np.ascontiguousarray(images[:1].repeat(BATCH, 0))
    lite = compile_lite(model, asked.size)
    with patch("hilum.explain.methods.lime_superpixels.segment", lambda film, **settings: regions):
        passes = {
            "LIME": lambda: explain(explained, images[:1], targets[:1], settings, SEED, lambda done, total: None),
            "the compiled function": lambda: [explained.predict(batch[:size]) for size in batches(asked.samples)],
            "TFLite": lambda: [lite(batch[:size]) for size in batches(asked.samples)],
        }
        wall, processor = time_alternately(passes, asked.rounds)
    for name in list(passes)[1:]:
        print(
            f"LIME, superpixels aside, takes {wall['LIME'] / wall[name]:.2f} times as long as {asked.samples} bare passes of "
            f"{name} (processor time {processor['LIME'] / processor[name]:.2f})"
        )


def batches(samples: int) -> list[int]:
    return [min(BATCH, samples - start) for start in range(0, samples, BATCH)]


def time_alternately(passes: dict[str, Callable[[], object]], rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds of wall-clock and processor time, the smallest of all rounds; one more round runs before."""
    wall, processor = ({name: float("inf") for name in passes} for _ in range(2))
    for count in range(rounds + 1):
        for name, run in passes.items():
            start, busy = time.perf_counter(), time.process_time()
            run()
            if count:
                wall[name] = min(wall[name], time.perf_counter() - start)
                processor[name] = min(processor[name], time.process_time() - busy)
    return wall, processor


def compile_lite(model: keras.Model, size: int) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """The model in TFLite with XNNPACK and as many threads as there are processors; its variables are frozen before."""
    signature = tf.TensorSpec([64, size, size, 1], tf.float32)
    frozen = convert_variables_to_constants_v2(
        tf.function(lambda films: model(films, training=False)).get_concrete_function(signature)
    )
    interpreter = tf.lite.Interpreter(
        model_content=tf.lite.TFLiteConverter.from_concrete_functions([frozen]).convert(), num_threads=os.cpu_count()
    )
    interpreter.allocate_tensors()
    given, prediction = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def forward(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        predictions = []
        for start in range(0, len(batch), 64):
            part = batch[start : start + 64]
            if interpreter.get_input_details()[0]["shape"][0] != len(part):
                interpreter.resize_tensor_input(given, [len(part), size, size, 1])
                interpreter.allocate_tensors()
            interpreter.set_tensor(given, part)
            interpreter.invoke()
            predictions.append(interpreter.get_tensor(prediction))
        return np.concatenate(predictions)

    return forward


def run_usual(model: keras.Model, images: NDArray[np.float32], settings: dict[str, Any]) -> NDArray[np.float32]:
    """The weights of class 0 painted on the superpixels, (N, H, W), by lime called as in its own examples."""
    painted = np.zeros(images.shape[:3], np.float32)
    for i, film in enumerate(images[..., 0]):
        regions = segment(film, **{key: settings[key] for key in SEGMENTATION})
        explanation = LimeImageExplainer(
            kernel_width=settings["kernel_width"], feature_selection=settings["selection"], random_state=SEED
        ).explain_instance(
            np.repeat(film[..., None], 3, axis=-1),
            lambda batch: model.predict(np.asarray(batch, np.float32)[..., :1], verbose=0),
            labels=(0,),
            top_labels=None,
            hide_color=float(film.mean()),
            num_features=settings["features"],
            num_samples=settings["samples"],
            segmentation_fn=lambda _, found=regions: found,
            random_seed=SEED,
        )
        for region, weight in explanation.local_exp[0]:
            painted[i][regions == region] = weight
    return painted


if __name__ == "__main__":
    main()
