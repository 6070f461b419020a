"""What a training writes beside its model: its epochs, the examples of each class, mean films."""

from pathlib import Path

import numpy as np
import pandas as pd

from hilum.data.prepared.examples import Examples, as_images
from hilum.records import Labels
from hilum.results import write_json, write_table
from hilum.training.learning.fit import Fitted
from hilum.training.learning.imbalance import copies_per_film


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
