"""Selection and calibration compared on real films of children: the result of each on a test part that neither used.

Run: python benchmarks/selection.py --root FILMS --weights FILE [--films 1500] [--seeds 2]

FILMS is a folder as the reader `kermany` takes it; patients are drawn from it until there are at least --films films,
split by patient and duplicates. Every seed trains the head alone and then its upper blocks too (MobileNet 0.25, class weights
as in params.yaml), once with the best epoch by AUROC, once by log loss; each model is evaluated unchanged, and with the
`train.calibration` fitted on validation. The model assumes an even prior, the test films have their own shares, so log loss
and calibration error are given for the films unweighted and weighted to that prior. Prints a table in Markdown: means over
the seeds, and the temperatures.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
from imbalance import LABELS, Films, load_films

from hilum.data.readers.registry import READERS
from hilum.evaluation.scoring.calibration import FITS, find_scaling, measure_predictions, weigh_to_prior
from hilum.evaluation.scoring.epochs import score_epoch
from hilum.evaluation.scoring.metrics import metric_names, metric_values
from hilum.progress import bar, say
from hilum.settings.params import Params, read_params
from hilum.settings.training import Arm, Head, Phase
from hilum.training.learning.arms import Task, read_logits, train_arm
from hilum.training.learning.fit import begin_training
from hilum.training.learning.imbalance import shown_prior

SELECTS = ("auroc_macro", "log_loss")
SHOWN = ("accuracy", "f1_macro", "auroc_macro", "log_loss", "ece")
WEIGHED = ("log_loss", "ece")  # of films weighted to the prior that the model assumes


def main() -> None:
    """Train every arm with every seed by both scores and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="films of the pediatric set")
    parser.add_argument("--weights", type=Path, required=True, help="a file of MobileNet 0.25 without top")
    parser.add_argument("--films", type=int, default=1500)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--seeds", type=int, default=2)
    asked = parser.parse_args()
    params = read_params(Path(__file__).resolve().parents[1] / "params.yaml")
    begin_training(0)
    with tempfile.TemporaryDirectory() as folder:
        some = link_some(asked.root, Path(folder) / "films", asked.films)
        films = load_films(some, asked.size, "viral", 1.0, params)
        counts = {part: np.bincount(getattr(films, part).labels).tolist() for part in ("train", "val", "test")}
        say(f"films of {', '.join(LABELS)}: {counts}")
        rows = measure(films, params, asked.weights, range(1, asked.seeds + 1), Path(folder) / "cache")
    print(write_table(rows))


def link_some(root: Path, folder: Path, wanted: int) -> Path:
    """Links to the films of patients drawn at random until there are enough."""
    table = READERS["kermany"].read(root)
    patients = np.random.default_rng(0).permutation(np.unique(table["patient_id"]))
    sizes = table["patient_id"].value_counts()[patients].cumsum()
    kept = set(patients[: int(np.searchsorted(sizes, wanted)) + 1])
    for path in table["path"][table["patient_id"].isin(kept)]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).symlink_to((root / path).resolve())
    return folder


def make_arms() -> dict[str, Arm]:
    """The head alone, and then the upper six blocks too."""
    head = Phase(unfreeze="head", epochs=12, learning_rate=3e-3, decay="none", batch_norm="frozen")
    upper = Phase(unfreeze=6, epochs=10, learning_rate=1e-3, decay="cosine", batch_norm="frozen")
    shared = {"backbone": "mobilenet_025", "weights": "none", "head": Head(dropout=0.2, weight_decay=1e-4)}
    return {"head": Arm(phases=[head], **shared), "fine-tuned": Arm(phases=[head, upper], **shared)}  # type: ignore[arg-type]


def measure(films: Films, params: Params, weights: Path, seeds: range, cache: Path) -> dict[tuple[str, str, str], np.ndarray]:
    """(arm, select, calibration) -> (seeds, metrics of SHOWN and WEIGHED and the temperature) on the test films."""
    names = metric_names(tuple(LABELS))
    columns = [names.index(name) for name in SHOWN]
    found: dict[tuple[str, str, str], list[np.ndarray]] = {}
    for seed in seeds:
        for name, arm in make_arms().items():
            for select in SELECTS:
                task = Task(films.train, films.val, list(LABELS), weights, params.train, seed, cache)
                model, fitted = train_arm(arm, task, len(arm.phases), score_epoch(select), lambda *_: None, bar("activations"))
                say(f"seed {seed}, {name}, {select}: kept epoch {fitted.best_step + 1} of {len(fitted.history)}")
                prior = shown_prior(fitted.shown[fitted.kept_phase], films.train.labels, len(LABELS))
                val, test = read_logits(model, films.val.films), read_logits(model, films.test.films)
                for word in ("none", *FITS):
                    scaling = find_scaling(word, val, films.val.labels, prior)
                    predictions = scaling.apply(test)
                    values = metric_values(films.test.labels, predictions, predictions.argmax(axis=1))[columns]
                    weighed = measure_predictions(films.test.labels, predictions, weigh_to_prior(films.test.labels, prior))
                    row = [*values, *(weighed[column] for column in WEIGHED), scaling.temperature]
                    found.setdefault((name, select, word), []).append(np.array(row))
    return {key: np.array(rows) for key, rows in found.items()}


def write_table(rows: dict[tuple[str, str, str], np.ndarray]) -> str:
    """A row per arm, selection score and calibration."""
    columns = [*SHOWN, *(f"{name}, weighed" for name in WEIGHED)]
    lines = [f"| arm | select | calibration | {' | '.join(columns)} | temperatures |", "|---" * (4 + len(columns)) + "|"]
    for key, values in rows.items():
        told = ", ".join(f"{value:.2f}" for value in values[:, -1])
        lines.append(f"| {' | '.join((*key, *(f'{value:.3f}' for value in values[:, :-1].mean(axis=0)), told))} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
