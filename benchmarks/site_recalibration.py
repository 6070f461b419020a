"""What `recalibrate` promises for a site, and what other films of that site then show: phantoms of two hospitals, two classes.

Run: python benchmarks/site_recalibration.py FOLDER [--films 400]

In the new FOLDER a small network is trained on films of the hospital north (three quarters of them ill) and recalibrated on
films of the hospital south (two fifths ill) by both methods. Prints, as Markdown: the learning curve; and the log loss,
calibration error, sensitivity and specificity that `recalibrate` reports beside those of as many films of other patients of
south, which nothing was fitted to.
"""

import argparse
import contextlib
import shutil
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from hilum.evaluation.site_calibration import METHODS
from hilum.results import read_json, read_table
from hilum.stages import acquire, check, evaluate, prepare, recalibrate, split, train, tune

ROOT = Path(__file__).resolve().parents[1]
SIZE = 64  # pixels
NORTH, SOUTH = ({"normal": one, "bacterial": (1 - one) / 2, "viral": (1 - one) / 2} for one in (0.25, 0.6))
LABELS = {"normal": ["normal"], "ill": ["bacterial", "viral"]}
ARM = {
    "backbone": "small_cnn",
    "options": {"blocks": 3, "filters": 8, "growth": 2.0, "kernel": 3, "pooling": "max", "batch_norm": True},
    "weights": "none",
    "head": {"dropout": 0.0, "weight_decay": 0.0},
    "phases": [{"unfreeze": "all", "epochs": 15, "learning_rate": 3e-3, "decay": "none", "batch_norm": "train"}],
}
SHOWN = ("log_loss", "ece", "sensitivity/ill", "specificity/ill")


def write_project(folder: Path, films: int) -> None:
    """params.yaml with three sources: north, south, and later films of south; a recipe for each of the latter."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    shortcut = {"kind": "none", "finding": "viral", "strength": 0.0}
    drawn: dict[str, Any] = {"reader": "phantom", "size": SIZE, "contrast": 1.0, "shortcut": shortcut}
    values["acquire"]["sources"] = {
        "phantom": {**drawn, "films": 500, "seed": 1, "findings": NORTH, "hospitals": ["north"]},
        "south": {**drawn, "films": films, "seed": 2, "findings": SOUTH, "hospitals": ["south"]},
        "later": {**drawn, "films": films, "seed": 3, "findings": SOUTH, "hospitals": ["south"]},
    }
    values["prepare"].update(sources=["phantom"], size=SIZE, labels=LABELS)
    values["split"].update(explain_films=4, tuning_films=3)
    values["arms"], values["tune"]["trials"] = {"baseline": ARM}, 0
    values["compare"]["reference"] = "baseline"
    values["crossvalidate"]["arms"] = []
    folder.mkdir(parents=True)
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    shutil.copy(ROOT / "dvc.yaml", folder / "dvc.yaml")
    for name in ("south", "later"):
        (folder / f"{name}.yaml").write_text(f"prepare:\n  sources: [{name}]\n")


def run_all() -> dict[str, dict[str, float]]:
    """Train and recalibrate in this folder; model -> its metrics on later films."""
    check.run()
    for source in ("phantom", "south", "later"):
        acquire.run(source=source)
    for stage in (prepare, split):
        stage.run()
    for step in (tune, train):
        step.run(arm="baseline")
    models = {"as it is": "results/arms/baseline/training/model.keras"}
    for method in METHODS:
        recalibrate.run(model=models["as it is"], data="south.yaml", out=method, method=method)
        models[method] = f"{method}/model.keras"
    return {name: evaluate.run(model=model, data="later.yaml", out="later")["metrics"] for name, model in models.items()}


def tell(value: Any, low: Any, high: Any, sign: str = "") -> str:
    return f"{value:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def print_curve(curve: pd.DataFrame) -> None:
    """A row for each method and size."""
    print(f"\n| method | films | patients | {' | '.join(SHOWN)} |\n|{'---|' * (3 + len(SHOWN))}")
    for (method, size), rows in curve.groupby(["method", "size"]):
        by = rows.set_index("metric")
        cells = [tell(by.at[name, "difference"], by.at[name, "low"], by.at[name, "high"], "+") for name in SHOWN]
        print(f"| {method} | {size} | {by['patients'].iloc[0]:.0f} | {' | '.join(cells)} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--films", type=int, default=400)
    asked = parser.parse_args()
    write_project(asked.folder, asked.films)
    with contextlib.chdir(asked.folder):
        later = run_all()
        print_curve(read_table(Path(METHODS[0]) / "learning_curve.csv"))
        print(f"\n| model | films | {' | '.join(SHOWN)} |\n|{'---|' * (2 + len(SHOWN))}")
        for name, found in later.items():
            state, folder = ("before", METHODS[0]) if name == "as it is" else ("after", name)
            own = {key.removeprefix(f"{state}/"): value for key, value in read_json(Path(folder) / "metrics.json").items()}
            for what, metrics in (("of `recalibrate`", own), ("later, other patients", found)):
                cells = [tell(metrics[one], metrics[f"{one}.low"], metrics[f"{one}.high"]) for one in SHOWN]
                print(f"| {name} | {what} | {' | '.join(cells)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
