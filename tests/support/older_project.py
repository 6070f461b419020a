"""Run by the code of an earlier commit, in a checkout of it: a small project through every stage of one arm, and `predict`.

    python older_project.py   # in the checkout's folder, with its src in PYTHONPATH

Leaves models, runs and results of that commit in the folder, ten raw films in films/ and its predictions in predictions.csv.
"""

import shutil
from pathlib import Path

import yaml

SMALL = {
    "acquire.sources.phantom.films": 60,
    "acquire.sources.phantom.size": 72,
    "prepare.size": 48,
    "prepare.near_duplicates": "none",
    "prepare.markers": "inpaint",
    "split.validation": 0.3,
    "split.test": 0.3,
    "split.explain_films": 3,
    "split.tuning_films": 2,
    "train.augment.views": 0,
    "train.batch_size": 4,
    "arms.baseline.weights": "none",
    "arms.baseline.head": {"dropout": 0.0, "weight_decay": 0.0},
    "evaluate.bootstrap": 20,
    "explain.bootstrap": 20,
    "explain.methods": ["gradcam"],
    "explain.measures": ["hit_rate"],
    "explain.sheets": [],
    "explain.sanity.seeds": 2,
    "explain.sanity.films": 3,
}
PHASES = [{"unfreeze": "all", "epochs": 8, "learning_rate": 2e-3, "decay": "none", "batch_norm": "auto"}]


def main() -> None:
    file = Path("params.yaml")
    params = yaml.safe_load(file.read_text())
    for key, value in SMALL.items():
        *path, last = key.split(".")
        place = params
        for step in path:
            place = place[step]
        place[last] = value
    params["arms"] = {"baseline": {**params["arms"]["baseline"], "phases": PHASES}}
    params["tune"]["trials"] = 0
    file.write_text(yaml.safe_dump(params))

    from hilum.cli import main as hilum

    for line in (
        *("check", "acquire --source phantom", "prepare", "split", "tune --arm baseline", "train --arm baseline"),
        *("evaluate --arm baseline", "explain --arm baseline"),
    ):
        assert hilum(line.split()) == 0, line
    films = sorted(Path("data/raw/phantom").rglob("*.png"))
    Path("films").mkdir()
    for one in [film for film in films if "mask" not in film.parent.name][:10]:
        shutil.copy(one, "films")
    model = "results/arms/baseline/training/model.keras"
    assert hilum(["predict", "--model", model, "--images", "films", "--out", "predictions.csv"]) == 0


if __name__ == "__main__":
    main()
