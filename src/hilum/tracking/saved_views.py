"""Writing the saved views into an experiment; views that hilum did not write, or that were changed since, are left alone."""

import binascii
import hashlib
import json
import re
import time
import zlib
from collections.abc import Mapping
from typing import Any

from hilum.progress import say
from hilum.tracking.contact import failures, tell
from hilum.tracking.links import view_link
from hilum.tracking.store import Store
from hilum.tracking.views import Known, View, know, make_views

TAG = "mlflow.sharedViewState."  # with a view's key
LONGEST = 20_000  # characters of an experiment's tag, in MLflow's stores
KNOWN_VERSIONS = ("3.17",)  # of MLflow, whose state of a view was read
WRITER = "writtenBy"  # field beside MLflow's own ones: hilum and the hash of the state that it wrote
RECENT = 50  # runs of arms, and trials, whose names a view knows


def save_views(store: Store) -> dict[str, View]:
    """Write the views that an experiment lacks or whose content is not up to date; key -> view, of those that are there.

    A version of MLflow that is not known, or a store that refuses them, is reported in a line.
    """
    version = server_version(store)
    if not version.startswith(KNOWN_VERSIONS):
        say(f"saved views are known for MLflow {', '.join(KNOWN_VERSIONS)}, got {version or 'no version'}: none are written")
        return {}
    views, experiment = make_views(_look(store)), store.client.get_experiment(store.experiment)
    there, now = {}, int(time.time() * 1000)
    for number, (key, view) in enumerate(views.items()):
        try:
            if _write(store, key, view, experiment.tags.get(f"{TAG}{key}"), now - number):
                there[key] = view
        except failures() as refusal:
            say(f"the view {view.title} is not saved: {tell(refusal)}")
    return there


def find_views(store: Store) -> dict[str, View]:
    """The views that an experiment has, as of one without runs."""
    tags = store.client.get_experiment(store.experiment).tags
    return {key: view for key, view in make_views(Known()).items() if f"{TAG}{key}" in tags}


def link_views(views: Mapping[str, View], experiment: str, base: str) -> dict[str, str]:
    """Title -> address of each view of an experiment. base: where the pages of its store are."""
    return {view.title: view_link(base, experiment, key, view.charts) for key, view in views.items()}


def _look(store: Store) -> Any:
    """What the newest runs of arms and the newest trials hold."""
    arms, trials = (
        store.client.search_runs([store.experiment], f"tags.role = '{role}'", max_results=RECENT) for role in ("arm", "trial")
    )
    pictured = next((run for run in arms if "mlflow.loggedImages" in run.data.tags), None)
    return know(arms, trials, pictures_of(store.client, pictured.info.run_id) if pictured else [])


def pictures_of(client: Any, run_id: str) -> list[str]:
    """The keys of a run's pictures: MLflow names their files `<key>+step+...`, earlier versions with another sign."""
    names = [entry.path.rpartition("/")[2] for entry in client.list_artifacts(run_id, "images")]
    found = [match[1] for name in names if (match := re.match(r"(.+?)[+%]step[+%]", name))]
    return sorted(set(found))


def _write(store: Store, key: str, view: View, there: str | None, created: int) -> bool:
    """Write one view if it must be written; whether one is there afterwards.

    created: milliseconds, of a new view: MLflow lists the newest first.
    """
    state = json.dumps(view.state, sort_keys=True, separators=(",", ":"))
    writer = f"hilum {hashlib.sha256(state.encode()).hexdigest()[:16]}"
    if there is not None:
        known = _read(there)
        if known is None or known.get(WRITER) != f"hilum {hashlib.sha256(_state(known).encode()).hexdigest()[:16]}":
            say(f"the view {view.title} was changed or written by someone else ({TAG}{key}): it stays as it is")
            return known is not None
        if known[WRITER] == writer:
            return True
        created = known["createdAt"]
    packed = f"deflate;{binascii.b2a_base64(zlib.compress(state.encode(), 9), newline=False).decode()}"
    told = {"name": view.title, "createdAt": created, "updatedAt": int(time.time() * 1000), "state": packed, WRITER: writer}
    text = json.dumps(told)
    if len(text) > LONGEST:
        say(f"the view {view.title} is not saved: {len(text):,} characters, and MLflow takes {LONGEST:,}")
        return there is not None
    store.client.set_experiment_tag(store.experiment, f"{TAG}{key}", text)
    return True


def _read(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("state"), str) else None


def _state(known: dict[str, Any]) -> str:
    """The state in a view's tag, unpacked; empty if it cannot be read."""
    try:
        return zlib.decompress(binascii.a2b_base64(known["state"].removeprefix("deflate;"))).decode()
    except (ValueError, zlib.error):
        return ""


def server_version(store: Store) -> str:
    """The version of MLflow that shows a store's pages: of its server, else the one installed here; empty if it says none."""
    import mlflow
    from mlflow.utils.rest_utils import http_request

    creds = getattr(store.client._tracking_client.store, "get_host_creds", None)
    if creds is None:
        return str(mlflow.__version__)
    try:
        answer = http_request(creds(), "/version", "GET")
    except failures():
        return ""
    return answer.text.strip() if answer.status_code == 200 else ""
