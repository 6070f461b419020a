"""What `train` writes beside the model; the stage itself runs in the pipeline's test."""

import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
import yaml
from architecture import PACKAGE
from empty_store import make_store
from event_files import read_curves
from hub_presets import write_preset
from own_backbones import write_own

from hilum.data.prepared.examples import as_images
from hilum.data.prepared.loading import load_split
from hilum.evaluation.scoring import calibration
from hilum.models.classifier import build_classifier, load_classifier, model_sha256
from hilum.models.forward import predictor
from hilum.models.initial_weights import save_backbone
from hilum.pages.page_words import summarise_arm
from hilum.results import file_sha256, read_json, read_predictions, read_table, write_json
from hilum.settings.meaning import settle, spaces
from hilum.settings.params import check_params, read_params
from hilum.stages import check, evaluate, train, tune
from hilum.stages.tune import fixed_part
from hilum.training.learning.arms import read_logits, scale_logits
from hilum.training.learning.convex import PENALTIES
from hilum.training.plan import decides, make_plan
from hilum.training.searching.search import study_name
from hilum.training.task import file_digest, logged_params, origins, params_of
from hilum.workspace import Workspace

CLASSES = ["normal", "viral"]
CLASSES3 = ["normal", "bacterial", "viral"]


def test_logged_parameters_hold_what_an_arm_is_trained_with_under_the_keys_that_all_arms_share(root: Path) -> None:
    values = yaml.safe_load((root / "params.yaml").read_text())
    space = {"low": 0.01, "high": 0.1, "start": 0.05}
    values["arms"]["finetuned"]["train"] = {"optimizer": {"name": "adamw", "weight_decay": space}, "averaging": 0.995}
    params = check_params(values)
    wanted = params.arms["finetuned"]
    settled = settle(wanted, {key: space.start for key, space in spaces(wanted).items()})
    own, plain = logged_params(params, settled), logged_params(params, params.arms["baseline"])
    told = {key: (own[key], plain[key]) for key in own if key.startswith("train.") and own[key] != plain[key]}
    assert told == {
        "train.optimizer.name": ("adamw", "adam"),
        "train.optimizer.weight_decay": (0.05, 0.0),
        "train.averaging": (0.995, 0.0),
    }
    assert {key for key in own if key.startswith("train.")} == {key for key in plain if key.startswith("train.")}
    found = {key for key, origin in origins(own, wanted).items() if origin == "search"}
    assert {key for key in found if key.startswith("train.")} == {"train.optimizer.weight_decay"}
    merged = params_of(params, settled)
    assert merged.train.averaging == 0.995
    assert logged_params(merged, settled) == own
    assert params_of(params, params.arms["baseline"]) == params


def short(own_copy: Workspace, **given: object) -> None:
    """One arm of one epoch from random weights, without a search; given: keys of `train`."""
    values = yaml.safe_load(own_copy.params.read_text())
    phase = {"unfreeze": "head", "epochs": 1, "learning_rate": 0.001, "decay": "none", "batch_norm": "auto"}
    values["arms"]["baseline"].update(weights="none", head={"dropout": 0.2, "weight_decay": 0.0}, phases=[phase])
    values["tune"]["trials"] = 0
    values["train"].update(given)
    own_copy.params.write_text(yaml.safe_dump(values, sort_keys=False))
    tune.run("baseline")


def test_the_bit_depths_of_the_films_stand_in_model_json(own_copy: Workspace) -> None:
    short(own_copy)
    (own_copy.prepared / "grey_bits.json").write_text('{"phantom": 12, "other": 12}')
    train.run("baseline")
    folder = own_copy.arm("baseline", "training")
    described, told = read_json(folder / "model.json"), read_json(folder / "calibration.json")
    assert described["grey_bits"] == [12]
    assert described["prior"] == pytest.approx(dict.fromkeys(CLASSES3, 1 / 3)), "class weights: an even prior"
    assert (described["decision"], described["decision_factors"]) == ("probable", dict.fromkeys(CLASSES3, 1.0))
    assert told["note"].startswith("not calibrated: that takes 30 validation films"), "the small project has fewer"
    assert told["temperature"] == 1.0 and told["before"] == told["after"]
    assert read_table(folder / "calibration.csv").empty, "nothing was fitted"


def test_the_saved_model_is_calibrated_then_shifted_and_its_factors_decide(
    own_copy: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All commands use one model: what is evaluated is what the saved file predicts, with the shift in it once."""
    monkeypatch.setattr(calibration, "FEWEST", 9)
    monkeypatch.setattr(calibration, "FEWEST_OF_A_CLASS", 1)
    prevalence = {"normal": 0.8, "bacterial": 0.15, "viral": 0.05}
    short(own_copy, prevalence=prevalence, decision="balanced", imbalance="none")
    before: list[tuple[Any, Any]] = []
    films = load_split(own_copy.prepared, own_copy.split, "val", CLASSES3)
    counts = read_json(own_copy.split / "versions.json")["train_counts"]

    def listen(model: Any, *given: Any) -> None:
        before.append((read_logits(model, films.examples.films), given))
        scale_logits(model, *given)

    monkeypatch.setattr("hilum.finishing.model.scale_logits", listen)
    train.run("baseline")
    folder = own_copy.arm("baseline", "training")
    described, told = read_json(folder / "model.json"), read_json(folder / "calibration.json")
    ((logits, (temperature, biases)),) = before
    assert temperature == told["temperature"] != 1.0 and not np.any(biases)
    shares = np.array(counts) / sum(counts)
    assert list(told["prior"].values()) == pytest.approx(shares[np.argsort(CLASSES3)]), "the shares of training, uncorrected"
    by_hand = np.exp(logits / temperature) * np.array(list(prevalence.values())) / shares
    by_hand /= by_hand.sum(axis=1, keepdims=True)
    saved = predictor(load_classifier(folder / "model.keras"))(as_images(films.examples.films))
    np.testing.assert_allclose(saved, by_hand, atol=1e-5)
    assert described["prior"] == prevalence
    assert described["decision_factors"] == pytest.approx({name: 1 / (3 * share) for name, share in prevalence.items()})
    assert f"baseline: temperature {temperature:.3g}, fitted on {told['films']} validation films" in capsys.readouterr().out
    metrics = read_json(folder / "metrics.json")
    assert metrics["calibration/temperature"] == temperature
    assert metrics["val/log_loss_uncalibrated"] == pytest.approx(metrics["best/val/log_loss"], abs=1e-4), "before the shift"
    evaluate.run("baseline")
    answers = read_predictions(own_copy.arm("baseline", "evaluation") / "predictions.csv", "val", tuple(CLASSES3))
    np.testing.assert_allclose(answers.y_prob, saved, atol=1e-5)
    np.testing.assert_array_equal(answers.y_pred, (answers.y_prob / np.array(list(prevalence.values()))).argmax(axis=1))
    points = read_table(folder / "calibration.csv")
    assert points.groupby("predictions")["films"].sum().to_dict() == {"before": told["films"], "after": told["films"]}
    assert (own_copy.arm("baseline", "evaluation") / "scaling.png").is_file()


def test_no_result_holds_where_weights_lie_on_this_machine(own_copy: Workspace, tmp_path: Path) -> None:
    values = yaml.safe_load(own_copy.params.read_text())
    phase = {"unfreeze": "head", "epochs": 1, "learning_rate": 0.001, "decay": "none", "batch_norm": "auto"}
    file = tmp_path / "of this machine" / "first.weights.h5"
    file.parent.mkdir()
    model = build_classifier(values["arms"]["baseline"]["backbone"], 64, 3, None, 0.0, 0.0, np.zeros(3), 1)
    save_backbone(model, file)
    values["arms"]["baseline"].update(weights=str(file), head={"dropout": 0.2, "weight_decay": 0.0}, phases=[phase])
    values["tune"]["trials"] = 0
    own_copy.params.write_text(yaml.safe_dump(values, sort_keys=False))
    check.run()
    tune.run("baseline")
    train.run("baseline")
    told = read_json(own_copy.arm("baseline", "training") / "settings.json")["params"]["weights"]
    assert told == f"first.weights.h5 (sha256 {file_sha256(file)[:16]})"
    written = [
        *own_copy.root.glob("results/**/*"),
        *own_copy.root.glob("mlruns/**/*"),
        own_copy.home / "mlflow.db",
        own_copy.facts,
    ]
    assert not [path for path in written if path.is_file() and b"of this machine" in path.read_bytes()]


def test_the_search_and_the_key_of_a_training_do_not_depend_on_the_folder_of_weights(own_copy: Workspace) -> None:
    params, versions = read_params(own_copy.params), {"classes": ["a", "b"]}
    write_json(own_copy.facts, {"weights": {"baseline": "d" * 64}})
    told = []
    for weights in ("/one/w.h5", "/other/w.h5", "~/w.h5", "C:\\w.h5", "w.h5"):
        arm = params.arms["baseline"].model_copy(update={"weights": weights})
        changed = params.model_copy(update={"arms": {"baseline": arm}})
        logged = logged_params(changed, arm, file_digest(changed, "baseline", own_copy))
        told.append((logged["weights"], study_name("baseline", fixed_part(changed, "baseline", versions, own_copy))))
    assert len(set(told[:4])) == 1 and told[0][0] == f"w.h5 (sha256 {'d' * 16})"
    assert told[4][0] == "w.h5", "a path of the project stays as it is"


def test_a_solved_head_is_trained_and_told_with_its_path_and_the_penalty_that_was_chosen(
    own_copy: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing to search, a row per penalty in files and in the run, and words for the page."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{own_copy.home / 'mlflow.db'}")  # whatever ran in this process before
    values = yaml.safe_load(own_copy.params.read_text())
    values["arms"]["baseline"].pop("head", None)
    solved = {"unfreeze": "head", "solver": "convex", "penalty": "auto"}
    values["arms"]["baseline"].update(weights="none", phases=[solved])
    own_copy.params.write_text(yaml.safe_dump(values, sort_keys=False))
    tune.run("baseline")
    assert yaml.safe_load((own_copy.arm("baseline", "tuning") / "best.yaml").read_text()) == {}
    train.run("baseline")
    folder = own_copy.arm("baseline", "training")
    history, metrics, settings = (
        pd.read_csv(folder / "history.csv"),
        read_json(folder / "metrics.json"),
        read_json(folder / "settings.json"),
    )
    assert history["train/penalty"].tolist() == pytest.approx(PENALTIES)
    assert history["step"].tolist() == list(range(len(PENALTIES)))
    best = history["val/log_loss"].idxmin()
    assert settings["best_step"] == best
    assert metrics["penalty/phases.0"] == history["train/penalty"][best]
    assert metrics["best/val/log_loss"] == history["val/log_loss"][best]
    told = {key: value for key, value in settings["params"].items() if key.startswith(("phases.", "head"))}
    assert told == {"phases.0.unfreeze": "head", "phases.0.solver": "convex", "phases.0.penalty": "auto"}
    with sqlite3.connect(own_copy.home / "mlflow.db") as store:
        logged = dict(store.execute("SELECT key, COUNT(*) FROM metrics WHERE key LIKE '%penalty%' GROUP BY key"))
    assert logged == {"train/penalty": len(PENALTIES), "penalty/phases.0": 1}
    arm = cast(Any, SimpleNamespace(settings=settings, folder={"training": folder}))
    summary = summarise_arm("baseline", arm, 1)
    chosen = f"{metrics['penalty/phases.0']:.2g}"
    assert summary.phases == [f"solved to convergence, penalty {chosen}, unfrozen: head; 1 layers trained"]
    kept = f"phase 1 penalty {metrics['penalty/phases.0']:.3g}"
    assert summary.kept.startswith(kept)
    said = capsys.readouterr().out
    assert f"baseline: kept {kept}, val/log_loss" in said and "epoch" not in said, "it has none"


def test_curves_for_tensorboard_are_the_history_and_decide_nothing(own_copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """On request: an event file per training, here of each repeat; what is trained and its identity stay as they are."""
    make_store(own_copy.home)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{own_copy.home / 'mlflow.db'}")
    short(own_copy, repeats=2)
    before = make_plan("baseline")
    values = yaml.safe_load(own_copy.params.read_text())
    values["tracking"]["tensorboard"] = True
    own_copy.params.write_text(yaml.safe_dump(values, sort_keys=False))
    after = make_plan("baseline")
    assert after.params.tracking.tensorboard and not before.params.tracking.tensorboard
    assert decides(after) == decides(before)
    train.run("baseline")
    for number in ("1", "2"):
        (place,) = (own_copy.root / ".hilum" / "tensorboard" / "baseline" / f"repeat-{number}").iterdir()
        history = own_copy.arm("baseline", "training") / "repeats" / number / "history.csv"
        assert read_curves(place) == curves_of(history)
        with sqlite3.connect(own_copy.home / "mlflow.db") as store:
            assert store.execute("SELECT name FROM runs WHERE run_uuid = ?", [place.name]).fetchall() == [(f"repeat-{number}",)]


def test_an_arm_on_a_preset_of_keras_hub_is_trained_and_no_result_holds_where_it_lies(
    own_copy: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A DINOv2: the head, then its highest block, both on cached activations of what is below."""
    make_store(own_copy.home)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{own_copy.home / 'mlflow.db'}")
    folder = tmp_path / "of this machine" / "dino"
    write_preset("dinov2", folder, patch=16)
    values = yaml.safe_load(own_copy.params.read_text())
    phase = {"unfreeze": "head", "epochs": 1, "learning_rate": 0.001, "decay": "none", "batch_norm": "auto"}
    values["arms"]["baseline"] = {
        **{"backbone": f"hub:{folder}", "weights": "preset", "head": {"dropout": 0.0, "weight_decay": 0.0}},
        "phases": [phase, {**phase, "unfreeze": "block_2"}],
    }
    values["tune"]["trials"] = 0
    own_copy.params.write_text(yaml.safe_dump(values, sort_keys=False))
    check.run()
    tune.run("baseline")
    train.run("baseline")
    settings = read_json(own_copy.arm("baseline", "training") / "settings.json")
    assert (settings["params"]["backbone"], settings["params"]["weights"]) == ("hub:dino", "preset")
    assert settings["cuts"] == ["pool", "block_1_add2"]
    assert {name.rpartition("_")[0] for name in settings["trained"][1] if name.startswith("block")} == {"block_2"}
    model = load_classifier(own_copy.arm("baseline", "training") / "model.keras")
    assert model.name == "hub_dinov2" and model_sha256(model) == settings["model_sha256"]
    written = [*own_copy.root.glob("results/**/*"), *own_copy.root.glob("mlruns/**/*"), own_copy.home / "mlflow.db"]
    assert not [path for path in written if path.is_file() and b"of this machine" in path.read_bytes()]


def test_an_arm_on_a_file_of_one_s_own_is_trained_and_no_result_holds_where_it_lies(
    own_copy: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head, then what is above a layer of the file, both on cached activations of what is below."""
    make_store(own_copy.home)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{own_copy.home / 'mlflow.db'}")
    file = tmp_path / "of this machine" / "trunk.keras"
    file.parent.mkdir()
    write_own("nested", file)
    values = yaml.safe_load(own_copy.params.read_text())
    phase = {"unfreeze": "head", "epochs": 1, "learning_rate": 0.001, "decay": "none", "batch_norm": "auto"}
    values["arms"]["baseline"] = {
        **{"backbone": str(file), "options": {"scaling": [0.5, 0.0]}, "weights": "preset"},
        **{"head": {"dropout": 0.0, "weight_decay": 0.0}, "phases": [phase, {**phase, "unfreeze": "top-wide"}]},
    }
    values["tune"]["trials"] = 0
    own_copy.params.write_text(yaml.safe_dump(values, sort_keys=False))
    check.run()
    tune.run("baseline")
    train.run("baseline")
    settings = read_json(own_copy.arm("baseline", "training") / "settings.json")
    assert (settings["params"]["backbone"], settings["params"]["weights"]) == ("trunk.keras", "preset")
    assert settings["cuts"] == ["pool", "deep--deep"]
    assert {name.split("--")[0] for name in settings["trained"][1]} == {"top-wide", "logits"}
    file.unlink()
    model = load_classifier(own_copy.arm("baseline", "training") / "model.keras")
    assert model.name == "own_network" and model_sha256(model) == settings["model_sha256"]
    written = [*own_copy.root.glob("results/**/*"), *own_copy.root.glob("mlruns/**/*"), own_copy.home / "mlflow.db"]
    assert not [path for path in written if path.is_file() and b"of this machine" in path.read_bytes()]


def curves_of(history: Path) -> dict[str, list[tuple[int, np.float32]]]:
    """Of a history.csv, as event files hold them."""
    table = pd.read_csv(history).set_index("step").drop(columns=["phase", "epoch"])
    assert {"train/loss", "train/learning_rate", "val/log_loss"} <= set(table)
    return {str(name): [(int(step), np.float32(value)) for step, value in table[name].items()] for name in table}


def test_no_stage_of_dvc_reads_whether_curves_are_written() -> None:
    stages = yaml.safe_load((PACKAGE.parents[1] / "dvc.yaml").read_text())["stages"]
    read = {key for stage in stages.values() for key in stage.get("do", stage).get("params", []) if isinstance(key, str)}
    assert "train" in read and not {key for key in read if key.startswith("tracking")}
