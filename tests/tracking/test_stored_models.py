"""Models of a store are found by every address, and who reads changes nothing in it."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from empty_store import log_files

from hilum.serving.verdicts import read_verdicts
from hilum.settings.params import Tracking, read_params
from hilum.tracking.opening import read_store
from hilum.tracking.store import Store
from hilum.tracking.stored_models import fetch_model, find_model
from hilum.workspace import Workspace

FACTS = {"size": 64, "run_key": "key"}


def dump(workspace: Workspace) -> list[str]:
    """Everything that the database holds."""
    with sqlite3.connect(workspace.home / "mlflow.db") as database:
        return list(database.iterdump())


@pytest.fixture
def logged(store: Store, tmp_path: Path) -> tuple[str, str]:
    """A run and its model, registered as champion."""
    (tmp_path / "model.keras").write_text("weights")
    run_id, model_id = log_files(store.client, store.experiment, tmp_path / "model.keras", FACTS)
    store.client.create_registered_model("hilum")
    store.client.create_model_version("hilum", f"models:/{model_id}", run_id=run_id, model_id=model_id)
    store.crown("hilum", "1")
    return run_id, model_id


def addresses(run_id: str, model_id: str) -> list[str]:
    return [
        "models:/hilum@champion",
        "models:/hilum/1",
        f"models:/{model_id}",
        run_id,
        f"runs:/{run_id}",
        f"runs:/{run_id}/model",
    ]


def test_a_model_is_fetched_by_every_address_and_the_store_stays_as_it_is(
    workspace: Workspace, store: Store, logged: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store.client.delete_experiment(store.experiment)
    before = dump(workspace)
    for number, address in enumerate(addresses(*logged)):
        (into := tmp_path / str(number)).mkdir()
        folder, facts = fetch_model(address, workspace, into)
        assert (folder / "model.keras").read_text() == "weights" and facts == FACTS
    assert dump(workspace) == before
    assert "restored" not in capsys.readouterr().out


@pytest.mark.parametrize("state", ["deleted", "of another name"])
def test_verdicts_are_looked_for_without_making_or_restoring_an_experiment(
    workspace: Workspace, store: Store, logged: tuple[str, str], tracking: Tracking, state: str, root: Path
) -> None:
    explain = read_params(root / "params.yaml").explain
    if state == "deleted":
        store.client.delete_experiment(store.experiment)
    else:
        tracking = tracking.model_copy(update={"experiment": "not made yet"})
    before = dump(workspace)
    assert read_verdicts("models:/hilum@champion", FACTS, None, explain, workspace, tracking) == {}
    assert dump(workspace) == before


def test_a_store_that_is_read_is_the_one_that_stages_write(workspace: Workspace, store: Store, tracking: Tracking) -> None:
    with store.start("baseline", {"role": "arm"}) as run:
        pass
    read = read_store(workspace, tracking)
    assert read is not None and [found.info.run_id for found in read.find({"role": "arm"})] == [run.id]


def test_a_store_that_is_not_there_is_told_and_not_made(tmp_path: Path, workspace: Workspace) -> None:
    other = Workspace(tmp_path / "other", tmp_path / "other")
    other.home.mkdir()
    with pytest.raises(ValueError, match=r"there is no sqlite:.*mlflow\.db yet; run `hilum publish`"):
        find_model("models:/hilum@champion", other)
    assert not list(other.home.iterdir())


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (lambda run, model: f"runs:/{run}/other", "has none of the name other"),
        (lambda run, model: "runs:/nosuch", "must name a file, a run or a registered model"),
        (lambda run, model: "models:/nosuch@champion", "must name a file, a run or a registered model"),
        (lambda run, model: "models:/hilum/7", "must name a file, a run or a registered model"),
    ],
)
def test_what_a_store_has_not_is_told(
    workspace: Workspace, logged: tuple[str, str], address: Callable[[str, str], str], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        find_model(address(*logged), workspace)


@pytest.mark.parametrize("spoilt", ["", "metadata: [", "[" * 10**5, "- a", "a: " + "b" * 2**20])
def test_a_description_that_is_none_is_told(
    workspace: Workspace, store: Store, logged: tuple[str, str], spoilt: str, tmp_path: Path
) -> None:
    (description,) = workspace.home.rglob("MLmodel")
    description.write_text(spoilt)
    (into := tmp_path / "into").mkdir()
    with pytest.raises(ValueError, match=r"the MLmodel of a model in the store must be .* in models:/hilum@champion"):
        fetch_model("models:/hilum@champion", workspace, into)


def test_where_the_store_is_away_a_model_can_still_be_named_by_its_file(
    tmp_path: Path, make_project: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(ValueError, match="must answer") as told:
        find_model("models:/hilum@champion", make_project(tmp_path / "project"))
    assert "or name a file results/arms/<arm>/training/model.keras" in str(told.value)
    assert "publish" not in str(told.value), "a command that reads has no results to publish"
