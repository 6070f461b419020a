"""One or two models as the app serves them: opened once, with what its run says of calibration and of its methods."""

import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hilum.explain.explained_model import ExplainedModel, Predict
from hilum.records import Images, Probabilities
from hilum.results import read_json
from hilum.serving.model_facts import Told
from hilum.serving.model_files import names_file
from hilum.serving.opening import open_served
from hilum.serving.verdicts import read_verdicts
from hilum.settings.params import Params, Tracking
from hilum.tracking.opening import read_store
from hilum.workspace import Workspace

CALIBRATION = "calibration.json"


@dataclass(frozen=True)
class ServedModel:
    """A model that was opened.

    address: as `--model` names it. described: its facts: classes, size, square, threshold, model_sha256, data_version and more.
    verdicts: method -> the sanity gate's verdict; a method that was not tested is left out. calibration: in words. registered:
    its versions in the store, if any.
    watched: the function that `explained.predict` is. busy: held while a method that evaluates many copies of a film runs.
    """

    address: str
    explained: ExplainedModel
    described: Mapping[str, Any]
    verdicts: Mapping[str, str]
    calibration: str
    watched: "WatchedPredict"
    registered: tuple[str, ...] = ()
    busy: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @property
    def title(self) -> str:
        """The arm, or the name of a user's own file."""
        own = Path(self.address).stem if names_file(self.address) else self.address
        return str(self.described.get("arm", own))

    @property
    def version(self) -> str:
        """Which weights these are: the address and the beginning of their hash."""
        place = Path(self.address).name if names_file(self.address) else self.address
        number = f" · version {self.registered[0]}" if self.registered else ""
        return f"{place}{number} · weights {self.described['model_sha256'][:8]}"

    @property
    def data_version(self) -> str:
        """The beginning of the hash of the films that it was trained on, or that it is unknown."""
        return str(self.described.get("data_version", ""))[:8] or "unknown"


class WatchedPredict:
    """A model's predict function at whose calls a thread can count films, or stop by raising an exception."""

    def __init__(self, predict: Predict) -> None:
        self._predict, self._of_thread = predict, threading.local()

    def __call__(self, images: Images) -> Probabilities:
        if on_call := getattr(self._of_thread, "on_call", None):
            on_call(len(images))
        return self._predict(images)

    def watch(self, on_call: Callable[[int], None] | None) -> None:
        """Call this before each evaluation that the present thread asks for, with the number of films; None: no more."""
        self._of_thread.on_call = on_call


def open_model(address: str, workspace: Workspace, params: Params, told: Told | None = None) -> ServedModel:
    """Open a model as `predict` does. told: the facts given by options.

    Raises:
        ValueError: as `serving.opening.open_served`.
    """
    with open_served(address, workspace, params, told or Told()) as (opened, described):
        verdicts = read_verdicts(address, described, opened.background, params.explain, workspace, params.tracking)
    watched = WatchedPredict(opened.predict)
    explained = ExplainedModel(watched, opened.model, opened.background)
    calibration = tell_calibration(read_calibration(address, described, workspace, params.tracking))
    registered = () if names_file(address) else list_versions(described, workspace, params.tracking)
    return ServedModel(address, explained, described, verdicts, calibration, watched, registered)


def list_versions(described: Mapping[str, Any], workspace: Workspace, tracking: Tracking) -> tuple[str, ...]:
    """The registered versions of a model that hilum trained."""
    store = read_store(workspace, tracking) if "run_key" in described else None
    return tuple(store.versions(tracking.model, described["run_key"])) if store else ()


def read_calibration(
    address: str, described: Mapping[str, Any], workspace: Workspace, tracking: Tracking
) -> Mapping[str, Any] | None:
    """The calibration that `train` wrote beside the model or into its run; None where there is none."""
    if names_file(address):
        beside = Path(address).resolve().with_name(CALIBRATION)
        return read_json(beside) if beside.is_file() else None
    store = read_store(workspace, tracking) if "run_key" in described else None
    if store is None:
        return None
    with tempfile.TemporaryDirectory() as temporary:
        for run in store.find({"run_key": described["run_key"]}):
            if file := store.fetch(run.info.run_id, f"training/{CALIBRATION}", Path(temporary)):
                return read_json(file)
    return None


def tell_calibration(found: Mapping[str, Any] | None) -> str:
    """In words whether a model's probabilities are calibrated, and on what."""
    if found is None:
        return "whether the probabilities are calibrated is not known"
    if found["calibration"] == "none" or not found["films"]:
        return "the probabilities are not calibrated"
    how = found["calibration"].replace("_", " ")
    return f"calibrated ({how}) on {found['films']} validation films of {found['patients']} patients"
