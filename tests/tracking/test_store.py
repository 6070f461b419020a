"""Runs that are opened, end as they should and are found, with a real MLflow."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hilum.ownership import read_owner, this_process
from hilum.settings.params import Tracking
from hilum.tracking.open_run import Run
from hilum.tracking.opening import open_store
from hilum.tracking.store import Store
from hilum.workspace import Workspace

SETTINGS = Tracking(experiment="hilum", model="hilum", tensorboard=False)


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
            with store.resume(first.id, "evaluation") as run:
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
    assert info.status == ("FINISHED" if resumed else status)
    tags = store.client.get_run(ids[0]).data.tags
    assert tags.get("broken_off.evaluation") == (status if resumed and failure else None)
    assert not {"owner", "adding"} & set(tags)
    assert info.end_time is not None


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
        with pytest.raises(ValueError, match=rf"{what} must be known, but the tracking store sqlite:.*mlflow.db does not answer"):
            ask()


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
from hilum.tracking.opening import open_store
from hilum.workspace import Workspace
here = Path(sys.argv[1])
store = open_store(Workspace(here, here), Tracking(experiment="hilum", model="hilum", tensorboard=False))
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
    with store.resume(old, "evaluation"):
        store.close_left({"role": "arm", "arm": "baseline"})
        assert store.client.get_run(old).info.status == "RUNNING"


def test_a_finished_run_stays_finished_when_who_added_to_it_was_killed(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    dead = replace(this_process(), started=1).record()
    tags = {"role": "arm", "arm": "baseline", "owner": dead, "adding": "explanations"}
    left = store.client.create_run(store.experiment, run_name="baseline", tags=tags).info.run_id
    store.close_left({"role": "arm", "arm": "baseline"})
    run = store.client.get_run(left)
    assert run.info.status == "FINISHED" and run.data.tags["broken_off.explanations"] == "KILLED"
    assert "adding" not in run.data.tags
    assert "run baseline is closed as FINISHED, without explanations, which was being added" in capsys.readouterr().out
