"""The champion: named once, by a defined metric of the arm's own evaluation, and never against a person or in the dark."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import fake_results as fake
import numpy as np
import pandas as pd
import pytest
from empty_store import forget_environment, make_store

from hilum.pages.arm_results import ArmResults
from hilum.project.champion import crown
from hilum.records import Predictions
from hilum.results import run_key, write_json
from hilum.settings.params import Params, read_params
from hilum.tracking.contact import Contact
from hilum.tracking.opening import open_store
from hilum.tracking.store import Store
from hilum.workspace import Workspace

Make = Callable[..., Workspace]
NOTHING = Predictions(*[np.zeros(0)] * 5, ())


@pytest.fixture
def workspace(tmp_path: Path, make_project: Make, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    forget_environment(monkeypatch)
    make_store(tmp_path)
    return make_project(tmp_path)


@pytest.fixture
def params(workspace: Workspace) -> Params:
    return read_params(workspace.params)


@pytest.fixture
def store(workspace: Workspace, params: Params) -> Store:
    return open_store(workspace, params.tracking)


def measured(workspace: Workspace, store: Store, metric: str, values: dict[str, float | None]) -> dict[str, ArmResults]:
    """Arms with this validation metric, a version registered for each in this order; None is how files say NaN."""
    arms = {}
    store.client.create_registered_model("hilum")
    for name, value in values.items():
        settings = fake.write_training(workspace, name, model_sha256=name)
        folder = fake.write_measured(workspace, name, "evaluation", {}, run_key=run_key(settings))
        arms[name] = ArmResults(settings, {f"val/{metric}": value}, NOTHING, {}, [], pd.DataFrame(), {"evaluation": folder})
        tags = {"run_key": run_key(settings)}
        store.client.create_model_version("hilum", (workspace.home / name).as_uri(), tags=tags)
    return arms


def by(params: Params, metric: str) -> Params:
    return params.model_copy(update={"train": params.train.model_copy(update={"select": metric})})


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [
        ("auroc_macro", {"baseline": 0.7, "finetuned": 0.8}, "2"),
        ("log_loss", {"baseline": 0.7, "finetuned": 0.8}, "1"),
        ("mcc", {"baseline": -0.05, "finetuned": 0.0}, "2"),
        ("log_loss", {"baseline": 0.3, "finetuned": 0.0}, "2"),
        ("mcc", {"baseline": None, "finetuned": -0.4}, "2"),
        ("log_loss", {"baseline": None, "finetuned": 2.0}, "2"),
        ("log_loss", {"baseline": float("nan"), "finetuned": 2.0}, "2"),
        ("auroc_macro", {"baseline": float("nan"), "finetuned": 0.1}, "2"),
    ],
)
def test_the_best_defined_value_wins(
    workspace: Workspace, store: Store, params: Params, metric: str, values: dict[str, float | None], best: str
) -> None:
    crown(store, by(params, metric), measured(workspace, store, metric, values))
    assert store.champion("hilum") == best


def test_a_given_model_may_know_the_validation_films_and_is_not_crowned(
    workspace: Workspace, store: Store, params: Params
) -> None:
    arms = measured(workspace, store, "auroc_macro", {"baseline": 0.7, "theirs": 0.99})
    arms["theirs"].settings["model"]["given"] = {"file": "theirs.keras", "sha256": "0"}
    crown(store, by(params, "auroc_macro"), arms)
    assert store.champion("hilum") == "1"


@pytest.mark.parametrize("metric", ["auroc_macro", "log_loss"])
def test_where_all_are_undefined_nobody_is_crowned_and_it_is_said(
    workspace: Workspace, store: Store, params: Params, capsys: pytest.CaptureFixture[str], metric: str
) -> None:
    crown(store, by(params, metric), measured(workspace, store, metric, {"baseline": None, "finetuned": float("nan")}))
    assert store.champion("hilum") is None
    assert f"hilum gets no champion: val/{metric} is defined for no arm" in capsys.readouterr().out


def test_an_evaluation_of_another_training_crowns_nobody(workspace: Workspace, store: Store, params: Params) -> None:
    arms = measured(workspace, store, "auroc_macro", {"baseline": 0.9, "finetuned": 0.8})
    write_json(arms["baseline"].folder["evaluation"] / "settings.json", {"model_sha256": "baseline", "run_key": "another"})
    crown(store, by(params, "auroc_macro"), arms)
    assert store.champion("hilum") == "2"


def test_a_person_s_choice_stays(workspace: Workspace, store: Store, params: Params) -> None:
    arms = measured(workspace, store, "auroc_macro", {"baseline": 0.7, "finetuned": 0.8})
    store.crown("hilum", "1")
    crown(store, by(params, "auroc_macro"), arms)
    assert store.champion("hilum") == "1"


def test_a_model_that_is_not_registered_is_told(
    workspace: Workspace, store: Store, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    arms = measured(workspace, store, "auroc_macro", {"baseline": 0.7})
    store.client.delete_model_version("hilum", "1")
    crown(store, by(params, "auroc_macro"), arms)
    assert store.champion("hilum") is None and "hilum has no version of baseline" in capsys.readouterr().out


class Hiccup(BaseHTTPRequestHandler):
    """A tracking server behind a proxy that is overloaded: it answers, but not about any model."""

    def do_GET(self) -> None:
        self.send_response(503)
        self.end_headers()
        self.wfile.write(b'{"error_code": "TEMPORARILY_UNAVAILABLE", "message": "come back later"}')

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    served = HTTPServer(("127.0.0.1", 0), Hiccup)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{served.server_port}"
    served.shutdown()
    thread.join()
    served.server_close()


def test_a_hiccup_of_the_server_is_no_lack_of_a_champion(
    workspace: Workspace, store: Store, params: Params, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    arms = measured(workspace, store, "auroc_macro", {"baseline": 0.7, "finetuned": 0.8})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    away = Store(mlflow.MlflowClient(server), "0", None, Contact(server, goes_on=False))
    with pytest.raises(ValueError, match=rf"champion .* {server}.*503"):
        crown(away, by(params, "auroc_macro"), arms)


def test_a_broken_store_is_no_lack_of_a_champion(workspace: Workspace, store: Store, params: Params) -> None:
    import sqlite3

    arms = measured(workspace, store, "auroc_macro", {"baseline": 0.7, "finetuned": 0.8})
    with sqlite3.connect(workspace.home / "mlflow.db") as database:
        database.execute("ALTER TABLE registered_model_aliases RENAME TO lost")
    with pytest.raises(ValueError, match=r"champion .*mlflow.db.*registered_model_aliases"):
        crown(store, by(params, "auroc_macro"), arms)
