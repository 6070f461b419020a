"""How the store of a project is opened, with a real MLflow."""

import os
from pathlib import Path

import pytest
from empty_store import forget_environment, make_store
from postgres_server import postgres

from hilum.settings.params import Tracking
from hilum.tracking.opening import open_store, store_uri
from hilum.tracking.store import Store
from hilum.workspace import Workspace

SETTINGS = Tracking(experiment="hilum", model="hilum", tensorboard=False)


def test_the_store_is_mlflows_own_default_at_home(workspace: Workspace) -> None:
    below = Workspace(workspace.root / ".dvc" / "tmp" / "exps" / "x", workspace.root)
    assert store_uri(below) == f"sqlite:///{workspace.root}/mlflow.db"
    store = open_store(below, SETTINGS)
    with store.start("baseline", {}) as run:
        run.log_dict({"a": 1}, "config/params.json")
    assert list((workspace.root / "mlruns" / "hilum").rglob("params.json"))
    assert not below.root.exists()
    assert store.client.get_experiment(store.experiment).name == "hilum"


def test_a_second_call_finds_the_same_experiment(workspace: Workspace, store: Store) -> None:
    assert open_store(workspace, SETTINGS).experiment == store.experiment


def test_the_environment_names_store_and_experiment(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    make_store(workspace.root / "other")
    uri = f"sqlite:///{workspace.root}/other/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    assert store_uri(workspace) == uri
    store = open_store(workspace, SETTINGS)
    assert store.client.get_experiment(store.experiment).name == "mine"
    with store.start("baseline", {}) as run:
        run.log_dict({}, "a.json")
    assert list((workspace.root / "other" / "mlruns" / "mine").rglob("a.json"))
    assert not (workspace.root / "mlruns").exists()


def test_an_experiment_id_of_mlflow_run_is_respected(workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = store.client.create_experiment("mine")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", mine)
    assert open_store(workspace, SETTINGS).experiment == mine


def test_the_run_of_mlflow_run_becomes_the_parent_and_is_not_resumed(
    workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = store.client.create_run(store.experiment).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", project)
    store = open_store(workspace, SETTINGS)
    assert "MLFLOW_RUN_ID" not in os.environ
    with store.start("baseline", {"role": "arm"}) as run:
        run.log_params({"a": 1})
    assert run.id != project
    child, parent = store.client.get_run(run.id), store.client.get_run(project)
    assert child.data.tags["mlflow.parentRunId"] == project
    assert parent.data.params == {}
    assert parent.info.status == "RUNNING"  # `mlflow run` ends it itself
    with store.start("trial-000", {}, parent=run.id) as trial:
        pass
    assert store.client.get_run(trial.id).data.tags["mlflow.parentRunId"] == run.id


def test_an_unreadable_store_is_told(workspace: Workspace) -> None:
    other = Workspace(workspace.root / "other", workspace.root / "other")
    other.home.mkdir()
    (other.home / "mlflow.db").write_text("no database")
    with pytest.raises(
        ValueError, match=r"the tracking store must be readable, got sqlite:///.*other/mlflow\.db: .*not a database"
    ):
        open_store(other, SETTINGS)


@pytest.mark.parametrize("by", ["name", "number"])
def test_a_deleted_experiment_is_restored_with_its_runs_and_told(
    workspace: Workspace, store: Store, by: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with store.start("baseline", {"role": "arm"}) as old:
        pass
    store.client.delete_experiment(store.experiment)
    if by == "number":
        monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", store.experiment)
    again = open_store(workspace, SETTINGS)
    assert "the experiment hilum had been deleted; it is restored" in capsys.readouterr().out
    assert again.experiment == store.experiment
    with again.start("baseline", {"role": "arm"}) as new:
        new.log_metrics({"a": 1})
    assert [run.info.run_id for run in again.find({"role": "arm"})] == [new.id, old.id]
    open_store(workspace, SETTINGS)
    assert "restored" not in capsys.readouterr().out


def test_a_database_server_first_used_in_a_copy_keeps_artifacts_at_home(
    tracking: Tracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow would put them where the process works: in the copy, which is deleted with them."""
    forget_environment(monkeypatch)
    home = tmp_path / "project"
    copy = home / ".dvc/tmp/exps/standalone/tmpabcd1234"
    copy.mkdir(parents=True)
    (copy / "result.txt").write_text("found")
    monkeypatch.chdir(copy)
    with postgres() as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        store = open_store(Workspace(copy, home), tracking)
        with store.start("baseline", {"role": "arm"}) as run:
            run.log_file(copy / "result.txt", "training")
        assert not (copy / "mlruns").exists()
        assert store.client.get_experiment(store.experiment).artifact_location == (home / "mlruns/hilum").as_uri()
        assert (home / "mlruns/hilum" / run.id / "artifacts/training/result.txt").read_text() == "found"
        assert store.keeps(store.client.get_run(run.id))
