"""predict: a model's predictions for a folder of films, a row per file, written row by row and continued if interrupted."""

from pathlib import Path
from typing import Any

from hilum.explain.methods.registry import METHODS
from hilum.serving.folder import predict_folder
from hilum.serving.model_facts import Told
from hilum.serving.opening import check_names, choose_methods, open_served
from hilum.serving.verdicts import read_verdicts
from hilum.settings.params import read_params
from hilum.workspace import find_workspace


def run(
    model: str,
    images: Path,
    out: Path,
    explain: str,
    classes: str = "",
    size: str = "",
    square: str = "",
    scaling: str = "",
    threshold: str = "",
) -> dict[str, Any]:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    check_names("--explain", explain, list(METHODS))
    if not images.is_dir():
        raise ValueError(f"--images must be a folder of films, got {images}")
    with open_served(model, workspace, params, Told(classes, size, square, scaling, threshold)) as (explained, described):
        methods, _ = choose_methods("--explain", explain, explained, params.explain, sheets=False)
        known = (
            read_verdicts(model, described, explained.background, params.explain, workspace, params.tracking) if methods else {}
        )
        return predict_folder(explained, described, images, out, {name: known.get(name, "") for name in methods}, params)
