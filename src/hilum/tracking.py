"""The only door to MLflow: one store, runs that end as they should, and what can be written into them."""

import functools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.addresses import mask
from hilum.contact import Contact, connect, first_contact
from hilum.moved_store import artifacts_beside, local_folder
from hilum.ownership import has_ended, read_owner, this_process
from hilum.progress import say
from hilum.settings.params import Tracking
from hilum.workspace import Workspace

BATCH = 1000  # most metrics that MLflow takes in one call
LONGEST = 6000  # characters that a parameter's value may have
OWNER = "owner"  # tag of a run as long as it is open: the process that writes into it


P = ParamSpec("P")
T = TypeVar("T")


def _written(method: "Callable[Concatenate[Run, P], T]") -> "Callable[Concatenate[Run, P], T | None]":
    """Write into a run as long as its store answers; None when it does not, and what a stage makes is in its files only."""

    @functools.wraps(method)
    def write(run: "Run", *arguments: P.args, **named: P.kwargs) -> T | None:
        with run.contact.while_answered(), run.contact.asking(f"run {run.id}"):
            return method(run, *arguments, **named)
        return None

    return write


@dataclass(frozen=True)
class Run:
    """An open run: what a stage writes into. client is MLflow's; contact: whether its store still answers."""

    client: Any
    id: str
    contact: Contact

    @_written
    def tag(self, tags: Mapping[str, Any]) -> None:
        for key, value in tags.items():
            self.client.set_tag(self.id, key, mask(str(value)))

    @_written
    def log_params(self, params: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        known = self.client.get_run(self.id).data.params
        shown = {key: mask(str(value))[:LONGEST] for key, value in params.items()}
        new = [Param(key, value) for key, value in shown.items() if known.get(key) != value]
        for i in range(0, len(new), 100):
            self.client.log_batch(self.id, params=new[i : i + 100])

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Values that are NaN (undefined) are left out: MLflow would draw them as numbers."""
        self.log_history(pd.DataFrame([{"step": step, **metrics}]))

    @_written
    def log_history(self, rows: pd.DataFrame) -> None:
        """Every numeric column but `step` as a metric, one point per row."""
        from mlflow.entities import Metric

        now = int(pd.Timestamp.now().timestamp() * 1000)
        points = [
            Metric(str(key), float(value), now, int(row["step"]))
            for row in rows.to_dict("records")
            for key, value in row.items()
            if key != "step" and isinstance(value, int | float | np.number) and np.isfinite(value)
        ]
        for i in range(0, len(points), BATCH):
            self.client.log_batch(self.id, metrics=points[i : i + BATCH])

    @_written
    def log_folder(self, folder: Path, place: str) -> None:
        """Upload a folder: it stands in the run's artifacts under `place`."""
        self.client.log_artifacts(self.id, str(folder), place)

    @_written
    def log_file(self, file: Path, place: str) -> None:
        """Upload a file into the folder `place` of the run's artifacts."""
        self.client.log_artifact(self.id, str(file), place)

    @_written
    def log_dict(self, values: Mapping[str, Any], place: str) -> None:
        self.client.log_dict(self.id, dict(values), place)

    @_written
    def log_image(self, image: NDArray[np.uint8], key: str) -> None:
        """A picture that `mlflow ui` shows beside the same key of other runs; image: (H, W, 3) uint8."""
        self.client.log_image(self.id, image, key=key, step=0)

    @_written
    def log_data(self, table: pd.DataFrame, name: str, context: str, digest: str) -> None:
        """Name the films that were used as an input of the run."""
        from mlflow.data.code_dataset_source import CodeDatasetSource
        from mlflow.data.pandas_dataset import PandasDataset
        from mlflow.entities import DatasetInput, InputTag

        source = CodeDatasetSource({"file": f"data/split/{context}.csv"})
        data = PandasDataset(table, source=source, name=name, digest=digest)
        entry = DatasetInput(data._to_mlflow_entity(), [InputTag("mlflow.data.context", context)])
        self.client.log_inputs(self.id, [entry])

    @_written
    def log_model(
        self,
        model: Any,
        example: NDArray[np.float32],
        answer: NDArray[np.float64],
        metadata: Mapping[str, Any],
        beside: Path,
        name: str,
    ) -> str:
        """Log a Keras model with signature, input example and metadata, and register it as `name`; returns the version.

        beside: a file that travels with the model.
        """
        import keras
        import mlflow.keras
        from mlflow.entities import LoggedModelOutput
        from mlflow.exceptions import MlflowException
        from mlflow.models import Model, infer_signature

        run = self.client.get_run(self.id)
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "model"
            place.mkdir()  # mlflow.keras 3.17 writes the example before it makes the folder
            import tensorflow

            needs = [f"keras=={keras.__version__}", f"tensorflow=={tensorflow.__version__}", f"numpy=={np.__version__}"]
            signature = infer_signature(example, answer.astype(np.float32))
            mlflow.keras.save_model(
                model, str(place), input_example=example, signature=signature, pip_requirements=needs, metadata=dict(metadata)
            )
            logged = self.client.create_logged_model(run.info.experiment_id, name="model", source_run_id=self.id)
            description = Model.load(str(place))
            description.run_id, description.model_id = self.id, logged.model_id
            description.artifact_path = logged.artifact_location
            description.save(str(place / "MLmodel"))
            shutil.copy(beside, place / beside.name)
            self.client.log_model_artifacts(logged.model_id, str(place))
        self.client.finalize_logged_model(logged.model_id, "READY")
        self.client.log_outputs(self.id, [LoggedModelOutput(logged.model_id, 0)])
        try:
            self.client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        version = self.client.create_model_version(
            name, f"models:/{logged.model_id}", run_id=self.id, model_id=logged.model_id, tags={"run_key": metadata["run_key"]}
        )
        return str(version.version)


@dataclass(frozen=True)
class Store:
    """The tracking store of a project: where runs are found and opened. parent: the run that `mlflow run` opened, if any."""

    client: Any
    experiment: str
    parent: str | None
    contact: Contact

    @contextmanager
    def start(self, name: str, tags: Mapping[str, Any], parent: str | None = None) -> Iterator[Run]:
        """Open a run; it ends FINISHED, KILLED if interrupted, or FAILED. Runs of dead owners that it replaces end first."""
        if parent is None:
            self.close_left(tags)
        above = parent or self.parent
        all_tags = {"mlflow.source.name": "hilum", "mlflow.source.type": "PROJECT", OWNER: this_process().record(), **tags}
        if above:
            all_tags["mlflow.parentRunId"] = above
        run_id = ""
        with self.contact.while_answered(), self.contact.asking(f"run {name}"):
            shown = {key: mask(str(value)) for key, value in all_tags.items()}
            run_id = self.client.create_run(self.experiment, run_name=name, tags=shown).info.run_id
        with self._until_end(run_id):
            yield Run(self.client, run_id, self.contact)

    @contextmanager
    def resume(self, run_id: str) -> Iterator[Run]:
        """Write into a run that has ended; it ends again as `start` says."""
        with self.contact.while_answered(), self.contact.asking(f"run {run_id}"):
            self.client.set_tag(run_id, OWNER, this_process().record())
            self.client.update_run(run_id, status="RUNNING")
        with self._until_end(run_id):
            yield Run(self.client, run_id, self.contact)

    @contextmanager
    def _until_end(self, run_id: str) -> Iterator[None]:
        status = "FAILED"
        try:
            yield
            status = "FINISHED"
        except (KeyboardInterrupt, SystemExit):
            status = "KILLED"
            raise
        finally:
            with self.contact.while_answered(), self.contact.asking(f"the end of run {run_id}"):
                self.client.set_terminated(run_id, status)
                self.client.delete_tag(run_id, OWNER)

    def close_left(self, tags: Mapping[str, Any]) -> None:
        """End what runs of this role and arm, and those below them, a process of this host left RUNNING when it was killed."""
        question = " and ".join(["attributes.status = 'RUNNING'", *_conditions({k: tags[k] for k in ("arm",) if k in tags})])
        with self.contact.while_answered(), self.contact.asking("the runs that are left open"):
            left = {}
            for run in self.client.search_runs([self.experiment], question):
                owner = read_owner(run.data.tags.get(OWNER, ""))
                if owner and has_ended(owner):
                    left[run.info.run_id] = run, owner
            own = {run_id for run_id, (run, _) in left.items() if run.data.tags.get("role") == tags.get("role")}
            for run_id, (run, owner) in left.items():
                if run_id in own or run.data.tags.get("mlflow.parentRunId") in own:
                    self.client.set_terminated(run_id, "KILLED")
                    say(f"run {run.info.run_name} is closed as KILLED: {owner} has ended without doing so")

    def find(self, tags: Mapping[str, str]) -> list[Any]:
        """Runs of the experiment with all these tags, newest first, deleted ones excluded."""
        with self.contact.asking("runs of before"):
            question = " and ".join(_conditions(tags))
            return list(self.client.search_runs([self.experiment], question, order_by=["attributes.start_time DESC"]))

    def keeps(self, run: Any) -> bool:
        """Whether a run's artifacts lie where this project's do: not if it was copied here without them."""
        with self.contact.asking("the place of artifacts"):
            beside = local_folder(self.client.get_experiment(self.experiment).artifact_location)
        place = local_folder(run.info.artifact_uri)
        return beside is None or place is None or beside in place.parents

    def fetch(self, run_id: str, place: str, into: Path) -> Path | None:
        """Copy an artifact of a run into a folder; None if the run has none there.

        Raises:
            ValueError: the store does not answer.
        """
        with self.contact.asking(f"the artifacts of run {run_id}"):
            above = place.rpartition("/")[0]
            if place not in {entry.path for entry in self.client.list_artifacts(run_id, above or None)}:
                return None
            return Path(self.client.download_artifacts(run_id, place, str(into)))

    def link(self, run_id: str) -> None:
        """Note in the run of `mlflow run` that it used this run, which an earlier call made."""
        if not self.parent or self.parent == run_id:
            return
        with self.contact.while_answered(), self.contact.asking(f"run {run_id}"):
            run = self.client.get_run(run_id)
            if run.data.tags.get("mlflow.parentRunId") != self.parent:
                known = self.client.get_run(self.parent).data.tags.get("reused_runs", "").split()
                self.client.set_tag(self.parent, "reused_runs", " ".join(dict.fromkeys([*known, run_id])))

    def versions(self, model: str, run_key: str) -> list[str]:
        """Registered versions of the model made from runs with this key."""
        with self.contact.asking(f"the versions of {model}"):
            found = self.client.search_model_versions(f"name = '{model}'")
        return [str(version.version) for version in found if version.tags.get("run_key") == run_key]

    def champion(self, model: str) -> str | None:
        """The version that the alias `champion` names, None if there is none or no such model.

        Raises:
            ValueError: the store does not answer, so that there may be one.
        """
        from mlflow.exceptions import MlflowException

        with self.contact.asking(f"the champion of {model}"):
            try:  # asked for the alias, MLflow says of a missing one what it says of a wrong question
                version = self.client.get_registered_model(model).aliases.get("champion")
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                return None
        return None if version is None else str(version)

    def crown(self, model: str, version: str) -> None:
        with self.contact.asking(f"the champion of {model}"):
            self.client.set_registered_model_alias(model, "champion", version)


def _conditions(tags: Mapping[str, Any]) -> list[str]:
    return [f"tags.`{key}` = '{value}'" for key, value in tags.items()]


def store_uri(workspace: Workspace) -> str:
    """MLFLOW_TRACKING_URI, else MLflow's own default at home: mlflow.db with mlruns/ beside it."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{workspace.home / 'mlflow.db'}"


def open_store(workspace: Workspace, tracking: Tracking, goes_on: bool = True) -> Store:
    """Connect to the store and make the experiment if it is not there, or bring it back if it was deleted.

    A run id in the environment (from `mlflow run`) becomes the parent: MLflow would resume that one run in every stage.
    goes_on: whether work goes on, in files, when the store stops answering later.

    Raises:
        ValueError: the store does not answer, or is none.
    """
    parent = os.environ.pop("MLFLOW_RUN_ID", None)
    uri = store_uri(workspace)
    client = connect(uri)
    with first_contact(uri):
        number = os.environ.get("MLFLOW_EXPERIMENT_ID")
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or tracking.experiment
        known = client.get_experiment(number) if number else client.get_experiment_by_name(name)
        if known is None:
            known = client.get_experiment(client.create_experiment(name, artifact_location=_beside(uri, name)))
        if known.lifecycle_stage == "deleted":
            client.restore_experiment(known.experiment_id)
            say(f"the experiment {known.name} had been deleted; it is restored with its runs, as new ones belong beside them")
        if "mlflow.experimentKind" not in known.tags:  # `mlflow ui` opens on runs, not on chats
            client.set_experiment_tag(known.experiment_id, "mlflow.experimentKind", "custom_model_development")
    return Store(client, str(known.experiment_id), parent, Contact(mask(uri), goes_on))


def _beside(uri: str, experiment: str) -> str | None:
    """mlruns/ beside the store's database file; None leaves the place to the server."""
    if not uri.startswith("sqlite:///"):
        return None
    return (artifacts_beside(Path(uri.removeprefix("sqlite:///"))) / experiment).as_uri()


def find_model(uri: str, workspace: Workspace, tracking: Tracking) -> str:
    """The store's own address of a model: `models:/hilum@champion`, `models:/hilum/3`, or for a run id `models:/m-...`.

    Raises:
        ValueError: the store has no such model or run, or the run has no model; or it does not answer.
    """
    client = open_store(workspace, tracking).client
    from mlflow.exceptions import MlflowException

    try:
        if uri.startswith("models:/"):
            name, at, alias = uri.removeprefix("models:/").partition("@")
            name, slash, version = (name, "", "") if at else name.partition("/")
            if at:
                client.get_model_version_by_alias(name, alias)
            elif slash:
                client.get_model_version(name, version)
            else:
                client.get_logged_model(name)
            return uri
        outputs = client.get_run(uri).outputs.model_outputs
    except MlflowException as error:
        raise ValueError(f"--model must name a file, a run or a registered model, got {uri!r}: {mask(error.message)}") from None
    if not outputs:
        raise ValueError(f"a run must hold a model, but run {uri} has none; name the run of an arm")
    return f"models:/{outputs[0].model_id}"


def fetch_model(uri: str, workspace: Workspace, tracking: Tracking, into: Path) -> tuple[Path, dict[str, Any]]:
    """Copy a logged model (`models:/hilum@champion`, `models:/hilum/3` or a run id) into a folder.

    Returns the folder with model.keras and what travelled beside it, and the facts of its model.json.

    Raises:
        ValueError: the store has no such model or run, or not the files of the model.
    """
    address = find_model(uri, workspace, tracking)
    import mlflow.artifacts
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model

    try:
        folder = Path(mlflow.artifacts.download_artifacts(address, dst_path=str(into)))
    except MlflowException as error:
        raise ValueError(f"--model must name a file, a run or a registered model, got {uri!r}: {mask(error.message)}") from None
    if not (folder / "data" / "model.keras").is_file():
        raise ValueError(
            f"the files of a model must lie where its store says, but those of {uri!r} in {mask(store_uri(workspace))} are gone; "
            "bring mlruns/ back beside mlflow.db, or name a file results/arms/<arm>/training/model.keras"
        )
    shutil.copy(folder / "data" / "model.keras", folder / "model.keras")
    return folder, dict(Model.load(str(folder)).metadata or {})
