"""The mean of models' logits against the mean of their probabilities, each calibrated: log loss on validation and test films.

Reads the predictions that `evaluate` wrote, so that nothing is trained or predicted here:

    python benchmarks/ensemble_means.py results/arms/baseline results/arms/finetuned
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hilum.evaluation.scoring.metrics import score
from hilum.evaluation.scoring.scaling import fit_temperature, softmax
from hilum.results import read_predictions, read_table

TINY = np.finfo(np.float32).tiny
Mean = Callable[[NDArray[np.float64]], NDArray[np.float64]]
MEANS: dict[str, Mean] = {  # (M, N, K) probabilities -> (N, K) logits
    "logits": lambda p: np.log(np.maximum(p, TINY)).mean(axis=0),
    "probabilities": lambda p: np.log(np.maximum(p.mean(axis=0), TINY)),
}


def alone(member: int) -> Mean:
    """One member instead of a mean."""
    return lambda p: np.log(np.maximum(p[member], TINY))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("arms", nargs="+", type=Path, help="folders of arms, results/arms/<arm>")
    folders = parser.parse_args().arms
    file = folders[0] / "evaluation" / "predictions.csv"
    classes = tuple(name.removeprefix("p_") for name in map(str, read_table(file)) if name.startswith("p_"))
    parts = {}
    for part in ("val", "test"):
        found = [read_predictions(folder / "evaluation" / "predictions.csv", part, classes) for folder in folders]
        if any((one.image_id != found[0].image_id).any() for one in found):
            raise SystemExit("the arms must have predicted the same films in one order")
        parts[part] = found[0].y_true, np.stack([one.y_prob for one in found])
    films = ", ".join(f"{len(labels)} {part}" for part, (labels, _) in parts.items())
    print(f"log loss of {len(folders)} members and of their mean; films: {films}\n\n| | val | test |\n|---|---|---|")
    for i, folder in enumerate(folders):
        print(row(folder.name, parts, alone(i)))
    for name, mean in MEANS.items():
        print(row(f"mean of {name}", parts, mean))


def row(name: str, parts: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]], mean: Mean) -> str:
    """A model's log loss on both parts, its temperature fitted on validation."""
    labels, members = parts["val"]
    scaling = fit_temperature(mean(members), labels, np.ones(len(labels)))
    losses = [score("log_loss", labels, softmax(mean(p) / scaling.temperature)) for labels, p in parts.values()]
    return f"| {name} | {losses[0]:.4f} | {losses[1]:.4f} |"


if __name__ == "__main__":
    main()
