"""Treatments of unequal classes compared: the head alone, on real films of children with one class made rare in training.

Run: python benchmarks/imbalance.py --root FILMS --weights FILE [--backbone mobilenet_025] [--rare viral] [--kept 0.05]

FILMS is a folder for the reader `kermany`. One split by patient and near duplicates; of the rare class a share of the training
films is kept, the same for all; validation and test are unchanged. Every treatment is trained with three seeds, for the same
maximum of epochs and the same patience; the epoch is chosen on validation as in params.yaml. A value is the mean over
the seeds; its 95 % interval comes from resampling the test patients, the same for all treatments and seeds, so the difference
from `none` is paired. Prints a table in Markdown.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.data.burned_in.treatment import Treatment
from hilum.data.manifest.building import build_manifest
from hilum.data.prepared.examples import Examples, as_images
from hilum.data.quality.alike.near_duplicates import find_near_duplicates
from hilum.data.quality.alike.near_groups import link_patients, tell_near_duplicates
from hilum.data.readers.registry import READERS
from hilum.data.splits import split_by_patient
from hilum.evaluation.scoring.epochs import score_epoch
from hilum.evaluation.scoring.metrics import METRICS, metric_names, metric_values
from hilum.models.forward import predictor
from hilum.progress import bar, say
from hilum.records import Labels, Probabilities
from hilum.settings.meaning import settle, spaces, trained_arm
from hilum.settings.params import Params, read_params
from hilum.settings.training import Arm
from hilum.training.learning.arms import Task, correct_prior, train_arm
from hilum.training.learning.fit import begin_training
from hilum.training.learning.imbalance import STRATEGIES, Sampling, copies_per_film, prior_shift, shown_prior

LABELS = {"normal": ["normal"], "bacterial": ["pneumonia/bacterial"], "viral": ["pneumonia/viral"]}
SPLIT_SEED, SEEDS, RESAMPLES = 0, (1, 2, 3), 1000
PATIENCE, RATE = 10, 3e-3  # epochs without improvement, learning rate: enough to learn 120 films in 60 epochs
SHOWN = {name: METRICS[name] for name in ("balanced_accuracy", "ece", "auroc", "sensitivity")}
CORRECTED = "none, then prevalence"


@dataclass(frozen=True)
class Films:
    """One split, thinned in training. patients, val_patients: (N,) of the test and of the validation films.

    shares: of the classes before films were left out.
    """

    train: Examples
    val: Examples
    test: Examples
    patients: NDArray[np.str_]
    val_patients: NDArray[np.str_]
    shares: dict[str, float]


def main() -> None:
    """Train every treatment with every seed and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="films of the pediatric set")
    parser.add_argument("--weights", type=Path, required=True, help="a file of the backbone without top")
    parser.add_argument("--backbone", default="mobilenet_025")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--rare", choices=list(LABELS), default="viral")
    parser.add_argument("--kept", type=float, default=0.05, help="share of the rare class's training films")
    parser.add_argument("--epochs", type=int, default=60, help="at most, for each treatment")
    asked = parser.parse_args()
    params = read_params(Path(__file__).resolve().parents[1] / "params.yaml")
    films = load_films(asked.root, asked.size, asked.rare, asked.kept, params)
    counts = dict(zip(LABELS, np.bincount(films.train.labels).tolist(), strict=True))
    say(f"training films: {counts}; test: {len(films.test.labels)} films of {len(np.unique(films.patients))} patients")
    arm = head_only(params, asked.backbone, asked.epochs)
    begin_training(SPLIT_SEED)
    predictions: dict[str, list[Probabilities]] = {name: [] for name in ("none", CORRECTED, *STRATEGIES)}
    shown: dict[str, Sampling] = {}
    with tempfile.TemporaryDirectory() as cache:
        for seed in SEEDS:
            for word in STRATEGIES:
                settings = params.train.model_copy(update={"imbalance": word, "patience": PATIENCE})
                task = Task(films.train, films.val, list(LABELS), asked.weights, settings, seed, Path(cache))
                model, fitted = train_arm(arm, task, 1, score_epoch(settings.select), lambda *_: None, bar("activations"))
                predict = predictor(model)
                predictions[word].append(predict(as_images(films.test.films)))
                shown[word] = fitted.shown[0]
                say(f"seed {seed}, {word}: {len(fitted.history)} epochs, kept {fitted.best_step + 1}")
                if word == "none":
                    prior = shown_prior(fitted.shown[0], films.train.labels, len(LABELS))
                    correct_prior(model, prior_shift(prior, films.shares, list(LABELS)))
                    predictions[CORRECTED].append(predictor(model)(as_images(films.test.films)))
    shown[CORRECTED] = shown["none"]
    print(write_table(predictions, shown, films, asked.rare))


def load_films(root: Path, size: int, rare: str, kept: float, params: Params) -> Films:
    """Read, prepare and split the films by patient and near duplicates, then leave out most training films of the rare class."""
    prepared = build_manifest(
        {"films": (root, READERS["kermany"].read(root))},
        size=size,
        square=params.prepare.square,
        labels=LABELS,
        unmatched="exclude",
        broken_share=params.prepare.broken_share,
        treatment=Treatment(params.prepare.burned_in, params.prepare.burned_in_reader, params.prepare.burned_in_left),
        workers=os.cpu_count() or 1,
        on_film=bar("films prepared"),
    )
    table = prepared.manifest
    near = find_near_duplicates(prepared.films, table, params.prepare.square, os.cpu_count() or 1)
    say(tell_near_duplicates(near))
    linked = pd.concat([prepared.linked_patients, link_patients(near)], ignore_index=True)
    splits = split_by_patient(table, params.split.validation, params.split.test, SPLIT_SEED, linked)
    part = table[["image_id"]].merge(splits.table, on="image_id", how="left")["split"].to_numpy()
    labels = table["label"].map({name: k for k, name in enumerate(LABELS)}).to_numpy()
    rows = Examples(prepared.films, np.asarray(labels, np.int64), tuple(table["pixel_sha256"]))
    train, val, test = (np.flatnonzero(part == name) for name in ("train", "val", "test"))
    shares = np.bincount(labels[train]) / len(train)
    of_rare = train[labels[train] == list(LABELS).index(rare)]
    gone = np.random.default_rng(SPLIT_SEED).permutation(of_rare)[round(kept * len(of_rare)) :]
    return Films(
        rows.take(np.setdiff1d(train, gone)),
        rows.take(val),
        rows.take(test),
        table["patient_id"].to_numpy(str)[test],
        table["patient_id"].to_numpy(str)[val],
        dict(zip(LABELS, shares.tolist(), strict=True)),
    )


def head_only(params: Params, backbone: str, epochs: int) -> Arm:
    """The head of the project's fine-tuned arm at its start values, alone, for at most this many epochs."""
    arm = trained_arm(params.arms, "finetuned")
    arm = settle(arm, {key: space.start for key, space in spaces(arm).items()})
    head = arm.phases[0].model_copy(update={"epochs": epochs, "learning_rate": RATE})
    return arm.model_copy(update={"backbone": backbone, "phases": [head]})


def resample(predictions: Sequence[Probabilities], truth: Labels, patients: NDArray[np.str_]) -> NDArray[np.float64]:
    """Metrics (1 + RESAMPLES, M) as means over the seeds: of the test films, then of each resample of their patients."""
    _, group = np.unique(patients, return_inverse=True)
    films_of = [np.flatnonzero(group == g) for g in range(group.max() + 1)]
    rng = np.random.default_rng(SPLIT_SEED)
    drawn = [np.concatenate([films_of[g] for g in rng.integers(0, len(films_of), len(films_of))]) for _ in range(RESAMPLES)]
    return np.array([mean_over_seeds([p[films] for p in predictions], truth[films]) for films in [np.arange(len(truth)), *drawn]])


def mean_over_seeds(predictions: Sequence[Probabilities], truth: Labels) -> NDArray[np.float64]:
    """The metrics of `SHOWN` (M,), each the mean over the seeds; the most probable class is the prediction."""
    return np.mean([metric_values(truth, p, p.argmax(axis=1), SHOWN) for p in predictions], axis=0)


def write_table(predictions: dict[str, list[Probabilities]], shown: dict[str, Sampling], films: Films, rare: str) -> str:
    """The comparison as a Markdown table."""
    names = metric_names(tuple(LABELS), SHOWN)
    truth = films.test.labels
    values = {name: resample(found, truth, films.patients) for name, found in predictions.items()}
    chosen = [names.index(name) for name in ("auroc_macro", "balanced_accuracy", f"sensitivity/{rare}", "ece")]
    middle = chosen[1]
    lines = [
        f"| method | rows of {rare} in an epoch | AUROC, mean of classes | balanced accuracy | its seeds | minus `none` "
        f"| sensitivity, {rare} | calibration error |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, found in values.items():
        row = pd.Series(copies_per_film(shown[name], films.train.labels, list(LABELS)).set_index("label").loc[rare])
        seeds = [mean_over_seeds([p], truth)[middle] for p in predictions[name]]
        auroc, balanced, sensitive, error = (interval(found[:, column]) for column in chosen)
        apart = "" if name == "none" else interval(found[:, middle] - values["none"][:, middle], "+")
        cells = [name, tell_rows(row), auroc, balanced, f"{min(seeds):.3f} to {max(seeds):.3f}", apart, sensitive, error]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def tell_rows(row: pd.Series) -> str:
    """`40, weight 3.1` for weighted films, `520 (40 films, at most 20 times)` for copies, `40 + 480 synthesised` for SMOTE's."""
    if row["most_copies"] > 1:
        return f"{row['rows']} ({row['films']} films, at most {row['most_copies']} times)"
    weight = f", weight {row['weight']:.1f}" if row["weight"] != 1 else ""
    return f"{row['rows']}{weight}" + (f" + {row['made_up']} synthesised" if row["made_up"] else "")


def interval(values: NDArray[np.float64], sign: str = "") -> str:
    """`0.812 [0.790, 0.833]` from the value and its resamples."""
    low, high = np.nanpercentile(values[1:], [2.5, 97.5])
    return f"{values[0]:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


if __name__ == "__main__":
    main()
