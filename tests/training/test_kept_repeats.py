"""A training over several seeds: what is kept, what a kill leaves, which repeat is served, and what its run and files say."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml

from hilum.models.classifier import build_classifier, load_classifier
from hilum.models.initial_weights import save_backbone
from hilum.results import file_sha256, folder_digest, read_json, read_predictions, read_table
from hilum.settings.params import read_params
from hilum.stages import check, evaluate, train, tune
from hilum.training.kept_repeats import keep_repeats
from hilum.workspace import Workspace

CLASSES = ("normal", "bacterial", "viral")
PHASE = {"unfreeze": "head", "epochs": 2, "learning_rate": 0.01, "decay": "none", "batch_norm": "auto"}


def shorten(workspace: Workspace, repeats: int, **given: object) -> None:
    """One arm of two epochs from random weights, without a search; given: keys of `train`."""
    values = yaml.safe_load(workspace.params.read_text())
    values["tune"]["trials"] = 0
    values["evaluate"]["bootstrap"] = 20
    values["train"]["augment"]["views"] = 1
    values["train"].update(repeats=repeats, **given)
    values["arms"]["baseline"].update(weights="none", head={"dropout": 0.2, "weight_decay": 0.0}, phases=[PHASE])
    workspace.params.write_text(yaml.safe_dump(values, sort_keys=False))
    tune.run("baseline")


@pytest.fixture
def project(own_copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{own_copy.home / 'mlflow.db'}")
    return own_copy


def runs_of(workspace: Workspace, tags: str) -> list:
    client = mlflow.MlflowClient(f"sqlite:///{workspace.home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("hilum")
    return list(client.search_runs([experiment.experiment_id], tags, order_by=["attributes.start_time ASC"]))


def test_a_repeat_is_taken_back_only_for_the_same_settings_code_and_bytes(
    tmp_path: Path, edit_code: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    kept = keep_repeats(tmp_path, "baseline", {"batch": 1})
    with kept.write(1) as place:
        (place / "model.keras").write_bytes(b"weights")
    with pytest.raises(KeyboardInterrupt), kept.write(2) as place:
        (place / "model.keras").write_bytes(b"half of the wei")
        raise KeyboardInterrupt
    assert kept.find(1) == kept.folder / "1" and kept.find(2) is None and kept.find(3) is None
    assert keep_repeats(tmp_path, "baseline", {"batch": 2}).find(1) is None
    assert keep_repeats(tmp_path, "finetuned", {"batch": 1}).find(1) is None
    edit_code("pages/repeats.py")
    assert keep_repeats(tmp_path, "baseline", {"batch": 1}).find(1) is not None
    edit_code("stages/train.py")
    assert keep_repeats(tmp_path, "baseline", {"batch": 1}).find(1) is None
    (kept.folder / "1" / "model.keras").write_bytes(b"weighty")
    assert kept.find(1) is None
    assert f"{kept.folder / '1'} is damaged" in capsys.readouterr().out


def test_three_seeds_give_three_nested_runs_and_serve_the_median(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    shorten(project, 1)
    train.run("baseline")
    once = read_json(project.arm("baseline", "training") / "settings.json")
    assert "train.repeats" not in once["params"] and "repeat" not in once["model"]
    shorten(project, 3)
    capsys.readouterr()
    train.run("baseline")
    said, folder = capsys.readouterr().out, project.arm("baseline", "training")
    table, settings = read_table(folder / "repeats.csv"), read_json(folder / "settings.json")
    seed = read_params(project.params).train.seed
    assert table["seed"].tolist() == [seed, seed + 1, seed + 2]
    assert table["model_sha256"].tolist()[0] == once["model_sha256"], "the first repeat is the training of one"
    assert table["model_sha256"].nunique() == 3
    served = int(table.index[table["served"]][0])
    assert table["val/log_loss"][served] == table["val/log_loss"].median()
    assert settings["model"]["repeat"] == {"number": served + 1, "of": 3, "seed": seed + served}
    assert settings["params"]["train.repeats"] == 3 and settings["run_key"] != once["run_key"]
    for name in ("model.keras", "model.json", "history.csv", "calibration.json", "settings.json"):
        assert file_sha256(folder / name) == file_sha256(folder / "repeats" / str(served + 1) / name)
    assert "baseline, repeat 2 of 3: phase 1 epoch 1" in said
    assert re.search(r"baseline, repeat 1 of 3: took \d+ s; about \d+ s left", said)
    assert f"repeat {served + 1} of 3, seed {seed + served}, is median by log loss on validation" in said
    (parent,) = runs_of(project, f"tags.`digest.run` = '{settings['run_key']}'")
    nested = runs_of(project, f"tags.role = 'repeat' and tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    assert [run.info.run_name for run in nested] == ["repeat-1", "repeat-2", "repeat-3"]
    assert [run.data.params["train.seed"] for run in nested] == [str(seed), str(seed + 1), str(seed + 2)]
    assert [run.data.metrics["repeat/val/log_loss"] for run in nested] == pytest.approx(table["val/log_loss"].tolist())
    assert "digest.run" not in nested[0].data.tags and {run.info.status for run in [parent, *nested]} == {"FINISHED"}
    client = mlflow.MlflowClient(f"sqlite:///{project.home / 'mlflow.db'}")
    logged = [point.value for point in client.get_metric_history(parent.info.run_id, "val/log_loss")]
    assert logged == pytest.approx(pd.read_csv(folder / "history.csv")["val/log_loss"].tolist()), "of the served repeat"
    check_evaluation(project, nested, served, capsys)


def check_evaluation(project: Workspace, nested: list, served: int, capsys: pytest.CaptureFixture[str]) -> None:
    """What `evaluate` leaves of these three repeats."""
    evaluate.run("baseline")
    folder = project.arm("baseline", "evaluation")
    table, means = read_table(folder / "repeats.csv"), read_table(folder / "repeat_intervals.csv").set_index(["part", "metric"])
    metrics = read_json(folder / "metrics.json")
    assert table["served"].tolist().index(True) == served
    for name in ("accuracy", "log_loss", "auroc_macro"):
        for part in ("val", "test"):
            assert table[f"{part}/{name}"][served] == pytest.approx(metrics[f"{part}/{name}"]), "of the served model as ever"
            row = means.loc[(part, name)]
            assert row["mean"] == pytest.approx(table[f"{part}/{name}"].mean())
            assert row["sd"] == pytest.approx(table[f"{part}/{name}"].std())
            assert row["low"] <= row["mean"] <= row["high"]
        assert metrics[f"repeats/test/{name}"] == pytest.approx(means.loc[("test", name), "mean"])
        assert metrics[f"repeats/test/{name}.sd"] == pytest.approx(means.loc[("test", name), "sd"])
    assert not [key for key in metrics if key.startswith("repeats/val")], "few metrics of repeats go into runs"
    arms = {run.info.run_id: run for run in runs_of(project, "tags.role = 'arm'")}
    parent = arms[nested[0].data.tags["mlflow.parentRunId"]]
    carried = {key: value for key, value in parent.data.metrics.items() if key.startswith("repeats/")}
    ends = ("", ".sd", ".low", ".high")
    assert set(carried) == {f"repeats/test/{name}{end}" for name in ("auroc_macro", "balanced_accuracy") for end in ends}
    assert carried == pytest.approx({key: metrics[key] for key in carried})
    own = read_predictions(folder / "repeats" / f"{served + 1}.csv", "test", CLASSES)
    usual = read_predictions(folder / "predictions.csv", "test", CLASSES)
    np.testing.assert_array_equal(own.y_prob, usual.y_prob)
    assert (folder / "repeats.png").is_file()
    assert "over seeds and patients, mean of 3 repeats with a standard deviation of" in capsys.readouterr().out
    again = runs_of(project, "tags.role = 'repeat'")
    assert len(again) == len(nested), "the runs of the training, no new ones"
    assert [run.data.metrics["test/accuracy"] for run in again] == pytest.approx(table["test/accuracy"].tolist())
    assert {run.info.status for run in again} == {"FINISHED"}


def test_an_interrupted_training_goes_on_at_its_first_unfinished_repeat_and_ends_in_the_same_bytes(
    project: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shorten(project, 3)
    trained: list[int] = []
    real = train.train_model

    def watched(plan: object, number: int, *more: object) -> object:
        if number in stops:
            raise KeyboardInterrupt
        trained.append(number)
        return real(plan, number, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(train, "train_model", watched)
    stops = {3}
    with pytest.raises(KeyboardInterrupt):
        train.run("baseline")
    folder = project.arm("baseline", "training")
    assert trained == [1, 2] and not folder.exists()
    assert [run.info.status for run in runs_of(project, "tags.role = 'repeat'")] == ["FINISHED", "FINISHED", "KILLED"]
    stops = set()
    train.run("baseline")
    assert trained == [1, 2, 3]
    assert "baseline, repeat 1 of 3: taken from an earlier training" in capsys.readouterr().out
    assert not list((project.cache / "repeats" / "baseline").iterdir()), "the results hold all repeats now"
    continued = folder_digest(folder)
    train.run("baseline")
    assert trained == [1, 2, 3, 1, 2, 3] and folder_digest(folder) == continued


@pytest.mark.slow
def test_a_killed_training_goes_on_at_its_first_unfinished_repeat(project: Workspace, root: Path) -> None:
    """SIGKILL in the second repeat: nothing of this process can tidy up."""
    shorten(project, 3)
    project.pretrained.mkdir()  # `hilum train` asks whether earlier stages ran; no arm here reads it
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    command = [sys.executable, "-u", str(root / "src" / "hilum"), "train", "--arm", "baseline"]
    process = subprocess.Popen(command, cwd=project.root, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    heard = []
    for line in process.stdout:
        heard.append(line)
        if "repeat 2 of 3: phase 1 epoch 1" in line:
            process.send_signal(signal.SIGKILL)
            break
    process.stdout.close()
    assert process.wait(60) == -signal.SIGKILL, "".join(heard)
    assert not project.arm("baseline", "training").exists()
    done = subprocess.run(command, cwd=project.root, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "repeat 1 of 3: taken from an earlier training" in done.stdout
    assert "repeat 2 of 3: trained with seed" in done.stdout and "repeat 1 of 3: phase" not in done.stdout
    assert len(read_table(project.arm("baseline", "training") / "repeats.csv")) == 3
    states = [run.info.status for run in runs_of(project, "tags.role = 'repeat'")]
    assert states == ["FINISHED"] * 3, "the runs that were cut off were continued"


def test_a_solved_head_gives_the_same_weights_for_every_seed(project: Workspace) -> None:
    """On a backbone with weights of its own; the files differ in the seed that their dropout layer names."""
    shorten(project, 2)
    values = yaml.safe_load(project.params.read_text())
    weights = project.root / "own.weights.h5"
    save_backbone(build_classifier(values["arms"]["baseline"]["backbone"], 64, 3, None, 0.0, 0.0, np.zeros(3), 1), weights)
    solved = {"unfreeze": "head", "solver": "convex", "penalty": 0.01}
    del values["arms"]["baseline"]["head"]
    values["arms"]["baseline"].update(weights=weights.name, phases=[solved])
    project.params.write_text(yaml.safe_dump(values, sort_keys=False))
    check.run()
    tune.run("baseline")
    train.run("baseline")
    folder = project.arm("baseline", "training")
    one, other = (load_classifier(folder / "repeats" / number / "model.keras").get_weights() for number in "12")
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    table = read_table(folder / "repeats.csv")
    assert table["val/log_loss"].nunique() == 1 and table["served"].tolist() == [True, False]
    evaluate.run("baseline")
    metrics = read_json(project.arm("baseline", "evaluation") / "metrics.json")
    assert metrics["repeats/test/accuracy.sd"] == 0
    assert metrics["repeats/test/accuracy"] == pytest.approx(metrics["test/accuracy"])
