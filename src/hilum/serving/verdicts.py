"""The sanity gate's verdicts on a served model's methods, found where its arm was explained; not a verb."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hilum.explain.methods.registry import METHODS
from hilum.explain.methods.shap_gradients import hash_films
from hilum.explain.sanity.verdicts import verdicts_of
from hilum.records import Images
from hilum.results import flatten, read_json, read_table
from hilum.serving.model_files import names_file
from hilum.settings.explain import Explain
from hilum.settings.params import Tracking
from hilum.tracking.opening import read_store
from hilum.workspace import Workspace

Tested = tuple[Path, Path]  # a table of verdicts, the settings of the test

FOLDER, TABLE, SETTINGS = "explanations", "sanity.csv", "settings.json"


def read_verdicts(
    model: str,
    described: Mapping[str, Any],
    background: Images | None,
    settings: Explain,
    workspace: Workspace,
    tracking: Tracking,
) -> dict[str, str]:
    """Method -> its verdict for this model with these settings; a method that was not tested with them is left out.

    model, described: as `open_served` takes and returns them. The gate needs several patients, so one film cannot be judged here:
    for a file `explain` left its verdicts beside it, for a run or a registered model in the run's artifacts.
    background: the films that methods use here; verdicts with another background do not count.
    """
    against = "" if background is None else hash_films(background)
    found: dict[str, str] = {}
    with _tables(model, described, workspace, tracking) as tables:
        for table, told in tables:
            tested = read_json(told)
            if tested["model_sha256"] == described["model_sha256"]:
                verdicts = verdicts_of(read_table(table))
                other = tested.get("background_sha256") != against
                for name, verdict in verdicts.items():
                    if _settings_agree(tested["params"], settings, name) and not (METHODS[name].background and other):
                        found.setdefault(name, verdict)  # the newest run first
    return found


@contextmanager
def _tables(model: str, described: Mapping[str, Any], workspace: Workspace, tracking: Tracking) -> Iterator[Iterator[Tested]]:
    """The stored verdicts on a model, and the settings of the tests, the newest first."""
    if names_file(model):
        beside = Path(model).resolve().parent.parent / FOLDER
        files = beside / TABLE, beside / SETTINGS
        yield iter([files] if all(file.is_file() for file in files) else [])
        return
    with tempfile.TemporaryDirectory() as temporary:  # a model that hilum did not train has no run to look into
        yield _fetch(described["run_key"], workspace, tracking, Path(temporary)) if "run_key" in described else iter([])


def _fetch(run_key: str, workspace: Workspace, tracking: Tracking, into: Path) -> Iterator[Tested]:
    store = read_store(workspace, tracking)
    if store is None:
        return
    for run in store.find({"run_key": run_key}):
        folder = into / run.info.run_id
        folder.mkdir()
        table, told = (store.fetch(run.info.run_id, f"{FOLDER}/{name}", folder) for name in (TABLE, SETTINGS))
        if table and told:
            yield table, told


def _settings_agree(tested: Mapping[str, Any], settings: Explain, method: str) -> bool:
    """Whether a method was tested with the settings that it has now. tested: flat, `explain.lime.samples`."""
    prefix = f"explain.{method}"
    own = flatten(getattr(settings, method), prefix)
    return own == {key: value for key, value in tested.items() if key.startswith(f"{prefix}.")}
