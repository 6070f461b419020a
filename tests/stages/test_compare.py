"""compare: a picture for each explained film, whatever the films are called."""

from pathlib import Path

import numpy as np
import pandas as pd

from hilum.pages.arm_results import ArmResults
from hilum.project.comparison_files import draw_arm_panels
from hilum.records import Predictions
from hilum.results import read_json, read_table
from hilum.workspace import Workspace


def rename_films(workspace: Workspace, names: dict[str, str]) -> None:
    """Give prepared films other names, wherever these stand."""
    for file in (workspace.split / "explain.csv", workspace.prepared / "manifest.csv", workspace.prepared / "geometry.csv"):
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
        table.assign(image_id=table["image_id"].replace(names)).to_csv(file, index=False)


def make_arm(image_ids: list[str], classes: list[str]) -> ArmResults:
    """An arm that is sure of the first class and has no maps."""
    ids, first = np.array(image_ids), np.zeros(len(image_ids), np.int64)
    sure = np.tile(np.eye(len(classes))[0], (len(ids), 1))
    answers = Predictions(ids, ids, first, sure, first, tuple(classes))
    return ArmResults({"model": {"threshold": None}}, {}, answers, {}, [], pd.DataFrame(), {})


def test_films_whose_names_differ_in_a_slash_have_a_picture_each(own_copy: Workspace, tmp_path: Path) -> None:
    classes = read_json(own_copy.split / "versions.json")["classes"]
    first, second, *_ = read_table(own_copy.split / "explain.csv")["image_id"]
    rename_films(own_copy, {first: "phantom/a/b", second: "phantom/a_b"})
    image_ids = list(read_table(own_copy.split / "explain.csv")["image_id"])
    draw_arm_panels(tmp_path / "comparison", {"baseline": make_arm(image_ids, classes)}, own_copy, classes)
    files = sorted((tmp_path / "comparison" / "panels").iterdir())
    assert len({file.read_bytes() for file in files}) == len(files) == len(image_ids)
    assert {"phantom__a__b.png", "phantom__a_b.png"} <= {file.name for file in files}
