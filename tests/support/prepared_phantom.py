"""A project with prepared phantom films, split, and a network with random weights that stands for one trained on them."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd

from hilum.data.phantom.phantom import draw_films
from hilum.data.phantom.population import draw_population
from hilum.data.prepared.geometry import fit_square
from hilum.models.classifier import build_classifier, model_sha256, save_classifier
from hilum.results import digest, file_sha256, write_json, write_table
from hilum.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
CLASSES = ["normal", "bacterial", "viral"]
SIZE = 64
PARTS = {"train": 100, "val": 60, "test": 40}


def make_project(root: Path) -> tuple[Workspace, keras.Model, Path]:
    """The project, the network and its file with model.json beside it."""
    workspace = Workspace(root, root)
    for name in ("params.yaml", "dvc.yaml"):
        (root / name).write_text((ROOT / name).read_text())
    count = sum(PARTS.values())
    shares = {"normal": 0.36, "bacterial": 0.36, "viral": 0.28}
    rng = np.random.default_rng(8)
    rows = draw_population(rng, films=count, findings=shares, shortcut_finding="viral", shortcut_strength=0.0).iloc[:count]
    films = np.concatenate([draw_films(rows.iloc[i : i + 2], size=SIZE, shortcut_kind="none").films for i in range(0, count, 2)])
    names = [f"phantom/{k:03d}" for k in range(count)]
    geometry = fit_square(SIZE, SIZE, SIZE, "pad")
    workspace.prepared.mkdir(parents=True)
    np.save(workspace.prepared / "films.npy", films)
    columns = ("image_id", "width", "height", "size", "scale_x", "scale_y", "offset_x", "offset_y")
    placed = [(name, *vars(geometry).values()) for name in names]
    pd.DataFrame(placed, columns=columns).to_csv(workspace.prepared / "geometry.csv", index=False)
    listed = pd.DataFrame({"image_id": names, "patient_id": names, "pixel_sha256": names, "row": range(count)})
    listed["label"] = [CLASSES[k % 3] for k in range(count)]
    write_table(workspace.prepared / "manifest.csv", listed)
    start = 0
    for part, films_of in PARTS.items():
        write_table(workspace.split / f"{part}.csv", listed.iloc[start : start + films_of])
        start += films_of
    versions = {
        "data_version": file_sha256(workspace.prepared / "manifest.csv"),
        "split_version": digest([file_sha256(workspace.split / f"{part}.csv") for part in PARTS]),
    }
    write_json(workspace.split / "versions.json", {"classes": CLASSES, **versions})
    network = build_classifier("mobilenet_025", SIZE, 3, None, 0.0, 0.0, np.log(np.full(3, 1 / 3)), 1)
    file = root / "results" / "arms" / "baseline" / "training" / "model.keras"
    file.parent.mkdir(parents=True)
    save_classifier(network, file)
    facts = {"classes": CLASSES, "size": SIZE, "square": "pad", "threshold": None, "model_sha256": model_sha256(network)}
    write_json(file.with_name("model.json"), {**facts, **versions})
    return workspace, network, file
