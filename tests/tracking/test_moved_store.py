"""A project is copied or moved, and its artifacts stay with it: with a real MLflow, on databases of the test's own."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from empty_store import forget_environment, make_store

from hilum.settings.params import Tracking
from hilum.tracking.moved_store import local_folder, move_in
from hilum.tracking.opening import open_store
from hilum.tracking.store import Store
from hilum.tracking.stored_models import fetch_model
from hilum.workspace import Workspace

SETTINGS = Tracking(experiment="hilum", model="hilum", tensorboard=False)

TRAIN = """
import sys
from pathlib import Path
from hilum.settings.params import Tracking
from hilum.tracking.opening import open_store
from hilum.workspace import Workspace
home = Path(sys.argv[1])
settings = Tracking(experiment="hilum", model="hilum", tensorboard=False)
with open_store(Workspace(home, home), settings).start("baseline", {"role": "arm"}) as run:
    run.log_dict({"a": 1}, "training/old.json")
"""  # in a process of its own: MLflow keeps in mind where a run's artifacts are


@pytest.fixture
def original(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A project whose store has a run with an artifact."""
    forget_environment(monkeypatch)
    workspace = Workspace(tmp_path / "a place #1" / "project", tmp_path / "a place #1" / "project")
    make_store(workspace.home)
    subprocess.run([sys.executable, "-c", TRAIN, str(workspace.home)], check=True, stdout=subprocess.DEVNULL)
    return workspace


def open_at_home(workspace: Workspace) -> Store:
    """As a process of its own does: MLflow leaves the address of the store before in the environment."""
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    return open_store(workspace, SETTINGS)


def copy_project(workspace: Workspace, place: Path) -> Workspace:
    shutil.copytree(workspace.home, place)
    return Workspace(place, place)


def move_project(workspace: Workspace, place: Path) -> Workspace:
    place.parent.mkdir(exist_ok=True)
    workspace.home.rename(place)
    return Workspace(place, place)


def only_run(store: Store) -> Any:
    (run,) = store.find({"role": "arm"})
    return run


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("mlflow.db")}


@pytest.mark.parametrize("take", [copy_project, move_project])
def test_artifacts_go_to_the_project_that_runs_and_old_ones_are_read_there(
    original: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str], take: Callable[[Workspace, Path], Workspace]
) -> None:
    workspace = take(original, tmp_path / "copy")
    before = files(original.home)
    store = open_at_home(workspace)
    assert f"this project was copied or moved from {original.home}" in capsys.readouterr().out
    run = only_run(store)
    assert store.keeps(run)
    shutil.rmtree(original.home, ignore_errors=True) if take is move_project else None
    with store.start("baseline", {"role": "arm"}) as new, store.resume(run.info.run_id, "evaluation") as old:
        new.log_dict({}, "training/new.json")
        old.log_dict({}, "evaluation/new.json")
        old.log_image(np.zeros((4, 4, 3), np.uint8), "key")
    assert files(original.home) == before
    assert original.home.exists() == (take is copy_project)
    assert len(list((workspace.home / "mlruns" / "hilum").rglob("new.json"))) == 2
    fetched = store.fetch(run.info.run_id, "training/old.json", tmp_path)
    assert fetched is not None and '"a": 1' in fetched.read_text()
    open_at_home(workspace)
    assert "copied or moved" not in capsys.readouterr().out  # told once
    if take is copy_project:
        kept = local_folder(only_run(open_at_home(original)).info.artifact_uri)
        assert kept is not None and (kept / "training" / "old.json").is_file() and original.home in kept.parents


def test_a_registered_model_is_found_beside_the_copy(original: Workspace, tmp_path: Path) -> None:
    client = open_at_home(original).client
    run = only_run(open_at_home(original))
    logged = client.create_logged_model(run.info.experiment_id, name="model", source_run_id=run.info.run_id)
    made = tmp_path / "made"
    (made / "data").mkdir(parents=True)
    (made / "data" / "model.keras").write_text("weights")
    (made / "MLmodel").write_text("flavors: {}\nmetadata: {size: 64}\n")
    client.log_model_artifacts(logged.model_id, str(made))
    client.finalize_logged_model(logged.model_id, "READY")
    client.create_registered_model("hilum")
    client.create_model_version("hilum", f"models:/{logged.model_id}", run_id=run.info.run_id, model_id=logged.model_id)
    client.set_registered_model_alias("hilum", "champion", "1")
    copy = move_project(original, tmp_path / "copy")
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    for number, name in enumerate(("models:/hilum@champion", "models:/hilum/1", f"models:/{logged.model_id}")):
        into = tmp_path / f"into{number}"
        into.mkdir()
        folder, facts = fetch_model(name, copy, into)
        assert (folder / "model.keras").read_text() == "weights"
        assert facts == {"size": 64}
    shutil.rmtree(copy.home / "mlruns")
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match=r"files of a model must be where its store says.*mlruns/"):
        fetch_model("models:/hilum@champion", copy, tmp_path / "none")


def test_what_was_not_copied_along_is_read_where_it_lies_and_no_stage_writes_there(
    original: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(original.home / "mlflow.db", copy)
    store = open_at_home(Workspace(copy, copy))
    assert "1 that were not copied along are still read there" in capsys.readouterr().out
    run = only_run(store)
    assert store.fetch(run.info.run_id, "training/old.json", tmp_path) is not None
    assert not store.keeps(run)  # so no stage joins it
    with store.start("baseline", {}) as new:
        new.log_dict({}, "new.json")
    assert list((copy / "mlruns" / "hilum").rglob("new.json"))


def test_a_place_that_a_person_chose_stays(original: Workspace, tmp_path: Path) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{original.home}/mlflow.db")
    chosen = {
        "big disk": (tmp_path / "big" / "artifacts").as_uri(),
        "bucket": "s3://bucket/mlruns/bucket",
        "other": (tmp_path / "mlruns" / "something").as_uri(),
    }
    for name, place in chosen.items():
        client.create_experiment(name, artifact_location=place)
    copy = copy_project(original, tmp_path / "copy")
    assert len(move_in(copy.home / "mlflow.db")) == 1
    there = mlflow.MlflowClient(f"sqlite:///{copy.home}/mlflow.db")
    for name, place in chosen.items():
        assert there.get_experiment_by_name(name).artifact_location == place


def test_an_experiment_that_mlflow_named_by_its_number_moves_when_it_has_runs(original: Workspace, tmp_path: Path) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{original.home}/mlflow.db")
    number = client.create_experiment("mine", artifact_location=str(original.home / "mlruns" / "2"))
    assert number == "2"
    run = client.create_run(number)
    copy = copy_project(original, tmp_path / "copy")
    move_in(copy.home / "mlflow.db")
    there = mlflow.MlflowClient(f"sqlite:///{copy.home}/mlflow.db")
    assert there.get_experiment("2").artifact_location == str(copy.home / "mlruns" / "2")
    assert there.get_run(run.info.run_id).info.artifact_uri.startswith(str(copy.home))


def test_a_project_behind_a_link_was_not_moved(original: Workspace, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(original.home)
    assert move_in(tmp_path / "link" / "mlflow.db") == []
    assert move_in(original.home / "mlflow.db") == []


def test_no_database_has_nothing_to_move(tmp_path: Path) -> None:
    assert move_in(tmp_path / "mlflow.db") == []
    (tmp_path / "empty.db").touch()
    assert move_in(tmp_path / "empty.db") == []
    (tmp_path / "text.db").write_text("no database at all, but text")
    with pytest.raises(sqlite3.DatabaseError):
        move_in(tmp_path / "text.db")


def test_a_place_is_a_path_a_file_address_or_elsewhere() -> None:
    assert local_folder("file:///a%20b/c") == Path("/a b/c")
    assert local_folder("/a b/c") == Path("/a b/c")
    assert local_folder("s3://bucket/c") is None
    assert local_folder("mlflow-artifacts:/1") is None
