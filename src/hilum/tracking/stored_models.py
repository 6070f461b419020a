"""Models that a store holds: found by their name or run, and fetched; nothing in the store is changed."""

import shutil
from pathlib import Path
from typing import Any

from hilum.addresses import mask
from hilum.tracking.opening import read_client, store_uri
from hilum.workspace import Workspace

MODEL, RUN = "models:/", "runs:/"  # prefixes of addresses in a store
DESCRIPTION, MAX_DESCRIPTION = "MLmodel", 2**20  # bytes; hilum's own need 3 kB


def find_model(uri: str, workspace: Workspace) -> str:
    """The store's own address of a model: `models:/hilum@champion`, `models:/hilum/3`, or of a run's model `models:/m-...`.

    uri: one of these, a run's id, `runs:/<id>` or `runs:/<id>/<name of the model>`.

    Raises:
        ValueError: the store has no such model or run, or the run has no model; or it does not answer.
    """
    client = read_client(workspace)
    from mlflow.exceptions import MlflowException

    try:
        if uri.startswith(MODEL):
            _look_up(client, uri.removeprefix(MODEL))
            return uri
        run_id, _, name = uri.removeprefix(RUN).partition("/")
        outputs = [output.model_id for output in client.get_run(run_id).outputs.model_outputs]
        if name:
            outputs = [model_id for model_id in outputs if client.get_logged_model(model_id).name == name]
    except MlflowException as error:
        raise ValueError(f"--model must name a file, a run or a registered model, got {uri!r}: {mask(error.message)}") from None
    if not outputs:
        what = f"none of the name {name}" if name else "none"
        raise ValueError(f"a run must hold a model, but run {run_id} has {what}; name the run of an arm")
    return f"{MODEL}{outputs[0]}"


def _look_up(client: Any, address: str) -> None:
    """Let MLflow raise if the model does not exist."""
    name, at, alias = address.partition("@")
    name, slash, version = (name, "", "") if at else name.partition("/")
    if at:
        client.get_model_version_by_alias(name, alias)
    elif slash:
        client.get_model_version(name, version)
    else:
        client.get_logged_model(name)


def fetch_model(uri: str, workspace: Workspace, into: Path) -> tuple[Path, dict[str, Any]]:
    """Copy a logged model, named as `find_model` takes it, into a folder. Nothing of it is loaded.

    Returns the folder with model.keras and the files stored with it, and the facts of its model.json.

    Raises:
        ValueError: the store has no such model or run, the model's files are missing, or they do not describe one.
    """
    address = find_model(uri, workspace)
    import mlflow.artifacts
    from mlflow.exceptions import MlflowException

    try:
        folder = Path(mlflow.artifacts.download_artifacts(address, dst_path=str(into)))
    except MlflowException as error:
        raise ValueError(f"--model must name a file, a run or a registered model, got {uri!r}: {mask(error.message)}") from None
    if not (folder / "data" / "model.keras").is_file():
        raise ValueError(
            f"the files of a model must be where its store says, but those of {uri!r} in {mask(store_uri(workspace))} are gone; "
            "restore mlruns/ beside mlflow.db, or name a file results/arms/<arm>/training/model.keras"
        )
    shutil.copy(folder / "data" / "model.keras", folder / "model.keras")
    return folder, _read_facts(folder / DESCRIPTION, uri)


def _read_facts(file: Path, uri: str) -> dict[str, Any]:
    """The `metadata` of the model's description: classes, size and so on."""
    from mlflow.models import Model

    size = file.stat().st_size if file.is_file() else 0
    told = f"the {DESCRIPTION} of a model in the store must be MLflow's own, of at most {MAX_DESCRIPTION:,} bytes, got"
    if not 0 < size <= MAX_DESCRIPTION:
        raise ValueError(f"{told} {size:,} in {uri}; log the model again")
    try:
        return dict(Model.load(str(file.parent)).metadata or {})
    except Exception as fault:  # whatever YAML and MLflow raise on an edited file, too deep ones included
        reason = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
        raise ValueError(f"{told} one that cannot be read in {uri} ({mask(reason)[:200]}); log the model again") from None
