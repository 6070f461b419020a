"""crossvalidate: train and evaluate one arm on every fold, as nested runs under one parent; nothing where there are no folds."""

import shutil
from pathlib import Path

from hilum.config import read_params
from hilum.results import write_json
from hilum.workspace import find_workspace


def run(arm: str) -> None:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    folder = workspace.arm(arm, "crossvalidation")
    shutil.rmtree(folder, ignore_errors=True)
    if not params.split.folds:  # no TensorFlow, no run: DVC has no stages on condition
        write_json(folder / "settings.json", {"arm": arm, "folds": []})
        return
    from hilum.stages.folding import crossvalidate

    crossvalidate(arm, params, workspace, folder)
