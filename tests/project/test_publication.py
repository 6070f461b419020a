"""publish: a store gets every run that it lacks, once, equal to the files; the model itself is left to the pipeline's tests."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_results as fake
import pandas as pd
import pytest
import yaml
from empty_store import forget_environment, make_store
from stepping import take_steps

from hilum import results, runs
from hilum.project import publication as stage
from hilum.project.publication import find_page, publish, tell_store
from hilum.results import folder_digest, read_json, write_json
from hilum.settings.params import Crossvalidate, Params, read_params
from hilum.tracking.opening import open_store
from hilum.tracking.store import Store
from hilum.workspace import Workspace

ARMS = ["baseline", "finetuned"]


@pytest.fixture
def workspace(tmp_path: Path, make_project: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch) -> Workspace:
    forget_environment(monkeypatch)
    monkeypatch.setattr(runs, "register", lambda run, *rest: run.tag({"registered_version": "1"}))
    monkeypatch.setattr(stage, "read_arm", lambda workspace, arm, classes: arm)
    monkeypatch.setattr(stage, "crown", lambda store, params, arms: None)
    made = make_project(tmp_path)
    made.params.write_text(yaml.safe_dump(take_steps(yaml.safe_load(made.params.read_text())), sort_keys=False))
    make_store(made.home)
    fake.write_results(made, ARMS)
    return made


@pytest.fixture
def params(workspace: Workspace) -> Params:
    return read_params(workspace.params)


def found(workspace: Workspace, params: Params, **tags: str) -> list[Any]:
    return open_store(workspace, params.tracking).find(tags)


def test_an_empty_store_gets_every_run_and_a_full_one_none(
    workspace: Workspace, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(workspace, params)
    assert "5 runs published" in capsys.readouterr().out  # two searches, two arms, the comparison
    counts = {role: len(found(workspace, params, role=role)) for role in ("tune", "trial", "arm", "comparison")}
    assert counts == {"tune": 2, "trial": 4, "arm": 2, "comparison": 1}
    publish(workspace, params)
    assert "the store has every run already" in capsys.readouterr().out
    assert {role: len(found(workspace, params, role=role)) for role in counts} == counts


def test_a_published_run_is_what_the_files_say(workspace: Workspace, params: Params, tmp_path: Path) -> None:
    publish(workspace, params)
    run = found(workspace, params, role="arm", arm="baseline")[0]
    settings = read_json(workspace.arm("baseline", "training") / "settings.json")
    logged = {key: str(value) for key, value in settings["params"].items()}
    assert run.data.params == logged, "what led to the model and nothing else"
    assert run.data.metrics["test/auroc_macro"] == 0.85
    assert "test/mcc" not in run.data.metrics
    assert run.data.tags["digest.run"] == results.run_key(settings)
    store = open_store(workspace, params.tracking)
    history = [(point.step, point.value) for point in store.client.get_metric_history(run.info.run_id, "val/auroc_macro")]
    assert history == [(0, 0.75), (1, 0.8)]
    local = Path(store.client.download_artifacts(run.info.run_id, "", str(tmp_path / "down")))
    for name in ("tuning", "training", "evaluation", "explanations", "audit"):
        assert folder_digest(local / name) == folder_digest(workspace.arm("baseline", name)), name


def test_a_published_run_names_the_films_of_every_split(workspace: Workspace, params: Params) -> None:
    publish(workspace, params)
    inputs = found(workspace, params, role="arm", arm="baseline")[0].inputs.dataset_inputs
    assert sorted(tag.value for item in inputs for tag in item.tags) == ["test", "train", "val"]


def test_the_trials_of_a_search_are_nested_below_it_with_their_curves(workspace: Workspace, params: Params) -> None:
    publish(workspace, params)
    parent = found(workspace, params, role="tune", arm="baseline")[0]
    trials = {run.info.run_name: run for run in found(workspace, params, role="trial", arm="baseline")}
    assert set(trials) == {"trial-000", "trial-001"}
    assert {run.data.tags["mlflow.parentRunId"] for run in trials.values()} == {parent.info.run_id}
    assert [trials[name].data.tags["state"] for name in sorted(trials)] == ["COMPLETE", "PRUNED"]
    assert trials["trial-000"].data.params == {"head.dropout": "0.25", "phases.0.learning_rate": "0.002"}
    store = open_store(workspace, params.tracking)
    history = store.client.get_metric_history(trials["trial-000"].info.run_id, "val/auroc_macro")
    assert [(point.step, point.value) for point in history] == [(0, 0.7), (1, 0.8)]
    assert parent.data.metrics["val/auroc_macro"] == 0.8


def test_folders_that_a_run_holds_already_are_published_nowhere_else(
    workspace: Workspace, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    """Though a newer run of the same training holds another evaluation, and though the folder was made anew in between."""
    publish(workspace, params)
    fake.write_measured(workspace, "baseline", "evaluation", {"test/auroc_macro": 0.9})
    publish(workspace, params)
    fake.write_measured(workspace, "baseline", "evaluation", {"test/auroc_macro": 0.85, "test/mcc": None})
    capsys.readouterr()
    publish(workspace, params)
    assert "the store has every run already" in capsys.readouterr().out
    assert len(found(workspace, params, role="arm", arm="baseline")) == 2


def test_only_what_changed_is_published_again(workspace: Workspace, params: Params, capsys: pytest.CaptureFixture[str]) -> None:
    publish(workspace, params)
    fake.write_measured(workspace, "finetuned", "evaluation", {"test/auroc_macro": 0.9})
    write_json(workspace.comparison / "metrics.json", {"difference/auroc_macro": 0.05})
    capsys.readouterr()
    publish(workspace, params)
    assert "2 runs published" in capsys.readouterr().out
    assert len(found(workspace, params, role="arm", arm="finetuned")) == 2
    assert len(found(workspace, params, role="arm", arm="baseline")) == 1
    assert found(workspace, params, role="arm", arm="finetuned")[0].data.metrics["test/auroc_macro"] == 0.9


def test_an_interrupted_publication_goes_on_in_its_run(
    workspace: Workspace, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = stage.log_measured

    def interrupt(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stage, "log_measured", interrupt)
    with pytest.raises(KeyboardInterrupt):
        publish(workspace, params)
    assert [run.info.status for run in found(workspace, params, role="arm")] == ["KILLED"]
    monkeypatch.setattr(stage, "log_measured", whole)
    publish(workspace, params)
    states = [run.info.status for run in found(workspace, params, role="arm", arm="baseline")]
    assert states == ["FINISHED"]


def test_a_search_whose_trials_were_cut_off_is_completed(
    workspace: Workspace, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []

    def interrupt(history: Any) -> Any:
        calls.append(history)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return results.epoch_metrics(history)

    monkeypatch.setattr(stage, "epoch_metrics", interrupt)
    with pytest.raises(KeyboardInterrupt):
        publish(workspace, params)
    publish(workspace, params)
    searches = found(workspace, params, role="tune", arm="baseline")
    assert [run.info.status for run in searches] == ["FINISHED"]
    trials = found(workspace, params, role="trial", arm="baseline")
    assert {run.data.tags["mlflow.parentRunId"] for run in trials} == {searches[0].info.run_id}
    assert sorted((run.info.run_name, run.info.status) for run in trials) == [
        ("trial-000", "FINISHED"),
        ("trial-001", "FINISHED"),
    ]


def test_another_store_gets_its_own_runs(workspace: Workspace, params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(workspace, params)
    make_store(workspace.home / "other")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{workspace.home}/other/mlflow.db")
    publish(workspace, params)
    store: Store = open_store(workspace, params.tracking)
    assert len(store.find({"role": "arm"})) == 2
    assert list((workspace.home / "other" / "mlruns").rglob("comparison.html"))


def test_what_was_made_from_another_training_is_not_published_with_this_one(
    workspace: Workspace, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same weights under another threshold rule: `train` has run again, `evaluate` has not."""
    publish(workspace, params)
    now = fake.training_settings("baseline")
    model, values = {**now["model"], "threshold": 0.6}, {**now["params"], "train.threshold_rule": "f1"}
    written = fake.write_training(workspace, "baseline", model=model, params=values)
    capsys.readouterr()
    publish(workspace, params)
    run = found(workspace, params, role="arm", arm="baseline")[0]
    assert run.data.tags["digest.run"] == results.run_key(written) and run.data.params["train.threshold_rule"] == "f1"
    assert not {"test/auroc_macro", "explain/gradcam/lung_share", "audit/probability"} & set(run.data.metrics)
    assert "baseline: evaluation, explanations, audit were made from another training" in capsys.readouterr().out


def test_the_project_run_lists_what_it_reused(workspace: Workspace, params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(workspace, params)
    store = open_store(workspace, params.tracking)
    project = store.client.create_run(store.experiment).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", project)
    publish(workspace, params)
    tags = store.client.get_run(project).data.tags
    comparison = store.find({"role": "comparison"})[0].info.run_id
    assert f"/runs/{comparison}/artifacts/comparison/comparison.html" in tags["mlflow.note.content"]
    assert "To run it again: `dvc repro`" in tags["mlflow.note.content"]
    reused = set(tags["reused_runs"].split())
    wanted = {run.info.run_id for role in ("tune", "arm", "comparison") for run in store.find({"role": role})}
    assert reused == wanted


def test_a_search_without_trials_is_no_run(workspace: Workspace, params: Params) -> None:
    folder = workspace.arm("baseline", "tuning")
    for name in ("trials.csv", "trial_history.csv"):
        head = (folder / name).read_text().splitlines()[0]
        (folder / name).write_text(f"{head}\n")
    publish(workspace, params)
    assert found(workspace, params, role="tune", arm="baseline") == []


@pytest.mark.parametrize("how", ["removed", "added", "narrower"])
def test_a_search_of_other_spaces_is_told_and_not_published(
    how: str, workspace: Workspace, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    file = workspace.arm("finetuned", "tuning") / "trials.csv"
    trials = pd.read_csv(file)
    key = next(name for name in trials.columns if name.startswith(("head.", "phases.")))
    if how == "narrower":
        trials[key] = 1e6
    else:
        trials = trials.drop(columns=key) if how == "added" else trials.assign(**{"train.imbalance": "none"})
    trials.to_csv(file, index=False)
    publish(workspace, params)
    assert found(workspace, params, role="tune", arm="finetuned") == []
    assert "finetuned: its search was of other spaces than params.yaml has now" in capsys.readouterr().out


def test_results_that_are_not_there_are_told(workspace: Workspace, params: Params) -> None:
    (workspace.split / "versions.json").unlink()
    with pytest.raises(ValueError, match="run `dvc repro`"):
        publish(workspace, params)


def test_folds_are_published_below_one_parent_once(workspace: Workspace, params: Params) -> None:
    fake.write_crossvalidation(workspace, "finetuned", ["1", "2"])
    publish(workspace, params)
    assert not len(found(workspace, params, role="crossvalidation")), "what no stage of this dvc.yaml made"
    params = params.model_copy(update={"crossvalidate": Crossvalidate(arms=["finetuned"])})
    publish(workspace, params)
    publish(workspace, params)
    parents, folds = (found(workspace, params, role=role) for role in ("crossvalidation", "fold"))
    assert [run.info.run_name for run in parents] == ["crossvalidate-finetuned"]
    assert sorted(run.info.run_name for run in folds) == ["fold-1", "fold-2"]
    assert {run.data.tags["mlflow.parentRunId"] for run in folds} == {parents[0].info.run_id}
    assert parents[0].data.metrics == {"out_of_fold/auroc_macro": 0.7} and parents[0].data.params == {"split.folds": "2"}
    first = next(run for run in folds if run.data.tags["fold"] == "1")
    assert first.data.metrics == {
        "train/loss": 0.6,
        "out_of_fold/films": 20,
        "out_of_fold/patients": 9,
        "out_of_fold/auroc_macro": 0.7,
    }
    assert "out_of_fold/auroc_macro" not in next(run for run in folds if run is not first).data.metrics, "undefined"


def test_the_page_of_results_that_go_away_is_named_among_the_artifacts(
    workspace: Workspace, params: Params, tmp_path: Path
) -> None:
    publish(workspace, params)
    told = Path(find_page(workspace, open_store(workspace, params.tracking), "settings.json"))  # the stand-ins draw no page
    assert told.is_relative_to(workspace.home / "mlruns")
    assert told.read_bytes() == (workspace.comparison / "settings.json").read_bytes()


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("", "make ui"),
        ("sqlite:///{home}/mlflow.db", "make ui"),
        ("sqlite:////elsewhere/mlflow.db", "mlflow ui --backend-store-uri sqlite:////elsewhere/mlflow.db"),
        ("http://anna:secret@tracking:5000", "http://anna:***@tracking:5000"),
        ("sqlite:////else where/mlflow.db", "mlflow ui --backend-store-uri 'sqlite:////else where/mlflow.db'"),
        ("postgresql://anna:secret@db/runs", 'mlflow ui --backend-store-uri "$MLFLOW_TRACKING_URI"'),
    ],
)
def test_the_store_that_was_used_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, told: str) -> None:
    forget_environment(monkeypatch)
    if uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri.format(home=tmp_path))
    assert tell_store(Workspace(tmp_path, tmp_path)) == told


def test_a_run_from_an_address_ends_with_what_works_where_it_was_typed(
    workspace: Workspace, params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The project lies in a folder that goes away: neither `make ui` nor a file of it is named."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    fetched, caller = tmp_path.resolve() / "tmpab12_xyz", tmp_path.resolve() / "caller"
    shutil.copytree(workspace.root, fetched, ignore=shutil.ignore_patterns("mlflow.db"))
    make_store(caller)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{caller}/mlflow.db")
    there = Workspace(fetched, fetched)
    publish(there, params)
    capsys.readouterr()
    stage.tell_places(there, params, "settings.json")  # the stand-ins draw no page
    told = capsys.readouterr().out
    assert str(fetched) not in told and "make ui" not in told
    assert f"mlflow ui --backend-store-uri sqlite:///{caller}/mlflow.db\n" in told
    page = Path(next(line for line in told.splitlines() if "the comparison: " in line).partition(": ")[2])
    assert page.is_relative_to(caller / "mlruns") and page.is_file()
    for view in ("Arms", "Maps side by side", "Search"):
        assert f"the view {view}, once that is open: http://127.0.0.1:5000/#/experiments/" in told
    assert "the arms of this comparison side by side, once that is open: http://127.0.0.1:5000/#/compare-runs?" in told


def test_in_a_project_of_ones_own_make_ui_prints_the_views(
    workspace: Workspace, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(workspace, params)
    capsys.readouterr()
    stage.tell_places(workspace, params, "settings.json")
    told = capsys.readouterr().out
    assert "artifacts: make ui\n" in told and "the view" not in told and "#/compare-runs?" in told


def test_repeats_are_published_as_runs_below_their_arm_with_what_was_measured(
    workspace: Workspace, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.write_repeats(workspace, "baseline")
    publish(workspace, params)
    (parent,) = found(workspace, params, role="arm", arm="baseline")
    nested = {run.info.run_name: run for run in found(workspace, params, role="repeat")}
    assert set(nested) == {"repeat-1", "repeat-2"}
    for number, run in enumerate((nested["repeat-1"], nested["repeat-2"]), 1):
        assert run.info.status == "FINISHED" and run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.params == {"train.seed": str(6 + number)} and run.data.tags["digest.model"] == f"{number}" * 64
        assert "digest.run" not in run.data.tags, "the arm's alone"
        assert run.data.metrics["repeat/val/log_loss"] == number / 4
        measured = {f"{part}/{name}" for part in ("val", "test") for name in results.REPEATED}
        assert set(run.data.metrics) == {"repeat/val/log_loss", "val/auroc_macro", *measured}, "few metrics"
        assert run.data.metrics["test/accuracy"] == {1: 0.75, 2: 0.5}[number]
    capsys.readouterr()
    publish(workspace, params)
    assert "the store has every run already" in capsys.readouterr().out
    assert len(found(workspace, params, role="repeat")) == 2
