"""Runs of arms in the store, of any experiment, and the files that a comparison reads from them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import product
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
    "evaluation/repeats": ("*.csv",),
    "explanations": ("*.json", "*.csv", "*.npz"),
    "audit": ("*.json",),
    "audit/keys": ("audit.png",),
}
PAGE = 100  # runs per question
SEVERAL = 5  # runs that an error lists
WHOLE_ID = re.compile("[0-9a-f]{32}")
START_OF_ID = re.compile("[0-9a-f]{4,31}")
RULE = "RUN must be the id of a run in the store, its first characters, its name, a results folder or an arm with results"


@dataclass(frozen=True)
class FoundRun:
    """One run: its id, name and experiment, when it started (ISO, UTC), where its artifacts are, and its status and role."""

    run_id: str
    name: str
    experiment: str
    started: str
    artifacts: str
    status: str
    role: str


def look_up_run(workspace: Workspace, name: str) -> FoundRun:
    """The run of this id, of the only id that starts like this, or of this name if no other run has it.

    Raises:
        ValueError: the store has none or several, it was deleted, or there is no store.
    """
    client = read_client(workspace)
    from mlflow.exceptions import MlflowException

    wanted = name.removeprefix("runs:/").strip("/")
    try:
        found = [client.get_run(wanted)] if WHOLE_ID.fullmatch(wanted) else _find_alike(client, wanted)
    except MlflowException as error:
        raise ValueError(f"{RULE}, got {mask(name)!r}: {mask(error.message)}") from None
    if not found:
        raise ValueError(
            f"{RULE}, got {mask(name)!r}: the store has no run whose id starts like this or that has this name; "
            "`hilum ui` shows its runs"
        )
    if len(found) > 1:
        several = ", ".join(f"{one.run_id[:8]} ({one.name}, {one.started})" for one in (_describe(client, one) for one in found))
        count = f"at least {SEVERAL}" if len(found) == SEVERAL else str(len(found))
        raise ValueError(f"RUN must name one run, but {name!r} is {count} of the store: {several}; give more of the id")
    info = found[0].info
    if info.lifecycle_stage == "deleted":
        raise ValueError(
            f"a run must not be deleted to be compared, but {info.run_id} is; leave it out, or restore it by "
            f"`mlflow runs restore --run-id {info.run_id}`"
        )
    return _describe(client, found[0])


def _find_alike(client: Any, wanted: str) -> list[Any]:
    """Runs whose id starts like this, else runs of arms with this name; deleted ones if no other is. SEVERAL at most."""
    from mlflow.entities import ViewType

    experiments = [one.experiment_id for one in client.search_experiments()]
    questions = [f"attributes.run_id LIKE '{wanted}%'"] if START_OF_ID.fullmatch(wanted) else []
    if "'" not in wanted and "\\" not in wanted:  # which MLflow's search cannot quote
        questions.append(f"attributes.run_name = '{wanted}' and tags.role = 'arm'")
    for view, question in product((ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY), questions):
        if found := client.search_runs(experiments, question, run_view_type=view, max_results=SEVERAL):
            return list(found)
    return []


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
        (into / folder).mkdir(parents=True, exist_ok=True)
        for place in _matching(client, run.run_id, folder, patterns):
            client.download_artifacts(run.run_id, place, str(into / folder))  # MLflow puts a file below no folder of its own
    return into


def _matching(client: Any, run_id: str, folder: str, patterns: Sequence[str]) -> Iterator[str]:
    for entry in client.list_artifacts(run_id, folder):
        if not entry.is_dir and any(fnmatch(entry.path.rpartition("/")[2], pattern) for pattern in patterns):
            yield entry.path


def _describe(client: Any, run: Any) -> FoundRun:
    from datetime import UTC, datetime

    started = datetime.fromtimestamp(run.info.start_time / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    experiment = client.get_experiment(run.info.experiment_id).name
    role = run.data.tags.get("role", "")
    name = run.info.run_name or run.info.run_id[:8]
    return FoundRun(run.info.run_id, name, experiment, started, run.info.artifact_uri, run.info.status, role)
