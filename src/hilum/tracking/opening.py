"""Opening the store of a project: its address, its experiment, the run that `mlflow run` opened."""

import os
from pathlib import Path
from typing import Any

from hilum.addresses import mask
from hilum.progress import say
from hilum.settings.params import Tracking
from hilum.tracking.connection import connect, first_contact, is_remote, is_server
from hilum.tracking.contact import READ, Contact
from hilum.tracking.moved_store import FOLDER, artifacts_beside
from hilum.tracking.store import Store
from hilum.workspace import Workspace


def store_uri(workspace: Workspace) -> str:
    """MLFLOW_TRACKING_URI, else MLflow's own default at home: mlflow.db with mlruns/ beside it."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{workspace.home / 'mlflow.db'}"


def open_store(workspace: Workspace, tracking: Tracking, goes_on: bool = True) -> Store:
    """Connect to the store to write runs; create the experiment if it is missing, or restore it if it was deleted.

    A run id in the environment (from `mlflow run`) becomes the parent: MLflow would resume that one run in every stage.
    goes_on: whether work continues, in files, when the store stops answering later.

    Raises:
        ValueError: the store does not answer, or is not a store.
    """
    parent = os.environ.pop("MLFLOW_RUN_ID", None)
    uri = store_uri(workspace)
    client = connect(uri)
    with first_contact(uri):
        known = _find_experiment(client, tracking)
        if known is None:
            name = _name_experiment(tracking)
            known = client.get_experiment(client.create_experiment(name, artifact_location=_place_of(uri, name, workspace.home)))
        if known.lifecycle_stage == "deleted":
            client.restore_experiment(known.experiment_id)
            say(f"the experiment {known.name} had been deleted; it is restored with its runs, and new ones are added")
        if "mlflow.experimentKind" not in known.tags:  # `mlflow ui` opens on runs, not on chats
            client.set_experiment_tag(known.experiment_id, "mlflow.experimentKind", "custom_model_development")
    return Store(client, str(known.experiment_id), parent, Contact(mask(uri), goes_on))


def read_client(workspace: Workspace) -> Any:
    """MLflow's client of an existing store, for verbs that read: nothing is created, restored or changed in it.

    Only if its project was moved are its artifact paths updated first (`connect`), or none could be read.

    Raises:
        ValueError: there is no store yet, it does not answer, or is not a store.
    """
    uri = store_uri(workspace)
    file = Path(uri.removeprefix("sqlite:///"))
    if uri.startswith("sqlite:///") and not file.is_file():
        raise ValueError(
            f"a run or a registered model must be in the tracking store, but there is no {mask(uri)} yet; run `hilum publish` "
            "where there are results, or name a file results/arms/<arm>/training/model.keras"
        )
    return connect(uri, READ)


def read_store(workspace: Workspace, tracking: Tracking) -> Store | None:
    """The store for verbs that read; None where it has no such experiment.

    Raises:
        ValueError: as `read_client`.
    """
    client, uri = read_client(workspace), store_uri(workspace)
    with first_contact(uri, without=READ):
        known = _find_experiment(client, tracking)
    return None if known is None else Store(client, str(known.experiment_id), None, Contact(mask(uri), goes_on=False))


def _find_experiment(client: Any, tracking: Tracking) -> Any:
    """The experiment that the environment names, else that of `tracking`, a deleted one included; None if there is none."""
    number = os.environ.get("MLFLOW_EXPERIMENT_ID")
    return client.get_experiment(number) if number else client.get_experiment_by_name(_name_experiment(tracking))


def _name_experiment(tracking: Tracking) -> str:
    return os.environ.get("MLFLOW_EXPERIMENT_NAME") or tracking.experiment


def _place_of(uri: str, experiment: str, home: Path) -> str | None:
    """Where an experiment keeps artifacts: in mlruns/ beside a database file, or at home where a database is on a network.

    For the latter MLflow takes the working folder, which may be a copy for one run. None leaves the place to MLflow's server.
    """
    if uri.startswith("sqlite:///"):
        return (artifacts_beside(Path(uri.removeprefix("sqlite:///"))) / experiment).as_uri()
    if is_remote(uri) and not is_server(uri):
        return (home.resolve() / FOLDER / experiment).as_uri()
    return None
