"""A tracking store of one's own: making MLflow's tables takes seconds, so they are made once and copied."""

import functools
import json
import shutil
import tempfile
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import LoggedModelOutput

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


def log_files(client: mlflow.MlflowClient, experiment: str, model: Path, metadata: dict[str, object]) -> tuple[str, str]:
    """Put a file as it is into a store as the model of a new run; returns the ids of the run and of the model."""
    run = client.create_run(experiment)
    logged = client.create_logged_model(experiment, name="model", source_run_id=run.info.run_id)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "data").mkdir()
        shutil.copyfile(model, Path(folder) / "data" / "model.keras")
        (Path(folder) / "MLmodel").write_text(json.dumps({"flavors": {}, "metadata": metadata}))  # JSON is YAML
        client.log_model_artifacts(logged.model_id, folder)
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run.info.run_id, [LoggedModelOutput(logged.model_id, 0)])
    client.set_terminated(run.info.run_id)
    return run.info.run_id, logged.model_id
