"""What a training writes beside its model: its epochs, the examples of each class, mean films."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hilum.data.prepared.examples import Examples, as_images
from hilum.evaluation.scoring.epochs import median_repeat
from hilum.records import Labels
from hilum.results import REPEATS, read_json, write_json, write_table
from hilum.training.learning.fit import Fitted
from hilum.training.learning.imbalance import copies_per_film

REPEAT_LOSS = "repeat/val/log_loss"  # of the finished model of a repeat: what the median is taken of


def write_training(folder: Path, fitted: Fitted, train: Examples, classes: list[str]) -> None:
    """The history, the examples of each class in each phase, the kept epoch's metrics, and the mean film of each class."""
    write_table(folder / "history.csv", fitted.history)
    tables = [copies_per_film(shown, train.labels, classes).assign(phase=i) for i, shown in enumerate(fitted.shown)]
    write_table(folder / "imbalance.csv", pd.concat(tables))
    write_means(folder, train, classes)
    best = fitted.history.set_index("step").loc[fitted.best_step]
    metrics = {f"best/{key}": best[key] for key in best.index if key.startswith("val/")}
    metrics |= {f"penalty/phases.{phase}": penalty for phase, penalty in fitted.penalties.items()}
    for row in tables[fitted.kept_phase].to_dict("records"):
        for key in ("mean_copies", "most_copies", "made_up", "weight"):
            metrics[f"imbalance/{key}/{row['label']}"] = row[key]
    write_json(folder / "metrics.json", metrics)


def write_means(folder: Path, train: Examples, classes: list[str]) -> None:
    """The mean film of each class: SHAP's background where patients' films must not be passed on."""
    means = np.stack([train.films[train.labels == k].mean(axis=0) for k in range(len(classes))])  # (K, H, W)
    np.savez(folder / "mean_films.npz", films=as_images(means.round().astype(np.uint8)), classes=np.array(classes))


def tell_balance(fitted: Fitted, labels: Labels, classes: list[str]) -> str:
    """`oversample; normal 41 films in 41 rows (at most 1 of one), ...`: the films of an epoch of the kept phase, in a line."""
    shown = fitted.shown[fitted.kept_phase]
    said = [
        f"{row['label']} {row['films']} films in {row['rows']} rows (at most {row['most_copies']} of one)"
        + (f" and {row['made_up']} synthesised" if row["made_up"] else "")
        + (f" of weight {row['weight']:.2f}" if row["weight"] != 1 else "")
        for row in copies_per_film(shown, labels, classes).to_dict("records")
    ]
    return f"{shown.strategy}; {', '.join(said)}"


def serve_median(folder: Path, seeds: Sequence[int]) -> str:
    """Copy the repeat of median log loss to where the arm's model is expected, and list all repeats in repeats.csv.

    seeds: of the repeats below the folder, in order. Returns which one is served, in words.
    """
    places = [folder / REPEATS / str(number) for number in range(1, len(seeds) + 1)]
    losses = [read_json(place / "metrics.json")[REPEAT_LOSS] for place in places]
    served = median_repeat([np.nan if loss is None else loss for loss in losses])
    shutil.copytree(places[served], folder, dirs_exist_ok=True)
    described = [read_json(place / "model.json")["model_sha256"] for place in places]
    rows = {"repeat": range(1, len(places) + 1), "seed": seeds, "val/log_loss": losses, "model_sha256": described}
    write_table(folder / "repeats.csv", pd.DataFrame(rows).assign(served=[i == served for i in range(len(places))]))
    return (
        f"repeat {served + 1} of {len(places)}, seed {seeds[served]}, is median by log loss on validation "
        f"({losses[served]:.4f}) and is served"
    )
