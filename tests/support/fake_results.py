"""Results folders as the stages leave them, small and without a model: for tests of what is logged where."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from hilum.results import REPEATED, REPEATS, run_key, write_json, write_table
from hilum.workspace import Workspace

VERSIONS = {
    "classes": ["normal", "viral"],
    "data_version": "d" * 64,
    "split_version": "s" * 64,
    "size": 64,
    "square": "pad",
    "burned_in": "keep",
    "burned_in_reader": "text",
}
BEST = {"head.dropout": 0.25, "phases.0.learning_rate": 0.002}


def write_split(workspace: Workspace) -> None:
    for part, count in (("train", 6), ("val", 4), ("test", 4)):
        rows = {"image_id": [f"{part}{i}" for i in range(count)], "patient_id": [f"{part}{i // 2}" for i in range(count)]}
        write_table(workspace.split / f"{part}.csv", pd.DataFrame({**rows, "label": ["normal", "viral"] * (count // 2)}))
    write_json(workspace.split / "proof.json", {"shared": {"patients": 0}})
    write_json(workspace.split / "versions.json", VERSIONS)
    (workspace.split / "report.html").write_text("<html></html>")
    findings = pd.DataFrame({"finding": ["normal"], "label": ["normal"], "source": ["s"], "films": [14]})
    write_table(workspace.split / "findings.csv", findings)
    write_table(workspace.split / "sources.csv", pd.DataFrame({"source": ["s"], "what": ["kept"], "films": [14]}))
    confounding = {"factor": ["source", "age group"], "cramers_v": [float("nan"), 0.25], "judgement": ["undefined", "present"]}
    write_table(workspace.split / "confounding.csv", pd.DataFrame(confounding))
    write_table(workspace.split / "contingency.csv", pd.DataFrame({"factor": ["source"], "value": ["phantom"], "films": [14]}))


def training_settings(arm: str, **changes: Any) -> dict[str, Any]:
    params = {"backbone": "mobilenet_025", **BEST, "train.seed": 2026, "train.batch_size": 32}
    settings = {
        "arm": arm,
        "params": params,
        "origins": {key: "search" if key in BEST else "params" for key in params},
        "model": {**VERSIONS, "model_sha256": "m" * 64, "threshold": 0.4},
        "model_sha256": "m" * 64,
        "tags": {"role": "arm", "arm": arm, "backbone": "mobilenet_025"},
        "cuts": ["pool"],
        "best_step": 1,
    }
    settings |= changes
    return {"run_key": run_key(settings), **settings} if "run_key" not in changes else without_none(settings)


def without_none(values: dict[str, Any]) -> dict[str, Any]:
    """Settings as they were written before they said their key: `run_key=None` takes it away."""
    return {key: value for key, value in values.items() if value is not None}


def write_tuning(workspace: Workspace, arm: str) -> Path:
    folder = workspace.arm(arm, "tuning")
    folder.mkdir(parents=True)
    (folder / "best.yaml").write_text(yaml.safe_dump(BEST))
    trials = {"number": [0, 1], "state": ["COMPLETE", "PRUNED"], "value": [0.8, 0.6], "val/auroc_macro": [0.8, 0.6]}
    sampled = {"head.dropout": [0.25, 0.1], "phases.0.learning_rate": [0.002, 0.0001]}
    write_table(folder / "trials.csv", pd.DataFrame({**trials, **sampled}))
    history = {"trial": [0, 0, 1], "step": [0, 1, 0], "phase": [0, 0, 0], "epoch": [0, 1, 0]}
    write_table(
        folder / "trial_history.csv", pd.DataFrame({**history, "train/loss": [0.7, 0.6, 0.9], "val/auroc_macro": [0.7, 0.8, 0.6]})
    )
    write_json(folder / "settings.json", {"params": {"tune.metric": "auroc_macro"}})
    return folder


def write_training(workspace: Workspace, arm: str, **changes: Any) -> dict[str, Any]:
    folder = workspace.arm(arm, "training")
    settings = training_settings(arm, **changes)
    write_json(folder / "settings.json", settings)
    history = {"step": [0, 1], "phase": [0, 0], "epoch": [0, 1], "train/loss": [0.7, 0.6], "val/auroc_macro": [0.75, 0.8]}
    write_table(folder / "history.csv", pd.DataFrame(history))
    write_json(folder / "metrics.json", {"best/val/auroc_macro": 0.8})
    np.savez(folder / "mean_films.npz", films=np.zeros((2, 8, 8, 1), np.float32), classes=np.array(VERSIONS["classes"]))
    return settings


def write_repeats(workspace: Workspace, arm: str) -> None:
    """Two repeats below a training that `write_training` wrote, and their metrics below an evaluation; the first is served."""
    training = workspace.arm(arm, "training")
    for number in (1, 2):
        place = training / REPEATS / str(number)
        write_json(
            place / "model.json", {"model_sha256": f"{number}" * 64, "repeat": {"number": number, "of": 2, "seed": 6 + number}}
        )
        write_json(place / "metrics.json", {"repeat/val/log_loss": number / 4, "best/val/mcc": None})
        write_table(
            place / "history.csv", pd.DataFrame({"step": [0, 1], "phase": [0, 0], "val/auroc_macro": [0.7, 0.7 + number / 10]})
        )
    listed = pd.DataFrame({"repeat": [1, 2], "seed": [7, 8], "served": [True, False]})
    write_table(training / "repeats.csv", listed)
    measured = {f"{part}/{name}": [0.75, 0.5] for part in ("val", "test") for name in (*REPEATED, "mcc")}
    write_table(workspace.arm(arm, "evaluation") / "repeats.csv", listed.assign(**measured))


def write_measured(workspace: Workspace, arm: str, name: str, metrics: dict[str, float | None], **changes: Any) -> Path:
    """An evaluation, explanations or audit folder, with a key picture."""
    folder = workspace.arm(arm, name)
    made_from = {"arm": arm, "model_sha256": "m" * 64, "run_key": run_key(training_settings(arm))}
    write_json(folder / "settings.json", without_none({**made_from, "params": {f"{name}.bootstrap": 100}, **changes}))
    write_json(folder / "metrics.json", metrics)
    (folder / "keys").mkdir(exist_ok=True)
    Image.fromarray(np.full((4, 4, 3), 100, np.uint8)).save(folder / "keys" / f"{name}-viral.png")
    return folder


def write_crossvalidation(workspace: Workspace, arm: str, folds: list[str]) -> Path:
    """The folder of an arm's folds."""
    folder = workspace.arm(arm, "crossvalidation")
    tags = {"role": "crossvalidation", "arm": arm, "backbone": "mobilenet_025"}
    write_json(folder / "settings.json", {"arm": arm, "folds": folds, "params": {"split.folds": len(folds)}, "tags": tags})
    write_json(folder / "metrics.json", {"out_of_fold/auroc_macro": 0.7, "out_of_fold/mcc": None})
    measured = {"films": 20, "patients": 9, "auroc_macro": [0.7, float("nan")][: len(folds)]}
    write_table(folder / "folds.csv", pd.DataFrame({"fold": folds, **measured}))
    history = {"step": [0, 1] * len(folds), "train/loss": [0.7, 0.6] * len(folds), "fold": np.repeat(folds, 2)}
    write_table(folder / "history.csv", pd.DataFrame(history))
    return folder


def write_comparison(workspace: Workspace) -> Path:
    folder = workspace.comparison
    write_json(folder / "settings.json", {"params": {"compare.reference": "baseline"}})
    write_json(folder / "metrics.json", {"difference/auroc_macro": 0.1, "difference/mcc": None})
    (folder / "comparison.html").write_text("<html></html>")
    return folder


def write_results(workspace: Workspace, arms: list[str]) -> None:
    """Everything that `publish` reads."""
    write_split(workspace)
    for arm in arms:
        write_tuning(workspace, arm)
        write_training(workspace, arm)
        write_measured(workspace, arm, "evaluation", {"test/auroc_macro": 0.85, "test/mcc": None})
        write_measured(workspace, arm, "explanations", {"explain/gradcam/lung_share": 0.5})
        write_measured(workspace, arm, "audit", {"audit/probability": 0.1})
    write_comparison(workspace)
