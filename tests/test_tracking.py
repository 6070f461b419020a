"""The door to MLflow, with a real MLflow on a store of the test's own."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from empty_store import forget_environment, make_store
from PIL import Image

from hilum.ownership import read_owner, this_process
from hilum.settings.params import Tracking
from hilum.tracking import LONGEST, Run, Store, open_store, store_uri
from hilum.workspace import Workspace

SETTINGS = Tracking(experiment="hilum", model="hilum")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    forget_environment(monkeypatch)
    make_store(tmp_path)
    return Workspace(tmp_path, tmp_path)


@pytest.fixture
def store(workspace: Workspace) -> Store:
    return open_store(workspace, SETTINGS)


@pytest.fixture
def run(store: Store) -> Run:
    return Run(store.client, store.client.create_run(store.experiment).info.run_id, store.contact)


def artifacts(run: Run, place: str | None = None) -> list[str]:
    found = []
    for entry in run.client.list_artifacts(run.id, place):
        found += artifacts(run, entry.path) if entry.is_dir else [entry.path]
    return sorted(found)


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


def test_a_run_says_its_name_and_tags(store: Store) -> None:
    with store.start("baseline", {"role": "arm", "size": 128}) as run:
        assert store.client.get_run(run.id).info.status == "RUNNING"
    ended = store.client.get_run(run.id)
    assert ended.info.run_name == "baseline"
    assert ended.data.tags["role"] == "arm"
    assert ended.data.tags["size"] == "128"
    assert "mlflow.parentRunId" not in ended.data.tags


@pytest.mark.parametrize(
    ("failure", "status"),
    [(None, "FINISHED"), (ValueError, "FAILED"), (KeyboardInterrupt, "KILLED"), (SystemExit, "KILLED")],
)
@pytest.mark.parametrize("resumed", [False, True])
def test_a_run_ends_as_it_should(store: Store, failure: type[BaseException] | None, status: str, resumed: bool) -> None:
    ids = []

    def work(run: Run) -> None:
        ids.append(run.id)
        assert store.client.get_run(run.id).info.status == "RUNNING"
        if failure is not None:
            raise failure("stop")

    def call() -> None:
        if resumed:
            with store.start("baseline", {}) as first:
                pass
            with store.resume(first.id) as run:
                work(run)
        else:
            with store.start("baseline", {}) as run:
                work(run)

    if failure is None:
        call()
    else:
        with pytest.raises(failure):
            call()
    info = store.client.get_run(ids[0]).info
    assert info.status == status
    assert info.end_time is not None


def test_parameters_may_be_logged_twice_but_not_changed(store: Store, run: Run) -> None:
    run.log_params({"seed": 1, "phases.0.epochs": 3, "note": None})
    run.log_params({"seed": 1, "size": 128})
    assert store.client.get_run(run.id).data.params == {"seed": "1", "phases.0.epochs": "3", "note": "None", "size": "128"}
    with pytest.raises(ValueError, match=r"refuses: .*[Cc]hang"):
        run.log_params({"seed": 2})


def test_many_and_long_parameters_are_logged(store: Store, run: Run) -> None:
    params = {f"p{i}": i for i in range(150)} | {"long": "x" * (LONGEST + 5)}
    run.log_params(params)
    run.log_params(params)
    logged = store.client.get_run(run.id).data.params
    assert len(logged) == 151
    assert logged["long"] == "x" * LONGEST


def test_undefined_metrics_are_left_out(store: Store, run: Run) -> None:
    run.log_metrics({"test/auroc_macro": 0.5, "test/mcc": float("nan"), "test/ece": np.float64("inf"), "n": np.int64(3)})
    assert store.client.get_run(run.id).data.metrics == {"test/auroc_macro": 0.5, "n": 3.0}


def test_a_history_is_one_point_per_row(store: Store, run: Run) -> None:
    rows = pd.DataFrame({"step": [0, 1, 5], "loss": [0.3, np.nan, 0.1 + 0.2], "text": ["a", "b", "c"]})
    run.log_history(rows)
    points = [(point.step, point.value) for point in store.client.get_metric_history(run.id, "loss")]
    assert points == [(0, 0.3), (5, 0.1 + 0.2)]
    assert list(store.client.get_run(run.id).data.metrics) == ["loss"]


def test_a_history_longer_than_one_call_arrives_whole(store: Store, run: Run) -> None:
    run.log_history(pd.DataFrame({"step": range(700), "a": np.arange(700.0), "b": np.arange(700.0)}))
    assert sorted(point.step for point in store.client.get_metric_history(run.id, "b")) == list(range(700))


def test_a_folder_stands_below_its_place(tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "evaluation"
    (folder / "keys").mkdir(parents=True)
    (folder / "metrics.json").write_text("{}")
    (folder / "keys" / "a.png").write_text("picture")
    run.log_folder(folder, "evaluation")
    run.log_dict({"a": [1, None]}, "config/params.json")
    assert artifacts(run) == ["config/params.json", "evaluation/keys/a.png", "evaluation/metrics.json"]
    local = run.client.download_artifacts(run.id, "config/params.json", str(tmp_path))
    assert json.loads(Path(local).read_text()) == {"a": [1, None]}


def test_an_image_is_logged_under_its_key(tmp_path: Path, run: Run) -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    run.log_image(image, key="gradcam-viral")
    full = [path for path in artifacts(run) if path.endswith(".png")]
    assert len(full) == 1
    assert "gradcam-viral" in full[0]
    with Image.open(run.client.download_artifacts(run.id, full[0], str(tmp_path))) as picture:
        assert np.array_equal(np.asarray(picture), image)


def test_the_films_of_a_split_are_named_as_input(store: Store, run: Run) -> None:
    table = pd.DataFrame({"image_id": ["a", "b"], "label": ["normal", "viral"]})
    run.log_data(table, "films", "train", "abc")
    run.log_data(table[:1], "films", "val", "def")
    inputs = store.client.get_run(run.id).inputs.dataset_inputs
    assert {(item.dataset.name, item.dataset.digest, item.tags[0].value) for item in inputs} == {
        ("films", "abc", "train"),
        ("films", "def", "val"),
    }


def test_runs_are_found_by_all_their_tags_newest_first_and_deleted_ones_never(store: Store) -> None:
    ids = {}
    for name, tags in (
        ("old", {"role": "arm", "digest.training": "x"}),
        ("new", {"role": "arm", "digest.training": "x"}),
        ("other", {"role": "arm", "digest.training": "y"}),
        ("gone", {"role": "arm", "digest.training": "x"}),
    ):
        with store.start(name, tags) as run:
            ids[name] = run.id
        store.client.get_run(run.id)
    store.client.delete_run(ids["gone"])
    found = [run.info.run_id for run in store.find({"role": "arm", "digest.training": "x"})]
    assert found == [ids["new"], ids["old"]]
    assert store.find({"role": "arm", "digest.training": "z"}) == []


def test_the_run_of_mlflow_run_lists_the_runs_that_it_reused(
    workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = []
    for name in ("baseline", "finetuned"):
        with store.start(name, {}) as run:
            ids.append(run.id)
    project = store.client.create_run(store.experiment).info.run_id
    store.link(ids[0])  # no project run: nothing to note
    monkeypatch.setenv("MLFLOW_RUN_ID", project)
    store = open_store(workspace, SETTINGS)
    for run_id in (*ids, ids[0], project):
        store.link(run_id)
    with store.start("own", {}) as own:
        pass
    store.link(own.id)  # made below the project run: new, not reused
    assert store.client.get_run(project).data.tags["reused_runs"] == " ".join(ids)


def test_versions_are_found_by_the_key_of_their_run_and_one_is_champion(store: Store, tmp_path: Path) -> None:
    assert store.champion("hilum") is None
    assert store.versions("hilum", "k1") == []
    store.client.create_registered_model("hilum")
    for key in ("k1", "k2"):
        store.client.create_model_version("hilum", (tmp_path / key).as_uri(), tags={"run_key": key})
    assert store.versions("hilum", "k2") == ["2"]
    store.crown("hilum", "2")
    assert store.champion("hilum") == "2"


def test_what_a_run_has_is_fetched_and_what_it_lacks_is_not_there(store: Store, run: Run, tmp_path: Path) -> None:
    run.log_dict({"a": 1}, "explanations/settings.json")
    fetched = store.fetch(run.id, "explanations/settings.json", tmp_path)
    assert fetched is not None and fetched.read_text().split() == ["{", '"a":', "1", "}"]
    for place in ("explanations/sanity.csv", "audit/settings.json", "settings.json"):
        assert store.fetch(run.id, place, tmp_path) is None


def test_a_store_that_does_not_answer_is_told_and_not_taken_for_one_without_the_thing(
    workspace: Workspace, store: Store, run: Run, tmp_path: Path
) -> None:
    run.log_dict({"a": 1}, "explanations/settings.json")
    with sqlite3.connect(workspace.home / "mlflow.db") as database:
        for table in ("runs", "registered_models", "model_versions"):
            database.execute(f"ALTER TABLE {table} RENAME TO lost_{table}")
    for ask, what in (
        (lambda: store.fetch(run.id, "explanations/settings.json", tmp_path), f"the artifacts of run {run.id}"),
        (lambda: store.champion("hilum"), "the champion of hilum"),
        (lambda: store.versions("hilum", "k"), "the versions of hilum"),
    ):
        with pytest.raises(ValueError, match=rf"{what} must be known, but the tracking store sqlite:.*mlflow.db does not tell"):
            ask()


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


@pytest.mark.parametrize("what", ["run", "experiment"])
def test_what_is_deleted_while_a_stage_writes_costs_no_result(
    store: Store, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    done = []
    with store.start("baseline", {"role": "arm"}) as run:
        store.client.delete_run(run.id) if what == "run" else store.client.delete_experiment(store.experiment)
        run.log_params({"a": 1})
        run.log_metrics({"a": 1})
        with store.start("nested", {"role": "trial"}, parent=run.id):
            done.append("files")
    assert done == ["files"]
    assert capsys.readouterr().out.count("no longer answers") == 1


KILLED = """
import os, signal, sys
from pathlib import Path
from hilum.ownership import read_owner, this_process
from hilum.settings.params import Tracking
from hilum.tracking import open_store
from hilum.workspace import Workspace
store = open_store(Workspace(Path(sys.argv[1]), Path(sys.argv[1])), Tracking(experiment="hilum", model="hilum"))
with store.start("tune-baseline", {"role": "tune", "arm": "baseline"}) as parent:
    with store.start("trial-000", {"role": "trial", "arm": "baseline"}, parent=parent.id) as trial:
        with store.start("baseline", {"role": "arm", "arm": "baseline"}) as train:
            print(parent.id, trial.id, train.id, flush=True)
            sys.stdin.readline()
"""


@pytest.fixture
def stage(workspace: Workspace) -> Iterator[subprocess.Popen[str]]:
    """A process in the middle of a search and of a training."""
    command = [sys.executable, "-c", KILLED, str(workspace.home)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


def test_the_next_run_of_a_stage_ends_what_its_killed_owner_left_and_nothing_of_a_living_one(
    store: Store, stage: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert stage.stdout is not None
    tune, trial, train = stage.stdout.readline().split()

    def states() -> list[str]:
        return [store.client.get_run(run_id).info.status for run_id in (tune, trial, train)]

    with store.start("tune-baseline", {"role": "tune", "arm": "baseline"}):
        assert states() == ["RUNNING"] * 3  # its owner lives
    stage.kill()
    stage.wait()
    for other in ({"role": "tune", "arm": "finetuned"}, {"role": "comparison"}):
        with store.start("other", other):
            assert states() == ["RUNNING"] * 3
    with store.start("tune-baseline", {"role": "tune", "arm": "baseline"}) as new:
        assert states() == ["KILLED", "KILLED", "RUNNING"]
        assert store.client.get_run(new.id).info.status == "RUNNING"
    assert f"closed as KILLED: process {stage.pid} on" in capsys.readouterr().out
    with store.start("baseline", {"role": "arm", "arm": "baseline"}):
        assert states() == ["KILLED"] * 3


def test_a_run_of_which_nobody_knows_the_owner_is_left_alone(store: Store) -> None:
    written = store.client.create_run(store.experiment, tags={"role": "arm", "arm": "baseline"}).info.run_id
    elsewhere = replace(this_process(), host="elsewhere", started=1).record()
    far = store.client.create_run(store.experiment, tags={"role": "arm", "arm": "baseline", "owner": elsewhere}).info.run_id
    with store.start("baseline", {"role": "arm", "arm": "baseline"}):
        pass
    assert [store.client.get_run(run_id).info.status for run_id in (written, far)] == ["RUNNING"] * 2


def test_a_run_says_who_writes_into_it_as_long_as_it_is_open(store: Store) -> None:
    with store.start("baseline", {"role": "arm"}) as run:
        owner = read_owner(store.client.get_run(run.id).data.tags["owner"])
        assert owner is not None and owner.pid == os.getpid()
    assert "owner" not in store.client.get_run(run.id).data.tags


def test_a_resumed_run_belongs_to_who_resumed_it(store: Store) -> None:
    dead = replace(this_process(), started=1).record()
    old = store.client.create_run(store.experiment, tags={"role": "arm", "arm": "baseline", "owner": dead}).info.run_id
    store.client.set_terminated(old)
    with store.resume(old):
        store.close_left({"role": "arm", "arm": "baseline"})
        assert store.client.get_run(old).info.status == "RUNNING"
