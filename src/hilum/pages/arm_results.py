"""One arm's results as the stages after `explain` read them; not a stage."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from hilum.explain.methods.registry import METHODS
from hilum.explain.sanity.verdicts import stamp_sanity, verdicts_of
from hilum.explain.saved_maps import load_map
from hilum.records import Attribution, Predictions
from hilum.results import read_json, read_predictions, read_table
from hilum.workspace import Workspace


@dataclass(frozen=True)
class ArmResults:
    """One arm's results, read from its folders."""

    settings: dict[str, Any]
    metrics: dict[str, float | None]
    test: Predictions
    maps: dict[str, Attribution]
    explained: list[str]
    sanity: pd.DataFrame
    folder: dict[str, Path]


FOLDERS = ("tuning", "training", "evaluation", "explanations", "audit")


def read_arm(workspace: Workspace, arm: str, classes: list[str]) -> ArmResults:
    """Read one arm's results. Raises ValueError: the arm has not been explained."""
    folders = {name: workspace.arm(arm, name) for name in FOLDERS}
    read_table(folders["explanations"] / "sanity.csv")
    return read_folders(folders, classes)


def read_folders(folders: dict[str, Path], classes: list[str]) -> ArmResults:
    """The results in these folders (name of FOLDERS -> path); without maps and verdicts where there are no explanations."""
    maps: dict[str, Attribution] = {}
    explained: list[str] = []
    for file in sorted(folders["explanations"].glob("*.npz")):
        if file.stem in METHODS:
            maps[file.stem], explained = load_map(file)
    gate = folders["explanations"] / "sanity.csv"
    sanity = read_table(gate) if gate.is_file() else pd.DataFrame(columns=["method", "verdict"])
    maps = stamp_sanity(maps, verdicts_of(sanity))
    return ArmResults(
        read_json(folders["training"] / "settings.json"),
        read_json(folders["evaluation"] / "metrics.json"),
        read_predictions(folders["evaluation"] / "predictions.csv", "test", tuple(classes)),
        {name: maps[name] for name in METHODS if name in maps},
        explained,
        sanity,
        folders,
    )
