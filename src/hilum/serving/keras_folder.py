"""A folder of films under a Keras model: predictions, and panels by the methods asked for, by this process or by workers."""

from pathlib import Path
from typing import Any

from hilum.loading import loading
from hilum.serving.folder import panels_beside, predict_folder
from hilum.serving.folder_workers import Served, Workers, start_workers
from hilum.serving.model_facts import Told
from hilum.workspace import find_workspace


def predict_by_keras(
    model: str, images: Path, out: Path, methods: str, told: Told, chosen: Workers, option: str = "--explain"
) -> dict[str, Any]:
    """Predict every film below a folder and draw panels; the counts of `predict_folder`.

    methods: of the panels, with commas; empty: none. option: that which names them, for messages.
    """
    with loading():  # here, because an exported model is predicted without TensorFlow
        from hilum.explain.methods.registry import METHODS
        from hilum.serving.folder_panels import Panels
        from hilum.serving.opening import check_names, choose_methods, open_served
        from hilum.serving.verdicts import read_verdicts
        from hilum.settings.params import read_params
        from hilum.training.learning.fit import begin_training

    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    check_names(option, methods, list(METHODS))
    if chosen.threads:
        begin_training(params.explain.seed, chosen.threads)
    with open_served(model, workspace, params, told) as (explained, described):
        names, _ = choose_methods(option, methods, explained, params.explain, sheets=False)
        panels, verdicts = None, {}
        if names:
            known = read_verdicts(model, described, explained.background, params.explain, workspace, params.tracking)
            verdicts = {name: known.get(name, "") for name in names}
            panels = Panels(panels_beside(out), explained, described, verdicts, params.explain, params.explain.seed)
        served = Served(model, told, "keras", chosen.threads, workspace, params, verdicts, panels_beside(out))
        with start_workers(chosen, served, params.tune.dask) as run_batches:
            return predict_folder(explained.predict, described, images, out, panels, run_batches)
