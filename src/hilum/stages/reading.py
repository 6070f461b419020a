"""reading: readers' marks as annotations of a source, readers against truth and model, and references for odd films."""

from pathlib import Path
from typing import Any

from hilum.project.readings import compare_with_truth, describe_readings, mark_source, store_references
from hilum.settings.params import read_params
from hilum.workspace import find_workspace


def run(
    readings: str = "readings",
    marks: str = "",
    table: str = "",
    column: str = "path",
    truth: str = "",
    predictions: str = "",
    out: str = "reading",
    references: str = "",
) -> dict[str, Any]:
    workspace = find_workspace(Path.cwd())
    folder = workspace.at_home(readings)
    asked = [option for option, given in (("marks", marks), ("truth", truth), ("references", references)) if given]
    if len(asked) > 1:
        raise ValueError(f"`reading` must be asked for one thing, got --{' and --'.join(asked)}; call it once for each")
    if marks:
        return mark_source(folder, Path(marks), table, column)
    if truth:
        params = read_params(workspace.params)
        return compare_with_truth(folder, Path(truth), Path(predictions) if predictions else None, Path(out), params.evaluate)
    if references:
        return store_references(references, workspace, read_params(workspace.params))
    return describe_readings(folder)
