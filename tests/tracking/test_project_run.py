"""The run of `mlflow run` says in its name and description how it ended."""

import os

import pytest

from hilum.tracking.project_run import BELOW, describe_project_run, project_run
from hilum.tracking.store import Store
from hilum.workspace import Workspace


@pytest.mark.parametrize(
    ("fault", "name", "told"),
    [
        (ValueError("`dvc exp run` ended with status 1"), "swan, failed", "**This run failed** at 20"),
        (KeyboardInterrupt(), "swan, interrupted", "**This run was interrupted** at 20"),
    ],
)
def test_a_fault_is_told_and_still_raised(
    either: Store, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, fault: BaseException, name: str, told: str
) -> None:
    run = either.client.create_run(either.experiment, run_name="swan").info.run_id
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", either.experiment)
    monkeypatch.setenv("MLFLOW_RUN_ID", run)
    with pytest.raises(type(fault)), project_run(workspace):
        del os.environ["MLFLOW_RUN_ID"]  # as opening the store does
        raise fault
    ended = either.client.get_run(run)
    assert ended.info.run_name == name and ended.info.status == "RUNNING", "`mlflow run` ends it"
    note = ended.data.tags["mlflow.note.content"]
    assert note.startswith(told) and note.endswith("Type the command again to go on.")
    assert ("status 1" in note) == isinstance(fault, ValueError)


def test_telling_a_fault_makes_no_experiment(either: Store, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    run = either.client.create_run(either.experiment, run_name="swan").info.run_id
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "never seen")
    monkeypatch.setenv("MLFLOW_RUN_ID", run)
    with pytest.raises(ValueError, match="no films"), project_run(workspace):
        raise ValueError("no films")
    assert either.client.get_experiment_by_name("never seen") is None
    assert either.client.get_run(run).info.run_name == "swan, failed"


def test_without_such_a_run_nothing_is_written(store: Store, workspace: Workspace) -> None:
    with pytest.raises(ValueError, match="films"), project_run(workspace):
        raise ValueError("no films")
    describe_project_run(store, "One model.")
    assert not store.client.search_runs([store.experiment])


def test_a_store_that_is_away_hides_no_fault(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_RUN_ID", "r1")
    with pytest.raises(ValueError, match="no films"), project_run(workspace):
        raise ValueError("no films")


def test_its_description_is_that_of_the_comparison_and_names_the_runs_below(either: Store) -> None:
    run = either.client.create_run(either.experiment).info.run_id
    describe_project_run(Store(either.client, either.experiment, run, either.contact), "AUROC on test films.")
    assert either.client.get_run(run).data.tags["mlflow.note.content"] == f"AUROC on test films.\n\n{BELOW}"
