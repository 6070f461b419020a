"""An open run: what a stage writes into, as long as its store answers."""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.addresses import mask
from hilum.records import Keep, make_now
from hilum.tracking.contact import Contact
from hilum.tracking.logged_metrics import FILES_ONLY
from hilum.tracking.logged_model import log_film_model, log_model
from hilum.tracking.run_tags import NOTE, stored

BATCH = 1000  # most metrics that MLflow takes in one call
LONGEST = 6000  # characters that a parameter's value may have
CONTEXT = "mlflow.data.context"  # tag of an input: train, val or test
MEASURED_ON = {"test": "test", "val": "val", "calibration": "val"}  # first part of a metric's name -> the films
OF_MODEL = (
    *MEASURED_ON,
    "explain",
    "audit",
    "external",
)  # first parts of a model's metrics; maps and audit use some test films


Point = tuple[str, int, float]  # of a curve: metric, step, value
P = ParamSpec("P")
T = TypeVar("T")


def _written(method: "Callable[Concatenate[Run, P], T]") -> "Callable[Concatenate[Run, P], T | None]":
    """Write into a run as long as its store answers; None when it does not, and results are only in files."""

    @functools.wraps(method)
    def write(run: "Run", *arguments: P.args, **named: P.kwargs) -> T | None:
        with run.contact.while_answered(), run.contact.asking(f"run {run.id}"):
            return method(run, *arguments, **named)
        return None

    return write


@dataclass(frozen=True)
class Run:
    """An open run: what a stage writes into. client is MLflow's; contact: whether its store still answers.

    points: those of its curves that it had when it was opened again. They are not written a second time. keep: of what the stage
    computes, as `KeptParts.keep`.
    """

    client: Any
    id: str
    contact: Contact
    points: frozenset[Point] = frozenset()
    keep: Keep = make_now

    @_written
    def tag(self, tags: Mapping[str, Any]) -> None:
        for key, value in stored(tags).items():
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
        """Every numeric column but `step` and FILES_ONLY as a metric, one point per row."""
        from mlflow.entities import Metric

        now = int(pd.Timestamp.now().timestamp() * 1000)
        self._send([Metric(key, value, now, step) for key, value, step in self._new(rows)])

    @_written
    def log_measured(self, rows: pd.DataFrame) -> None:
        """As `log_history`, and each metric of the model linked to the run's logged model and to the films it was measured on."""
        from mlflow.entities import Metric

        now = int(pd.Timestamp.now().timestamp() * 1000)
        run = self.client.get_run(self.id)
        models = [*run.outputs.model_outputs, *run.inputs.model_inputs]
        films = {tag.value: one.dataset for one in run.inputs.dataset_inputs for tag in one.tags if tag.key == CONTEXT}
        metrics = []
        for key, value, step in self._new(rows):
            part = key.partition("/")[0]
            on = films.get(MEASURED_ON.get(part, ""))
            of = models[0].model_id if models and part in OF_MODEL else None
            link = {"model_id": of, "dataset_name": on.name if on else None, "dataset_digest": on.digest if on else None}
            metrics.append(Metric(key, value, now, step, **(link if of else {})))
        self._send(metrics)

    def _new(self, rows: pd.DataFrame) -> Iterator[tuple[str, float, int]]:
        """The points of a table that the curves of a continued run do not have yet."""
        return (point for point in _points(rows) if (point[0], point[2], point[1]) not in self.points)

    def _send(self, metrics: list[Any]) -> None:
        for i in range(0, len(metrics), BATCH):
            self.client.log_batch(self.id, metrics=metrics[i : i + BATCH])

    @_written
    def log_folder(self, folder: Path, place: str) -> None:
        """Upload a folder into the run's artifacts under `place`."""
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
        entry = DatasetInput(data._to_mlflow_entity(), [InputTag(CONTEXT, context)])
        self.client.log_inputs(self.id, [entry])

    @_written
    def log_model(
        self,
        model: Any,
        example: NDArray[np.float32],
        probabilities: NDArray[np.float64],
        metadata: Mapping[str, Any],
        beside: Path,
        name: str,
    ) -> str:
        """Log a Keras model with signature, input example and metadata, and register it as `name`; returns the version.

        beside: a file stored with the model.
        """
        return log_model(self.client, self.id, model, example, probabilities, metadata, beside, name)

    @_written
    def log_film_model(self, file: Path, facts: Mapping[str, Any], metadata: Mapping[str, Any], name: str) -> str:
        """Log a model file as one that takes the bytes of films, and register it; returns the version. See `log_film_model`."""
        return log_film_model(self.client, self.id, file, facts, metadata, name)

    @_written
    def use_model(self, model_id: str) -> None:
        """Name a model that another run logged: that which this run measures."""
        from mlflow.entities import LoggedModelInput

        self.client.log_inputs(self.id, models=[LoggedModelInput(model_id)])

    def tags(self) -> dict[str, str]:
        """The run's tags; none where the store no longer answers."""
        return self._get_tags() or {}

    @_written
    def _get_tags(self) -> dict[str, str]:
        return dict(self.client.get_run(self.id).data.tags)

    @_written
    def experiment(self) -> str:
        """The number of the run's experiment."""
        return str(self.client.get_run(self.id).info.experiment_id)

    @_written
    def describe(self, text: str) -> None:
        """The run's description on its page, Markdown."""
        self.client.set_tag(self.id, NOTE, mask(text))

    @_written
    def describe_version(self, text: str) -> None:
        """The description of the registered version of this run's model, if it has one."""
        for version in self.client.search_model_versions(f"run_id = '{self.id}'"):
            self.client.update_model_version(version.name, version.version, mask(text))


def _points(rows: pd.DataFrame) -> list[tuple[str, float, int]]:
    """(metric, value, step) of every defined number, losses of training last: MLflow's comparison opens on the first metric."""
    found = [
        (str(key), float(value), int(row["step"]))
        for row in rows.to_dict("records")
        for key, value in row.items()
        if key not in ("step", *FILES_ONLY) and isinstance(value, int | float | np.number) and np.isfinite(value)
    ]
    return sorted(found, key=lambda point: point[0].startswith("train/"))
