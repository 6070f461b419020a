"""export: a model as one file for LiteRT or ONNX Runtime, with its facts beside it, compared with the original."""

from pathlib import Path

from hilum.serving.engines import ENGINES
from hilum.serving.export import export_model
from hilum.serving.model_facts import Told
from hilum.serving.opening import open_served
from hilum.settings.params import read_params
from hilum.workspace import find_workspace


def run(
    model: str,
    format: str,
    out: Path,
    classes: str = "",
    size: str = "",
    square: str = "",
    scaling: str = "",
    threshold: str = "",
) -> None:
    if format not in ENGINES:
        raise ValueError(f"--format must be one of {', '.join(ENGINES)}, got {format!r}")
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    with open_served(model, workspace, params, Told(classes, size, square, scaling, threshold)) as (explained, described):
        export_model(explained, described, format, out)
