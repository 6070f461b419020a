"""Which run a folder belongs to, and what of it is logged; the model itself is left to the tests of the stages."""

import copy
import json
import re
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_results as fake
import pandas as pd
import pytest
import yaml
from empty_store import forget_environment, make_store
from PIL import Image
from stepping import take_steps

from hilum import runs
from hilum.commit import find_commit
from hilum.ownership import this_process
from hilum.results import base_tags, epoch_metrics, folder_digest, run_key, write_json, write_table
from hilum.runs import arm_run, code_tags, find_arm_run, fits, log_results, log_search
from hilum.settings.params import Params, Tracking, check_params
from hilum.tracking import stage_keys
from hilum.tracking.open_run import Run
from hilum.tracking.opening import open_store
from hilum.tracking.stage_keys import READ
from hilum.tracking.store import Store
from hilum.workspace import Workspace
from project import Project

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    forget_environment(monkeypatch)
    make_store(tmp_path)
    monkeypatch.setattr(runs, "register", lambda run, *rest: run.tag({"registered_version": "1"}))
    return Workspace(tmp_path, tmp_path)


@pytest.fixture
def store(workspace: Workspace) -> Store:
    return open_store(workspace, Tracking(experiment="hilum", model="hilum", tensorboard=False))


def open_arm(store: Store, settings: dict[str, Any], **tags: str) -> str:
    """A run as `train` leaves it."""
    with store.start("baseline", {**settings["tags"], "run_key": run_key(settings), **tags}) as run:
        pass
    return run.id


def vary(value: Any) -> Any:
    return f"{value}x" if isinstance(value, str) else [*value, "x"] if isinstance(value, list) else value + 1


SETTINGS = fake.training_settings("baseline")


@pytest.mark.parametrize(
    "key", ["arm", "model_sha256", *(f"model/{k}" for k in SETTINGS["model"]), *(f"params/{k}" for k in SETTINGS["params"])]
)
def test_the_key_changes_with_model_versions_and_every_parameter(key: str) -> None:
    other = copy.deepcopy(SETTINGS)
    place, _, name = key.partition("/")
    if name:
        other[place][name] = vary(other[place][name])
    else:
        other[place] = vary(other[place])
    assert run_key(other) != run_key(SETTINGS)


def test_the_key_changes_with_nothing_else() -> None:
    other = {**copy.deepcopy(SETTINGS), "tags": {"git": "x"}, "cuts": [], "best_step": 9, "origins": {}, "trained": ["a"]}
    other["params"] = dict(reversed(other["params"].items()))
    assert run_key(other) == run_key(SETTINGS)
    assert len(run_key(SETTINGS)) == 32


def test_the_key_survives_its_way_through_a_file(workspace: Workspace) -> None:
    written = fake.write_training(workspace, "baseline")
    read = json.loads((workspace.arm("baseline", "training") / "settings.json").read_text())
    assert run_key(read) == run_key(written)


def test_a_folder_joins_the_newest_run_that_has_none_of_its_name(store: Store) -> None:
    open_arm(store, SETTINGS)
    newest = open_arm(store, SETTINGS)
    open_arm(store, fake.training_settings("baseline", model_sha256="n" * 64))
    assert find_arm_run(store, SETTINGS, "evaluation").info.run_id == newest


def test_a_folder_does_not_join_a_run_that_holds_one_of_its_name(store: Store) -> None:
    taken = open_arm(store, SETTINGS, **{"digest.evaluation": "another"})
    assert find_arm_run(store, SETTINGS, "evaluation") is None
    assert find_arm_run(store, SETTINGS, "explanations").info.run_id == taken


@pytest.mark.parametrize("change", ["settings", "code", "an earlier stage"])
def test_a_stage_that_runs_again_for_a_reason_opens_a_run_of_its_own_and_leaves_the_first_as_it_was(
    workspace: Workspace, store: Store, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it will write is not known when its run opens: to join the run of the folder that stood there would mix the two."""
    fake.write_results(workspace, ["baseline"])
    first = log_evaluation(store, workspace, "explanations")
    known = store.client.get_run(first).data
    if change == "code":
        monkeypatch.setattr(stage_keys, "_code", lambda: "other")
    if change == "an earlier stage":
        fake.write_measured(workspace, "baseline", "evaluation", {"test/auroc_macro": 0.86})
    decides = {"explain.seed": 2} if change == "settings" else {}
    shutil.rmtree(workspace.arm("baseline", "explanations"))  # as the stage does before it opens its run
    with arm_run(store, workspace, "baseline", "explanations", "hilum", decides) as run:
        fake.write_measured(workspace, "baseline", "explanations", {"explain/gradcam/lung_share": 0.5})
        log_results(run, workspace.arm("baseline", "explanations"), "explanations")
    assert run.id != first
    assert store.client.get_run(first).data.to_dictionary() == known.to_dictionary()
    assert store.client.get_run(run.id).data.tags["digest.explanations"] == known.tags["digest.explanations"], "equal bytes"
    assert log_evaluation(store, workspace, "audit") == run.id, "what follows joins the newest"


@pytest.mark.parametrize(("name", "file"), [(name, file) for name, files in READ.items() for file in files])
def test_a_stage_that_reads_other_files_of_the_same_training_has_a_run_of_its_own(
    workspace: Workspace, store: Store, name: str, file: str
) -> None:
    """Films to explain and annotations are no part of a training's key; the earlier output is not joined, unless all is equal."""
    fake.write_results(workspace, ["baseline"])
    for one in READ[name]:
        (workspace.root / one).parent.mkdir(parents=True, exist_ok=True)
        (workspace.root / one).write_text("twelve films")
    first = log_evaluation(store, workspace, name)
    assert log_evaluation(store, workspace, name) == first
    (workspace.root / file).write_text("six films")
    assert log_evaluation(store, workspace, name) != first


def test_a_stage_that_had_ended_before_dvc_noted_it_goes_on_in_its_run(workspace: Workspace, store: Store) -> None:
    fake.write_results(workspace, ["baseline"])
    first = log_evaluation(store, workspace)
    assert log_evaluation(store, workspace) == first
    points = store.client.get_metric_history(first, "test/auroc_macro")
    assert [point.value for point in points] == [0.85]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError])
def test_an_interrupted_run_is_never_joined(store: Store, failure: type[BaseException]) -> None:
    with pytest.raises(failure), store.start("baseline", {"run_key": run_key(SETTINGS)}):
        raise failure
    assert find_arm_run(store, SETTINGS, "evaluation") is None


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_run_to_which_a_folder_was_not_added_whole_takes_other_folders(store: Store, failure: type[BaseException]) -> None:
    first = open_arm(store, SETTINGS)
    with pytest.raises(failure), store.resume(first, "explanations") as run:
        run.log_params({"explain.lime.samples": 1})
        raise failure
    assert store.client.get_run(first).info.status == "FINISHED"
    assert find_arm_run(store, SETTINGS, "explanations") is None, "half of other explanations may be in it"
    assert find_arm_run(store, SETTINGS, "audit").info.run_id == first


@pytest.mark.parametrize("same", [True, False])
def test_a_stage_goes_on_in_the_run_that_it_was_interrupted_in_unless_its_settings_are_others(
    workspace: Workspace, store: Store, same: bool
) -> None:
    """Also where that is one of its own, opened because the first holds an evaluation already."""
    fake.write_results(workspace, ["baseline"])
    point = {"test/probe": 0.25}
    ids = [open_arm(store, SETTINGS)]
    for count in (10, 20):
        other = {"evaluate.bootstrap": count}
        decides = other if same else {"evaluate.bootstrap": count + 1}
        with pytest.raises(OSError), arm_run(store, workspace, "baseline", "evaluation", "hilum", other) as run:
            run.log_metrics(point)
            raise OSError
        with arm_run(store, workspace, "baseline", "evaluation", "hilum", decides) as again:
            again.log_metrics(point)
            log_results(again, workspace.arm("baseline", "evaluation"), "evaluation")
        assert (again.id == run.id) == same
        if again.id == run.id:
            ended = store.client.get_run(run.id)
            assert ended.info.status == "FINISHED" and "broken_off.evaluation" not in ended.data.tags
            assert len(store.client.get_metric_history(run.id, "test/probe")) == 1
        ids.append(again.id)
    assert ids[1] != ids[2], "an evaluation that is there stays as it was"


def test_a_run_whose_stage_was_killed_is_closed_and_never_joined(workspace: Workspace, store: Store) -> None:
    fake.write_results(workspace, ["baseline"])
    dead = {**SETTINGS["tags"], "run_key": run_key(SETTINGS), "owner": replace(this_process(), started=1).record()}
    left = store.client.create_run(store.experiment, tags=dead).info.run_id
    with arm_run(store, workspace, "baseline", "evaluation", "hilum", {}) as run:
        assert run.id != left
        assert store.client.get_run(left).info.status == "KILLED"


def test_a_run_whose_artifacts_are_in_another_project_is_not_joined(workspace: Workspace, store: Store) -> None:
    fake.write_results(workspace, ["baseline"])
    known = open_arm(store, SETTINGS)
    found = find_arm_run(store, SETTINGS, "evaluation")
    assert found is not None and found.info.run_id == known
    with sqlite3.connect(workspace.home / "mlflow.db") as database:
        database.execute("UPDATE runs SET artifact_uri = 'file:///elsewhere/mlruns/hilum/1/artifacts'")
    assert find_arm_run(store, SETTINGS, "evaluation") is None


def log_evaluation(store: Store, workspace: Workspace, name: str = "evaluation", **decides: int) -> str:
    with arm_run(store, workspace, "baseline", name, "hilum", decides) as run:
        log_results(run, workspace.arm("baseline", name), name)
    return run.id


def test_two_evaluations_of_one_model_are_two_runs_that_both_hold_the_training(
    workspace: Workspace, store: Store, tmp_path: Path
) -> None:
    fake.write_results(workspace, ["baseline"])
    first = log_evaluation(store, workspace)
    assert log_evaluation(store, workspace, "explanations") == first
    fake.write_measured(workspace, "baseline", "evaluation", {"test/auroc_macro": 0.84}, params={"evaluation.bootstrap": 200})
    second = log_evaluation(store, workspace, bootstrap=200)
    assert second != first
    for run_id, count, value in ((first, 100, 0.85), (second, 200, 0.84)):
        run = store.client.get_run(run_id)
        assert run.info.status == "FINISHED"
        settings = Path(store.client.download_artifacts(run_id, "evaluation/settings.json", str(tmp_path)))
        assert json.loads(settings.read_text())["params"] == {"evaluation.bootstrap": count}
        assert "evaluation.bootstrap" not in run.data.params, "it did not lead to the model"
        assert run.data.metrics["test/auroc_macro"] == value
        assert run.data.params["phases.0.learning_rate"] == "0.002"
        assert run.data.tags["digest.run"] == run_key(SETTINGS)
        history = [(point.step, point.value) for point in store.client.get_metric_history(run_id, "val/auroc_macro")]
        assert history == [(0, 0.75), (1, 0.8)]


def test_explanations_in_a_new_run_bring_the_evaluation_of_the_same_model_along(workspace: Workspace, store: Store) -> None:
    fake.write_results(workspace, ["baseline"])
    run = store.client.get_run(log_evaluation(store, workspace, "explanations"))
    assert run.data.metrics["test/auroc_macro"] == 0.85
    fake.write_measured(workspace, "baseline", "evaluation", {"test/auroc_macro": 0.1}, model_sha256="n" * 64, run_key="another")
    fake.write_measured(workspace, "baseline", "explanations", {"explain/gradcam/lung_share": 0.4})
    run = store.client.get_run(log_evaluation(store, workspace, "explanations"))
    assert "test/auroc_macro" not in run.data.metrics, "another model's evaluation must stay out"


def test_the_artifact_tree_is_the_results_folder(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    fake.write_results(workspace, ["baseline"])
    run_id = log_evaluation(store, workspace)
    local = Path(store.client.download_artifacts(run_id, "", str(tmp_path / "down")))
    for name in ("tuning", "training", "evaluation"):
        assert folder_digest(local / name) == folder_digest(workspace.arm("baseline", name))
    assert json.loads((local / "config" / "params.json").read_text()) == SETTINGS["params"]
    assert json.loads((local / "config" / "origins.json").read_text())["head.dropout"] == "search"
    assert json.loads((local / "data" / "versions.json").read_text()) == fake.VERSIONS
    assert (local / "data" / "report.html").read_text() == "<html></html>"
    for name in ("findings.csv", "sources.csv"):
        assert (local / "data" / name).read_bytes() == (workspace.split / name).read_bytes()


def test_training_and_validation_films_are_both_named_as_inputs(workspace: Workspace, store: Store) -> None:
    fake.write_results(workspace, ["baseline"])
    inputs = store.client.get_run(log_evaluation(store, workspace)).inputs.dataset_inputs
    assert {"train", "val"} <= {tag.value for item in inputs for tag in item.tags}
    assert len({item.dataset.digest for item in inputs}) == len(inputs)


def test_the_test_films_are_no_input_of_the_training(workspace: Workspace, store: Store) -> None:  # defect 10
    fake.write_results(workspace, ["baseline"])
    (workspace.split / "test.csv").unlink()
    log_evaluation(store, workspace)


def test_undefined_metrics_are_null_in_the_file_and_absent_in_the_run(workspace: Workspace, store: Store) -> None:
    fake.write_results(workspace, ["baseline"])
    run = store.client.get_run(log_evaluation(store, workspace))
    assert "test/mcc" not in run.data.metrics
    assert run.data.tags["digest.evaluation"] == folder_digest(workspace.arm("baseline", "evaluation"))


def test_key_pictures_are_logged_under_their_name(workspace: Workspace, store: Store) -> None:
    fake.write_results(workspace, ["baseline"])
    images = [entry.path for entry in store.client.list_artifacts(log_evaluation(store, workspace), "images")]
    assert [path for path in images if "evaluation-viral" in path]


def test_the_picture_of_a_description_is_narrow_whatever_the_panel(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    """MLflow's page becomes as wide as its widest picture, and cuts the text off."""
    fake.write_training(workspace, "baseline")
    folder = fake.write_measured(workspace, "baseline", "explanations", {"explain/hit_rate_lesion/gradcam": 0.5})
    (folder / "panels").mkdir()
    Image.new("RGB", (1532, 520)).save(folder / "panels" / "p1.png")
    with store.start("baseline", {"role": "arm"}) as run:
        runs.log_results(run, folder, "explanations")
    note = store.client.get_run(run.id).data.tags["mlflow.note.content"]
    (shown,) = re.findall(r"get-artifact\?path=([^&]+)&", note)
    picture = Image.open(store.client.download_artifacts(run.id, shown, str(tmp_path)))
    assert picture.size == (runs.NARROW, round(520 * runs.NARROW / 1532))


def test_the_picture_of_a_description_is_sent_once(workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.write_training(workspace, "baseline")
    sent: list[str] = []
    send = Run.log_file
    monkeypatch.setattr(Run, "log_file", lambda run, file, place: (sent.append(place), send(run, file, place)))
    with store.start("baseline", {"role": "arm"}) as run:
        for name in runs.MEASURED:
            folder = fake.write_measured(workspace, "baseline", name, {})
            if name == "explanations":
                (folder / "panels").mkdir()
                Image.new("RGB", (1532, 520)).save(folder / "panels" / "p1.png")
            runs.log_results(run, folder, name)
    assert sent.count("note") == 1
    assert "get-artifact?path=note/maps.png" in store.client.get_run(run.id).data.tags["mlflow.note.content"]


def test_a_run_that_was_used_again_is_noted_in_the_project_run(
    workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.write_results(workspace, ["baseline"])
    first = log_evaluation(store, workspace)
    project = store.client.create_run(store.experiment).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", project)
    again = open_store(workspace, Tracking(experiment="hilum", model="hilum", tensorboard=False))
    assert log_evaluation(again, workspace, "explanations") == first
    assert store.client.get_run(project).data.tags["reused_runs"] == first


@pytest.mark.parametrize("name", runs.MEASURED)
@pytest.mark.parametrize(
    "change",
    [
        {"model_sha256": "n" * 64},
        {"model": {**SETTINGS["model"], "threshold": 0.6, "threshold_rule": "f1"}},
        {"params": {**SETTINGS["params"], "train.threshold_rule": "f1"}},
    ],
    ids=["weights", "threshold", "settings"],
)
def test_a_folder_fits_the_training_that_it_was_made_from_and_no_other(
    workspace: Workspace, name: str, change: dict[str, Any]
) -> None:
    folder = workspace.arm("baseline", name)
    assert not fits(folder, SETTINGS)
    fake.write_measured(workspace, "baseline", name, {})
    assert fits(folder, SETTINGS)
    assert not fits(folder, fake.training_settings("baseline", **change))


def write_old(workspace: Workspace, name: str, predicted: list[str] | None = None, **changes: Any) -> Path:
    """A folder as it was written before folders said the key of their training; the threshold of its predictions is 0.4."""
    folder = fake.write_measured(workspace, "baseline", name, {}, run_key=None, **changes)
    if predicted:
        answers = {"p_normal": [0.7, 0.6, 0.5, 0.1], "p_viral": [0.3, 0.4, 0.5, 0.9], "predicted": predicted}
        write_table(folder / "predictions.csv", pd.DataFrame(answers))
    return folder


OLD = fake.training_settings("baseline", run_key=None)


def test_an_old_evaluation_is_matched_by_weights_and_predictions(workspace: Workspace) -> None:
    folder = write_old(workspace, "evaluation", ["normal", "viral", "viral", "viral"])
    assert fits(folder, OLD)
    assert not fits(folder, {**OLD, "model_sha256": "n" * 64})
    assert not fits(folder, {**OLD, "arm": "finetuned"})
    assert not fits(folder, {**OLD, "model": {**OLD["model"], "threshold": 0.6}}), (
        "its predictions are those of another threshold"
    )
    assert not fits(folder, {**OLD, "model": {**OLD["model"], "threshold": None}}), "0.5 goes to the first class"
    assert not fits(folder, {**OLD, "model": {**OLD["model"], "classes": ["normal", "bacterial"]}})


@pytest.mark.parametrize("name", ["explanations", "audit"])
def test_what_followed_an_old_evaluation_is_judged_with_it(workspace: Workspace, name: str) -> None:
    folder = write_old(workspace, name)
    assert fits(folder, OLD), "weights alone, where no evaluation is beside it"
    write_old(workspace, "evaluation", ["normal", "viral", "viral", "viral"])
    assert fits(folder, OLD)
    assert not fits(folder, {**OLD, "model": {**OLD["model"], "threshold": 0.6}})


def test_an_old_folder_is_not_of_a_training_that_says_its_key(workspace: Workspace) -> None:
    folder = write_old(workspace, "evaluation", ["normal", "viral", "viral", "viral"])
    assert fits(folder, OLD) and not fits(folder, SETTINGS), "the training is newer than the folder"


def test_the_history_is_logged_without_its_bookkeeping() -> None:
    history = pd.DataFrame({"step": [0], "phase": [0], "epoch": [0], "trial": [1], "state": ["x"], "val/mcc": [0.1]})
    assert list(epoch_metrics(history).columns) == ["step", "val/mcc"]


def searching() -> Params:
    """Settings whose baseline has the spaces that the written search is of."""
    return check_params(take_steps(yaml.safe_load((ROOT / "params.yaml").read_text())))


def test_a_search_says_its_spaces_and_what_it_found(workspace: Workspace, store: Store) -> None:
    folder = fake.write_tuning(workspace, "baseline")
    with store.start("tune-baseline", {}) as run:
        log_search(run, folder, searching(), "baseline")
    logged = store.client.get_run(run.id).data
    space = yaml.safe_load(logged.params["space.phases.0.learning_rate"])
    assert {key: float(value) for key, value in space.items()} == {"low": 1e-4, "high": 1e-2, "log": 1.0, "start": 1e-3}
    assert logged.params["best.head.dropout"] == "0.25"
    assert logged.params["tune.metric"] == "auroc_macro"
    assert logged.metrics == {"val/auroc_macro": 0.8}, "a pruned trial is no best one"
    assert logged.tags["digest.tuning"] == folder_digest(folder)


def test_a_search_by_a_loss_says_the_loss_of_its_best_trial(workspace: Workspace, store: Store) -> None:
    folder = fake.write_tuning(workspace, "baseline")
    trials = pd.DataFrame({"number": [0, 1, 2], "state": ["COMPLETE", "COMPLETE", "PRUNED"], "best": [False, True, False]})
    write_table(folder / "trials.csv", trials.assign(**{"value": [0.8, 0.5, 0.4], "val/log_loss": [0.8, 0.5, 0.4]}))
    write_json(folder / "settings.json", {"params": {"tune.metric": "log_loss"}})
    with store.start("tune-baseline", {}) as run:
        log_search(run, folder, searching(), "baseline")
    assert store.client.get_run(run.id).data.metrics == {"val/log_loss": 0.5}


def test_every_run_says_data_and_split_and_that_of_a_stage_its_commit(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, tmp_path)
    tags = base_tags("comparison", fake.VERSIONS)
    assert "comparison.html" in tags.pop("mlflow.note.content")
    assert tags == {"role": "comparison", "data_version": "d" * 64, "split_version": "s" * 64}
    assert code_tags(workspace) == {}
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    for command in (["init", "-q"], ["add", "params.yaml"], ["commit", "-q", "-m", "x"]):
        Project(tmp_path).run("git", *command)
    assert code_tags(workspace) == {"mlflow.source.git.commit": find_commit(workspace).id, "git_dirty": "false"}
    (tmp_path / "params.yaml").write_text("seed: 2\n")
    assert code_tags(workspace) == {"mlflow.source.git.commit": find_commit(workspace).id, "git_dirty": "true"}
