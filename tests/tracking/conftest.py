"""A real MLflow on a store of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from empty_store import forget_environment, make_store
from mlflow_server import Server

from hilum.settings.params import Tracking
from hilum.tracking.open_run import Run
from hilum.tracking.opening import open_store
from hilum.tracking.store import Store
from hilum.workspace import Workspace


@pytest.fixture
def tracking() -> Tracking:
    return Tracking(experiment="hilum", model="hilum", tensorboard=False)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    forget_environment(monkeypatch)
    make_store(tmp_path)
    return Workspace(tmp_path, tmp_path)


@pytest.fixture
def store(workspace: Workspace, tracking: Tracking) -> Store:
    return open_store(workspace, tracking)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A tracking server for all tests of this folder; each writes into an experiment of its own."""
    made = Server(tmp_path_factory.mktemp("server"))
    made.begin()
    yield made
    made.die()


@pytest.fixture(params=["sqlite", "server"])
def either(request: pytest.FixtureRequest, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store in a file, and one behind a server; with an experiment and a registered model of the test's own name."""
    if request.param == "server":
        monkeypatch.setenv("MLFLOW_TRACKING_URI", request.getfixturevalue("server").uri)
    return open_store(workspace, Tracking(experiment=workspace.root.name, model=workspace.root.name, tensorboard=False))


@pytest.fixture
def run(store: Store) -> Run:
    return Run(store.client, store.client.create_run(store.experiment).info.run_id, store.contact)
