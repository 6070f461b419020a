"""Ways to train an arm compared on real films of children, over seeds and patients, on the same films; a cut run goes on.

Run: python benchmarks/pediatric_arms.py --root FILMS --work FOLDER [--weights mobilenetv2=FILE] [--films 1500] [--seeds 2]
     [--seeds-of WAY=0,3,4 ...] [--only WAY ...] [--reference WAY] [--calibration WORD ...] [--films-as changed]

FILMS is a folder as the reader `kermany` takes it. The films of its training folders are split by patient and near duplicates
into training, validation and test; --films draws so many of training (all without it). A backbone named in --weights starts from
that file, any other from its ImageNet package. The ways are rows of `pediatric_ways.py`. Each way and seed is kept as one file
in FOLDER, so that only what is missing is trained; epoch and calibration are chosen on validation, nothing on the test films.
Prints Markdown: mean over the seeds, its 95 % interval over seeds and patients, and the difference from the reference under the
first calibration that is named.
"""

import argparse
import hashlib
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from imbalance import LABELS, SPLIT_SEED, Films, load_films
from pediatric_ways import WAYS, Way
from seeds_and_patients import Outcome, write_table

from hilum.data.prepared.examples import Examples
from hilum.evaluation.scoring.calibration import FITS
from hilum.evaluation.scoring.epochs import epoch_line, score_epoch
from hilum.progress import bar, say
from hilum.settings.params import read_params
from hilum.settings.training import Arm, Train
from hilum.training.learning.arms import Task, read_logits, train_arm
from hilum.training.learning.augmentation import Changes, draw_views
from hilum.training.learning.fit import begin_training
from hilum.training.learning.imbalance import shown_prior

REFERENCE = "mobilenetv2, head, block_13"
# Test films as another department might take them: exposure and framing beyond what training draws.
ELSEWHERE = Changes(rotate=5, shift=0.08, zoom=0.2, gamma=0.5, contrast=0.25, brightness=0.1, noise=0.0, erase=0.0, flip=False)
PENALTIES = 10.0 ** np.arange(-5, 1.5, 0.5)  # C of the probes is 1 / (penalty x films)


@dataclass(frozen=True)
class Bench:
    """What all ways share. weights: backbone -> file of its first weights. films: of training, 0 for all."""

    root: Path
    work: Path
    weights: dict[str, Path]
    films: int
    train: Train


def main() -> None:
    """Train what is missing, then print the table."""
    asked = build_parser().parse_args()
    settings = read_params(Path(__file__).resolve().parents[1] / "params.yaml").train
    files = {name: Path(file) for name, _, file in (pair.partition("=") for pair in asked.weights)}
    bench = Bench(asked.root, asked.work, files, asked.films, settings)
    begin_training(SPLIT_SEED, asked.threads)
    part = "changed_logits" if asked.films_as == "changed" else "test_logits"
    own = dict(asked.seeds_of)
    found = {
        way: [keep_outcome(bench, way, seed, part) for seed in own.get(way, seeds_of(WAYS[way], asked.seeds))]
        for way in asked.only
    }
    print(write_table(found, asked.reference, asked.calibration, tuple(LABELS)))


def build_parser() -> argparse.ArgumentParser:
    """The options of the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="films of the pediatric set")
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps films, activations and results")
    parser.add_argument("--weights", nargs="*", default=[], metavar="BACKBONE=FILE", help="files without top")
    parser.add_argument("--films", type=int, default=0, help="of training, drawn by the split's seed; 0: all")
    parser.add_argument("--seeds", type=int, default=2, help="of each way: the first so many, from 0")
    parser.add_argument(
        "--seeds-of", nargs="*", default=[], type=read_seeds, metavar="WAY=0,3,4", help="of this way: these instead"
    )
    parser.add_argument("--only", nargs="*", default=list(WAYS), choices=list(WAYS), metavar="WAY")
    parser.add_argument("--reference", default=REFERENCE, choices=list(WAYS), metavar="WAY")
    parser.add_argument("--calibration", nargs="+", default=["temperature"], choices=["none", *FITS], metavar="WORD")
    parser.add_argument(
        "--films-as", default="they are", choices=("they are", "changed"), help="test films: as taken or elsewhere"
    )
    parser.add_argument("--threads", type=int, default=0, help="of one operation, 0: one per processor")
    return parser


def read_seeds(text: str) -> tuple[str, list[int]]:
    """A way and its seeds from `WAY=0,3,4`."""
    way, _, numbers = text.rpartition("=")
    if way not in WAYS or not all(number.isdecimal() for number in numbers.split(",")):
        raise argparse.ArgumentTypeError(f"must be a way, `=` and its seeds with commas, such as {REFERENCE}=0,3, got {text!r}")
    return way, [int(number) for number in numbers.split(",")]


def seeds_of(way: Way, seeds: int) -> range:
    """A solved head and a probe are the same whatever the seed."""
    return range(seeds if any("epochs" in phase for phase in way.phases) else 1)


def keep_outcome(bench: Bench, name: str, seed: int, part: str = "test_logits") -> Outcome:
    """The outcome of one way and seed: read from its file, or trained and written there. part: of the file, the test's logits."""
    prevalence = np.array(WAYS[name].prevalence) if WAYS[name].prevalence else None
    name = WAYS[name].like or name
    way = WAYS[name]
    trained = {key: value for key, value in asdict(way).items() if key not in ("like", "prevalence")}
    told = f"{trained} {bench.films} {seed} {bench.train}"
    slug = "".join(letter if letter.isalnum() else "-" for letter in name)
    file = bench.work / f"{slug}.{bench.films or 'all'}.{seed}.{hashlib.sha256(told.encode()).hexdigest()[:8]}.npz"
    if not file.is_file():
        films = keep_films(bench, way.size)
        start = time.perf_counter()
        outcome = train_way(bench, way, films, seed) if way.phases else fit_probe(bench, way, films)
        seconds = time.perf_counter() - start
        partial = file.with_suffix(".partial.npz")
        np.savez_compressed(partial, **outcome, seconds=seconds)
        partial.replace(file)
        say(f"{name}, seed {seed}: {seconds:.0f} s")
    with np.load(file) as kept:
        read = {key: kept[key] for key in kept.files} | {"test_logits": kept[part], "prevalence": prevalence}
        read.pop("changed_logits", None)
        return Outcome(**read)


def keep_films(bench: Bench, size: int) -> Films:
    """The split films of a size, prepared once; of training, those that were asked for."""
    file = bench.work / f"films-{size}.npz"
    if not file.is_file():
        params = read_params(Path(__file__).resolve().parents[1] / "params.yaml")
        films = load_films(bench.root, size, "viral", 1.0, params)
        bench.work.mkdir(parents=True, exist_ok=True)
        parts = {name: getattr(films, name) for name in ("train", "val", "test")}
        arrays: dict[str, Any] = {
            f"{name}_{key}": np.array(value) for name, part in parts.items() for key, value in vars(part).items()
        }
        np.savez(file, **arrays, patients=films.patients, val_patients=films.val_patients)
    with np.load(file) as kept:
        train, val, test = (
            Examples(kept[f"{name}_films"], kept[f"{name}_labels"], tuple(kept[f"{name}_keys"].tolist()))
            for name in ("train", "val", "test")
        )
        if bench.films:
            train = train.take(np.random.default_rng(SPLIT_SEED).permutation(len(train.keys))[: bench.films])
        return Films(train, val, test, kept["patients"], kept["val_patients"], {})


def train_way(bench: Bench, way: Way, films: Films, seed: int) -> dict[str, Any]:
    """Train an arm as `train` does, and read the logits of validation and test films."""
    settings = Train(**overlaid(bench.train.model_dump(), way.train))
    stepped = any("epochs" in phase for phase in way.phases)
    head = {"dropout": 0.2, "weight_decay": 1e-4} if stepped else None
    arm = Arm(backbone=way.backbone, weights="none", head=head, phases=list(way.phases))  # type: ignore[arg-type]
    task = Task(
        *(films.train, films.val, list(LABELS), bench.weights.get(way.backbone, "imagenet"), settings, seed),
        bench.work / "activations",
    )

    def on_epoch(step: int, metrics: dict[str, float]) -> None:
        say(f"{epoch_line(metrics, settings.select)}  balanced accuracy {metrics['val/balanced_accuracy']:.3f}")

    model, fitted = train_arm(arm, task, len(arm.phases), score_epoch(settings.select), on_epoch, bar("activations"))
    return {
        **described(films),
        "prior": shown_prior(fitted.shown[fitted.kept_phase], films.train.labels, len(LABELS)),
        "val_logits": read_logits(model, films.val.films),
        "test_logits": read_logits(model, films.test.films),
        "changed_logits": read_logits(model, draw_views(films.test, 0, SPLIT_SEED, ELSEWHERE)),
    }


def overlaid(values: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The values, those of `other` in their places, mappings key by key."""
    return values | {key: overlaid(values[key], value) if isinstance(value, dict) else value for key, value in other.items()}


def described(films: Films) -> dict[str, Any]:
    """The classes and patients of the films whose logits are kept."""
    return {
        "val_labels": films.val.labels,
        "val_patients": films.val_patients,
        "test_labels": films.test.labels,
        "test_patients": films.patients,
    }


def fit_probe(bench: Bench, way: Way, films: Films) -> dict[str, Any]:
    """scikit-learn's classifier on the standardised pooled features, its penalty chosen by log loss on validation."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from hilum.models.classifier import build_classifier
    from hilum.training.learning.convex import pooled_features

    source = bench.weights.get(way.backbone, "imagenet")
    model = build_classifier(way.backbone, way.size, len(LABELS), source, 0.0, 0.0, np.zeros(len(LABELS)), 0)
    parts = (films.train, films.val, films.test)
    train, val, test = (pooled_features(model, part, bench.work / "activations", bar("activations")) for part in parts)
    weighing = {"plain": None, "balanced": "balanced"}
    classifiers = (
        [LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")]
        if way.probe == "discriminant"
        else [
            LogisticRegression(C=1 / (penalty * len(train)), class_weight=weighing[way.probe], max_iter=5000)
            for penalty in PENALTIES
        ]
    )
    fitted = [make_pipeline(StandardScaler(), one).fit(train, films.train.labels) for one in classifiers]
    answers = [one.predict_log_proba(val) for one in fitted]
    best = int(np.argmax([logs[np.arange(len(logs)), films.val.labels].mean() for logs in answers]))
    shares = np.bincount(films.train.labels) / len(films.train.labels)
    even = np.full(len(LABELS), 1 / len(LABELS))
    return {
        **described(films),
        "prior": even if way.probe == "balanced" else shares,
        "val_logits": answers[best],
        "test_logits": fitted[best].predict_log_proba(test),
    }


if __name__ == "__main__":
    main()
