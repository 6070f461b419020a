"""app: the reading room in a browser: a film, each model's prediction and maps, the reader's mark; on this machine alone."""

import importlib
import webbrowser
from pathlib import Path
from threading import Timer

from hilum.loading import loading
from hilum.project.clone import check_full_path
from hilum.project.desktop import has_desktop
from hilum.project.names import check_names
from hilum.serving.model_facts import Told
from hilum.settings.params import read_params
from hilum.workspace import find_workspace

READINGS = "readings"  # folder at home
SOON = 1.0  # seconds until the browser is opened


def run(
    model: str = "",
    beside: str = "",
    films: str = "",
    readings: str = "",
    port: str = "8501",
    address: str = "127.0.0.1",
    let_others_in: bool = False,
    classes: str = "",
    size: str = "",
    square: str = "",
    scaling: str = "",
    threshold: str = "",
) -> None:
    with loading():
        from hilum.app.known_models import list_models
        from hilum.app.server import check_address, check_port, serve
        from hilum.app.startup import Startup

        importlib.import_module("streamlit")  # an extra: where it is missing, before anything is opened
        importlib.import_module("hilum.app.session")  # TensorFlow, so that the first page needs no seconds for it

    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    told = Told(classes, size, square, scaling, threshold)
    if beside and not model:
        raise ValueError("--beside must have a --model beside it, got none; name one")
    if beside:
        check_names({"model": beside}, "app")
    if films:
        check_full_path(workspace.root, "--films", films)
        if not Path(films).is_dir():
            raise ValueError(f"--films must be a folder of films, got {films}, which is none")
    at, where = check_address(address, let_others_in), str(workspace.at_home(readings or READINGS))
    chosen = tuple(name for name in (model, beside) if name)
    offered = () if let_others_in and chosen else tuple(list_models(workspace, params.tracking.model))
    begun = Startup(
        str(workspace.root),
        chosen,
        offered,
        told,
        str(Path(films).resolve()) if films else "",
        where,
        shared=let_others_in,
    )
    number = check_port(port, at)
    if has_desktop():
        Timer(SOON, webbrowser.open, (f"http://{at}:{number}",)).start()
    serve(begun, at, number)
