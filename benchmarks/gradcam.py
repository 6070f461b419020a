"""hilum's Grad-CAM against the usual tf-keras-vis loop over films, as a ratio in one process, with the difference of maps.

Run: python benchmarks/gradcam.py [--backbone mobilenetv2] [--weights FILE] [--films 32] [--size 224] [--rounds 3]

The usual loop makes its explainer once, cuts nothing, and explains film by film. Both have explained a film before timing
starts, so building and compiling are excluded. The rounds alternate; the best of each side counts. Beside the ratio of
wall-clock times is that of processor times, which other work on the machine distorts less.
"""

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.utils.scores import CategoricalScore

from hilum.explain.explained_model import ExplainedModel
from hilum.explain.methods.gradcam import explain
from hilum.models.classifier import build_classifier
from hilum.models.forward import predictor

CLASSES, SEED = 3, 0


def main() -> None:
    """Print how many times as fast hilum's Grad-CAM is, and how far its maps are from those of the usual loop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="mobilenetv2")
    parser.add_argument("--weights", help="a file without top; random weights without it")
    parser.add_argument("--films", type=int, default=32)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    model = build_classifier(asked.backbone, asked.size, CLASSES, asked.weights, 0.0, 0.0, np.zeros(CLASSES), SEED)
    kernel = model.get_layer("logits").kernel  # an untrained head has no gradient
    kernel.assign(np.random.default_rng(SEED).normal(0, 0.3, kernel.shape))
    coarse = np.random.default_rng(SEED).integers(0, 256, (asked.films, 8, 8)).astype(np.float32)
    images = coarse.repeat(asked.size // 8, 1).repeat(asked.size // 8, 2)[..., None]
    targets = np.arange(asked.films) % CLASSES
    explained = ExplainedModel(predictor(model), model)
    layer = explain(explained, images[:1], targets[:1], {"layer": "last"}, SEED, lambda done, total: None).parameters["layer"]
    usual = Gradcam(keras.Model(model.input, model.get_layer("logits").output))
    run_usual(usual, layer, images[:1], targets)
    slow, fast = [], []
    for _ in range(asked.rounds):
        start, busy = time.perf_counter(), time.process_time()
        expected = run_usual(usual, layer, images, targets)
        slow.append((time.perf_counter() - start, time.process_time() - busy))
        for _ in range(3):  # short, so that one may run undisturbed
            start, busy = time.perf_counter(), time.process_time()
            found = explain(explained, images, targets, {"layer": "last"}, SEED, lambda done, total: None).values
            fast.append((time.perf_counter() - start, time.process_time() - busy))
    wall, processor = (min(one[k] for one in slow) / min(one[k] for one in fast) for k in range(2))
    apart = float(np.abs(found - expected).max() / expected.max())
    print(
        f"{asked.backbone}, {asked.films} films of {asked.size} px: {wall:.1f} times as fast as the "
        f"usual loop (processor time {processor:.1f}); maps at most {apart:.1e} of the largest value apart"
    )


def run_usual(explainer: Gradcam, layer: str, images: NDArray[np.float32], targets: NDArray[np.int64]) -> NDArray[np.float32]:
    """Maps (N, H, W) by tf-keras-vis on the whole model, one film per call."""
    maps = []
    for film, target in zip(images, targets, strict=False):
        cells = explainer(
            CategoricalScore(int(target)),
            film[np.newaxis],
            penultimate_layer=layer,
            seek_penultimate_conv_layer=False,
            expand_cam=False,
            normalize_cam=False,
        )
        maps.append(tf.image.resize(np.asarray(cells)[..., np.newaxis], images.shape[1:3])[0, ..., 0].numpy())
    return np.stack(maps)


if __name__ == "__main__":
    main()
