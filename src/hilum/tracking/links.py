"""Addresses of pages of MLflow's interface: of a saved view, of the comparison of some runs."""

import json
from collections.abc import Sequence
from urllib.parse import quote, urlencode

from hilum.tracking.connection import is_server, without_login

PORT = 5000  # of the server that `hilum ui` and `mlflow ui` start
HOST = "127.0.0.1"


def page_address(uri: str, port: int = PORT) -> str:
    """Where the pages of a store are: at its server, else at one that `hilum ui` starts on this machine."""
    return without_login(uri).rstrip("/") if is_server(uri) else f"http://{HOST}:{port}"


def view_link(base: str, experiment: str, key: str, charts: bool) -> str:
    """A saved view. charts: opened on its charts, else on its table."""
    asked = {"workflowType": "machine_learning", "viewStateShareKey": key, **({"compareRunsMode": "CHART"} if charts else {})}
    return f"{base}/#/experiments/{experiment}/runs?{urlencode(asked)}"


def compare_link(base: str, experiment: str, runs: Sequence[str]) -> str:
    """MLflow's comparison of these runs: parameters, metrics and pictures side by side."""
    asked = {"runs": json.dumps(list(runs), separators=(",", ":")), "experiments": json.dumps([experiment])}
    return f"{base}/#/compare-runs?{urlencode(asked, quote_via=quote)}&workflowType=machine_learning"
