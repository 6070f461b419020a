"""A tracking store of one's own: making MLflow's tables takes seconds, so they are made once and copied."""

import functools
import shutil
import tempfile
from pathlib import Path

import mlflow
import pytest

VARIABLES = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_REGISTRY_URI",
    "MLFLOW_RUN_ID",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_HTTP_REQUEST_TIMEOUT",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR",
)


def forget_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset what names a store, and forget afterwards what MLflow itself writes into the environment."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@functools.cache
def template() -> Path:
    file = Path(tempfile.mkdtemp(prefix="hilum-store-")) / "mlflow.db"
    mlflow.MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


def make_store(home: Path) -> None:
    """Put an empty mlflow.db into a folder."""
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(template(), home / "mlflow.db")
