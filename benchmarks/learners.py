"""Ways to train one fine-tuned arm compared on real films of children: optimizer, averaging, smoothing, mixup, layer-wise rates.

Run: python benchmarks/learners.py --root FILMS --weights FILE [--backbone mobilenet_025] [--size 96] [--only WAY ...]

FILMS is a folder as the reader `kermany` takes it. One split by patient and likeness; the head is trained first, then all layers
with a learning rate that falls along a cosine. Everything but what the row names is as params.yaml says, the epoch is kept by
validation log loss, and nothing is fitted on the test films. Prints a table in Markdown, a row per way: means over the seeds.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from imbalance import LABELS, SPLIT_SEED, load_films

from hilum.data.prepared.examples import as_images
from hilum.evaluation.scoring.epochs import score_epoch
from hilum.evaluation.scoring.metrics import metric_names, metric_values
from hilum.models.forward import predictor
from hilum.progress import bar, say
from hilum.settings.params import read_params
from hilum.settings.training import Arm
from hilum.training.learning.arms import Task, train_arm
from hilum.training.learning.fit import begin_training

ADAMW = {"name": "adamw", "weight_decay": 0.05}
WAYS = {  # what an arm names otherwise than `train`
    "adam": {},
    "adam, averaging": {"averaging": 0.995},
    "adamw": {"optimizer": ADAMW},
    "adamw, averaging": {"optimizer": ADAMW, "averaging": 0.995},
    "adamw, short averaging": {"optimizer": ADAMW, "averaging": 0.97},
    "adamw, averaging, layer_decay": {"optimizer": {**ADAMW, "layer_decay": 0.85}, "averaging": 0.995},
    "adamw, averaging, warmup, clip": {"optimizer": {**ADAMW, "clip": 1.0}, "averaging": 0.995, "schedule": {"warmup": 1.0}},
    "adamw, averaging, smoothing": {"optimizer": ADAMW, "averaging": 0.995, "label_smoothing": 0.1},
    "adamw, averaging, mixup": {"optimizer": ADAMW, "averaging": 0.995, "mixup": 0.2},
}
SHOWN = ("accuracy", "f1_macro", "log_loss", "auroc_macro")


def main() -> None:
    """Train every way with every seed and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="films of the pediatric set")
    parser.add_argument("--weights", type=Path, required=True, help="a file of the backbone without top")
    parser.add_argument("--backbone", default="mobilenet_025")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--films", type=int, default=1500, help="of training, drawn by the split's seed")
    parser.add_argument("--epochs", type=int, default=6, help="of all layers; the head has 5 before")
    parser.add_argument("--rate", type=float, default=4e-4)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=list(WAYS), choices=list(WAYS), metavar="WAY")
    asked = parser.parse_args()
    params = read_params(Path(__file__).resolve().parents[1] / "params.yaml")
    films = load_films(asked.root, asked.size, "viral", 1.0, params)
    train = films.train.take(np.random.default_rng(SPLIT_SEED).permutation(len(films.train.keys))[: asked.films])
    say(f"{len(train.keys)} films of training, {len(films.val.keys)} of validation, {len(films.test.keys)} of test")
    begin_training(SPLIT_SEED)
    settings, test = params.train.model_copy(update={"select": "log_loss"}), as_images(films.test.films)
    names = metric_names(tuple(LABELS))
    print(f"| way | {' | '.join(SHOWN)} | {SHOWN[0]} by seed |\n|---|{'---|' * (len(SHOWN) + 1)}", flush=True)
    with tempfile.TemporaryDirectory() as cache:
        for way in asked.only:
            found = []
            for seed in range(asked.seeds):
                task = Task(train, films.val, list(LABELS), asked.weights, settings, seed, Path(cache))
                arm = make_arm(asked.backbone, asked.epochs, asked.rate, way)
                model, _ = train_arm(arm, task, 2, score_epoch("log_loss"), lambda *_: None, bar("activations"))
                predictions = predictor(model)(test)
                found.append(metric_values(films.test.labels, predictions, predictions.argmax(axis=1)))
            columns = np.array(found)[:, [names.index(name) for name in SHOWN]]  # (seeds, M)
            cells = [*(f"{mean:.3f}" for mean in columns.mean(axis=0)), ", ".join(f"{one:.3f}" for one in columns[:, 0])]
            print(f"| {way} | {' | '.join(cells)} |", flush=True)


def make_arm(backbone: str, epochs: int, rate: float, way: str) -> Arm:
    """The head, then all layers, trained in this way."""
    head = {"unfreeze": "head", "epochs": 5, "learning_rate": 1e-3, "decay": "none", "batch_norm": "frozen"}
    whole = {**head, "unfreeze": "all", "epochs": epochs, "learning_rate": rate, "decay": "cosine"}
    named = {"backbone": backbone, "weights": "imagenet", "head": {"dropout": 0.2, "weight_decay": 1e-4}}
    return Arm.model_validate({**named, "phases": [head, whole], "train": WAYS[way]})


if __name__ == "__main__":
    main()
