"""Runs of arms in the store, of any experiment, and the files that a comparison reads from them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from hilum.addresses import mask
from hilum.tracking.moved_store import local_folder
from hilum.tracking.opening import read_client
from hilum.workspace import Workspace

WANTED = {  # folder of a run's artifacts -> its files that a comparison reads
    "data": ("*.json",),
    "training": ("*.json", "*.csv"),
    "evaluation": ("*.json", "*.csv", "curves.png"),
    "explanations": ("*.json", "*.csv", "*.npz"),
    "audit": ("*.json",),
    "audit/keys": ("audit.png",),
}
PAGE = 100  # runs per question


@dataclass(frozen=True)
class FoundRun:
    """One run: its id, name and experiment, when it started (ISO, UTC), and where its artifacts are."""

    run_id: str
    name: str
    experiment: str
    started: str
    artifacts: str


def look_up_run(workspace: Workspace, run_id: str) -> FoundRun:
    """The run of this id. Raises ValueError: the store has none, or there is no store."""
    client = read_client(workspace)
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id.removeprefix("runs:/"))
    except MlflowException as error:
        raise ValueError(
            f"RUN must be the id of a run in the store, a results folder or an arm with results, got {run_id!r}: "
            f"{mask(error.message)}"
        ) from None
    return _describe(client, run)


def search_arms(workspace: Workspace, where: str, most: int) -> list[FoundRun]:
    """The runs of arms that a search finds, of all experiments, the oldest first; `most` + 1 at most.

    where: in MLflow's words, such as `params.backbone = 'mobilenet'`.

    Raises:
        ValueError: MLflow cannot read the search, or there is no store.
    """
    client = read_client(workspace)
    from mlflow.exceptions import MlflowException

    experiments = [one.experiment_id for one in client.search_experiments()]
    question = f"tags.role = 'arm' and attributes.status = 'FINISHED'{f' and {where}' if where else ''}"
    found: list[Any] = []
    token = None
    try:
        while len(found) <= most:
            page = client.search_runs(
                experiments, question, max_results=PAGE, order_by=["attributes.start_time ASC"], page_token=token
            )
            found += page
            token = page.token
            if not token:
                break
    except MlflowException as error:
        raise ValueError(f"--where must be a search of runs in MLflow's words, got {where!r}: {mask(error.message)}") from None
    return [_describe(client, run) for run in found[: most + 1]]


def fetch_results(workspace: Workspace, run: FoundRun, into: Path) -> Path:
    """The folder with a run's results: its own artifacts where they are on this machine, else what a comparison needs, copied."""
    here = local_folder(run.artifacts)
    if here is not None:
        return here
    client = read_client(workspace)
    for folder, patterns in WANTED.items():
        for place in _matching(client, run.run_id, folder, patterns):
            client.download_artifacts(run.run_id, place, str(into))
    return into


def _matching(client: Any, run_id: str, folder: str, patterns: Sequence[str]) -> Iterator[str]:
    for entry in client.list_artifacts(run_id, folder):
        if not entry.is_dir and any(fnmatch(entry.path.rpartition("/")[2], pattern) for pattern in patterns):
            yield entry.path


def _describe(client: Any, run: Any) -> FoundRun:
    from datetime import UTC, datetime

    started = datetime.fromtimestamp(run.info.start_time / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    experiment = client.get_experiment(run.info.experiment_id).name
    return FoundRun(run.info.run_id, run.info.run_name or run.info.run_id[:8], experiment, started, run.info.artifact_uri)
