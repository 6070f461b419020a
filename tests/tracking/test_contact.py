"""A store that is offline is reported in seconds, with the remedy and without a password, by every command."""

import os
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import fake_results as fake
import pytest
import yaml
from empty_store import forget_environment, make_store
from mlflow_server import Server
from stepping import take_steps

from hilum import runs
from hilum.cli import main
from hilum.project import publication
from hilum.project.earlier_stages import list_makings
from hilum.project.publication import publish
from hilum.results import read_json, write_json
from hilum.runs import arm_run, log_results
from hilum.settings.params import read_params
from hilum.tracking.connection import without_login
from hilum.tracking.contact import FIRST, LATER, Contact, StoreAwayError, patience, tell
from hilum.tracking.opening import open_store
from hilum.tracking.store import Store
from hilum.workspace import Workspace

SECRET = "pw-never-shown"
STORES = {
    "a server": f"http://user:{SECRET}@127.0.0.1:9",
    "a server behind TLS": f"https://user:{SECRET}@127.0.0.1:9/mlflow",
    "a wrong address": f"http://user:{SECRET}/#@127.0.0.1:9",
    "a database": f"postgresql://user:{SECRET}@127.0.0.1:9/runs",
    "a database of another driver": f"postgresql+nosuch://user:{SECRET}@127.0.0.1:9/runs",
    "not a kind of store": f"nosuch://user:{SECRET}@127.0.0.1:9/runs",
}
DOORS = {
    "tune": ["tune", "--arm", "baseline"],
    "train": ["train", "--arm", "baseline"],
    "evaluate": ["evaluate", "--arm", "baseline"],
    "audit": ["audit", "--arm", "baseline"],
    "compare": ["compare"],
    "publish": ["publish"],
    "predict": ["predict", "--model", "models:/hilum@champion", "--images", ".", "--out", "a.csv"],
    "explain": ["explain", "--image", "params.yaml"],
}


@pytest.fixture
def workspace(tmp_path: Path, make_project: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A project with results."""
    forget_environment(monkeypatch)
    made = make_project(tmp_path / "project")
    made.params.write_text(yaml.safe_dump(take_steps(yaml.safe_load(made.params.read_text())), sort_keys=False))
    fake.write_results(made, ["baseline", "finetuned"])
    for arm in ("baseline", "finetuned"):
        folder = made.arm(arm, "training")
        write_json(folder / "model.json", read_json(folder / "settings.json")["model"])
    for path in {path for making in list_makings(made) for path in (*making.deps, *making.outs)}:
        if not (made.root / path).exists():
            (made.root / path).mkdir(parents=True)  # of what no store is asked for, that it is there is enough
    monkeypatch.chdir(made.root)
    return made


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "server").mkdir()
    served = Server(tmp_path / "server")
    served.begin()
    yield served
    served.die()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("store", ["a server", "a database"])
def test_every_door_tells_that_the_store_is_away_and_shows_no_password(
    workspace: Workspace, door: str, store: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", STORES[store])
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert main(DOORS[door]) == 1
    told = "".join(capfd.readouterr())
    assert SECRET not in told and "Traceback" not in told
    assert STORES[store].replace(SECRET, "***") in told
    assert "MLFLOW_TRACKING_URI" in told


@pytest.mark.parametrize("store", STORES)
def test_no_error_of_any_store_shows_its_password(workspace: Workspace, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", STORES[store])
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ValueError, match=r"\*\*\*@127\.0\.0\.1:9") as refused:
        open_store(workspace, read_params(workspace.params).tracking)
    assert SECRET not in "".join(traceback.format_exception(refused.value))  # and in what it came from


def test_an_override_that_holds_an_address_is_refused_without_its_password(
    workspace: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["experiment", "--set", f"arms.baseline.weights=http://user:{SECRET}@host/w.h5"]) == 1
    told = "".join(capfd.readouterr())
    assert "weights" in told and SECRET not in told


def test_a_run_holds_no_password(workspace: Workspace) -> None:
    make_store(workspace.home)
    store = open_store(workspace, read_params(workspace.params).tracking)
    with store.start("baseline", {"from": STORES["a database"]}) as run:
        run.log_params({"weights": STORES["a server"]})
        run.log_params({"weights": STORES["a server"]})
        run.tag({"store": STORES["a server"]})
    written = store.client.get_run(run.id).data
    assert SECRET not in str({**written.params, **written.tags})
    assert written.params["weights"] == "http://user:***@127.0.0.1:9"


@pytest.mark.parametrize("how", ["refuses", "is silent"])
def test_a_server_that_is_away_is_told_within_15_seconds(workspace: Workspace, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        if how == "is silent":
            taken.listen()
        uri = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        import mlflow  # noqa: F401  which takes seconds, and is not the wait

        start = time.monotonic()
        with pytest.raises(ValueError, match=rf"must answer, got {uri}: .*`hilum publish` adds later"):
            open_store(workspace, read_params(workspace.params).tracking)
        assert time.monotonic() - start < 15


def test_a_person_says_how_long_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    for values in (FIRST, LATER):
        with patience(values):
            assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
            assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == values["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]
        assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


def test_mlflow_gets_an_address_without_its_login(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_environment(monkeypatch)
    assert without_login("https://me:p%40w@host:5000/x") == "https://host:5000/x"
    assert (os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"]) == ("me", "p@w")
    for uri in ("http://host:5000", "sqlite:////a/b.db", "postgresql://a:b@host/db"):
        assert without_login(uri) == uri


def test_what_an_error_says_is_one_line_without_names_of_pools() -> None:
    pool = "HTTPConnectionPool(host='h', port=9): Max retries exceeded with url: /x"
    cause = "<o>: Failed to establish a new connection: [Errno 111] Refused"
    told = tell(ConnectionError(f"API request to http://h:9/x failed with {pool} (Caused by NewConnectionError('{cause}'))"))
    assert told == cause
    assert tell(ValueError("first\nsecond")) == "first"
    assert tell(TimeoutError()) == "TimeoutError"


def test_work_goes_on_when_a_store_is_lost_and_a_person_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    contact = Contact("http://host", goes_on=True)
    for _ in range(2):
        with contact.while_answered(), contact.asking("a thing"):
            raise ConnectionError("gone")
    assert capsys.readouterr().out.count("http://host no longer answers: gone") == 1
    with pytest.raises(StoreAwayError, match=r"what must be known.*gone"), contact.asking("what"):
        raise AssertionError("a lost store is not asked")
    strict = Contact("http://host", goes_on=False)
    with pytest.raises(StoreAwayError), strict.while_answered(), strict.asking("a thing"):
        raise ConnectionError("gone")


def test_a_server_that_dies_in_a_stage_costs_no_file_and_publish_brings_them(
    workspace: Workspace, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    params = read_params(workspace.params)
    monkeypatch.setattr(runs, "register", lambda run, *rest: run.tag({"registered_version": "1"}))  # no model in these results
    monkeypatch.setattr(publication, "read_arm", lambda workspace, arm, classes: arm)
    monkeypatch.setattr(publication, "crown", lambda store, params, arms: None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    store = open_store(workspace, params.tracking)
    with arm_run(store, workspace, "baseline", "evaluation", "hilum", {}) as run:
        assert [found.info.run_id for found in store.find({"role": "arm"})] == [run.id]
        server.die()
        run.log_metrics({"val/auroc_macro": 0.5})
        folder = fake.write_measured(workspace, "baseline", "evaluation", {"test/auroc_macro": 0.9})
        log_results(run, folder, "evaluation")
        with store.start("nested", {"role": "trial"}, parent=run.id) as nested:
            nested.log_params({"a": 1})
    assert capsys.readouterr().out.count(f"the tracking store {server.uri} no longer answers") == 1
    assert read_json(folder / "metrics.json") == {"test/auroc_macro": 0.9}
    with pytest.raises(ValueError, match=r"must answer.*`hilum publish`"):
        publish(workspace, params)
    server.begin()
    publish(workspace, params)
    assert "5 runs published" in capsys.readouterr().out
    (published,) = finished_arms(open_store(workspace, params.tracking), "baseline")
    assert published.data.metrics["test/auroc_macro"] == 0.9


def finished_arms(store: Store, arm: str) -> list:
    return [run for run in store.find({"role": "arm", "arm": arm}) if run.info.status == "FINISHED"]
