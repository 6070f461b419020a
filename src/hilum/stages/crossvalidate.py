"""crossvalidate: train and evaluate one arm on every fold, as nested runs under one parent; nothing where there are no folds."""

import json
import shutil
from pathlib import Path

from hilum.config import read_params
from hilum.workspace import find_workspace


def run(arm: str) -> None:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    folder = workspace.arm(arm, "crossvalidation")
    shutil.rmtree(folder, ignore_errors=True)
    if not params.split.folds:  # DVC has no stages on condition, so an idle one must cost little: no pandas, no TensorFlow
        folder.mkdir(parents=True)
        (folder / "settings.json").write_text(json.dumps({"arm": arm, "folds": []}, indent=1) + "\n")
        return
    from hilum.stages.folding import crossvalidate

    crossvalidate(arm, params, workspace, folder)
