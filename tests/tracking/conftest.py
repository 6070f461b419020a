"""A real MLflow on a store of the test's own."""

from pathlib import Path

import pytest
from empty_store import forget_environment, make_store

from hilum.settings.params import Tracking
from hilum.tracking.open_run import Run
from hilum.tracking.opening import open_store
from hilum.tracking.store import Store
from hilum.workspace import Workspace


@pytest.fixture
def tracking() -> Tracking:
    return Tracking(experiment="hilum", model="hilum")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    forget_environment(monkeypatch)
    make_store(tmp_path)
    return Workspace(tmp_path, tmp_path)


@pytest.fixture
def store(workspace: Workspace, tracking: Tracking) -> Store:
    return open_store(workspace, tracking)


@pytest.fixture
def run(store: Store) -> Run:
    return Run(store.client, store.client.create_run(store.experiment).info.run_id, store.contact)
