"""recalibrate: calibration and decision of a model for one site, from a few of its labelled films, as a model of its own."""

from pathlib import Path
from typing import Any

from hilum.project.labelled_films import AskedFilms
from hilum.project.recalibration import AskedSite, recalibrate_model
from hilum.settings.params import read_params
from hilum.workspace import find_workspace


def run(
    model: str,
    data: str,
    labels: str = "",
    columns: str = "",
    pattern: str = "",
    out: str = "recalibrated",
    site: str = "",
    method: str = "temperature",
    register: bool = False,
    classes: str = "",
    size: str = "",
    square: str = "",
    scaling: str = "",
    threshold: str = "",
) -> dict[str, Any]:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    told = {"classes": classes, "size": size, "square": square, "scaling": scaling, "threshold": threshold}
    asked, films = AskedSite(model, site, method, register), AskedFilms(data, labels, columns, pattern)
    return recalibrate_model(asked, told, films, Path(out), workspace, params)
