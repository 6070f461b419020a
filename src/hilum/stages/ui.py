"""ui: the runs in a browser: saves the views, starts MLflow's server on this machine, and prints the links of the views."""

import webbrowser
from pathlib import Path

from hilum.progress import say
from hilum.project.desktop import has_desktop
from hilum.settings.params import read_params
from hilum.tracking.connection import is_server
from hilum.tracking.links import PORT, page_address
from hilum.tracking.opening import open_store, store_uri
from hilum.tracking.saved_views import link_views, save_views
from hilum.tracking.ui_server import check_port, serve
from hilum.workspace import find_workspace


def run(port: str = str(PORT)) -> None:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    uri, number = store_uri(workspace), check_port(port)
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).is_file():
        raise ValueError(f"there must be runs to look at, but there is no {uri} yet; run `make repro` or `dvc repro` first")
    store = open_store(workspace, params.tracking, goes_on=False)
    base = page_address(uri, number)
    links = link_views(save_views(store), store.experiment, base) or {
        "Runs": f"{base}/#/experiments/{store.experiment}/runs?workflowType=machine_learning"
    }
    if is_server(uri):
        tell(links)
        return
    with serve(uri, number, workspace) as wait:
        tell(links)
        say("Ctrl-C ends the server")
        if has_desktop():
            webbrowser.open(next(iter(links.values())))
        wait()


def tell(links: dict[str, str]) -> None:
    """The links of the views, a line each."""
    for title, link in links.items():
        say(f"{title}: {link}")
