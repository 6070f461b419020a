"""A given model beside a trained arm, through every stage: evaluated, explained, audited, tested outside and compared."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import yaml
from own_models import save_own

from hilum.data.prepared.examples import as_images
from hilum.data.prepared.loading import load_split
from hilum.explain.map_layers import last_convolution
from hilum.models.classifier import load_classifier
from hilum.models.forward import predictor
from hilum.results import file_sha256, read_json, read_predictions, read_table, run_key
from hilum.settings.params import read_params
from hilum.stages import acquire, audit, check, compare, evaluate, explain, external, prepare, split, train, tune
from hilum.tracking.opening import open_store
from hilum.training.learning.fit import begin_training
from hilum.workspace import Workspace
from project import SMALL
from project import make_project as make_dvc_project

begin_training(0)  # while tests are collected: TensorFlow's threads are set once

CLASSES = ["normal", "bacterial", "viral"]
TURNED = ["viral", "normal", "bacterial"]  # the outputs of the user's model, in its order
SIDE = 48  # of its films; those of the project have 64 px
TRAINED = {
    "backbone": "small_cnn",
    "options": {"blocks": 3, "filters": 8, "growth": 1.5, "kernel": 3, "pooling": "max", "batch_norm": True},
    "weights": "none",
    "head": {"dropout": 0.0, "weight_decay": 0.0},
    "phases": [{"unfreeze": "all", "epochs": 2, "learning_rate": 0.003, "decay": "none", "batch_norm": "train"}],
}
THEIRS = {"model": "models/theirs.keras", "classes": TURNED, "scaling": ["1/127.5", -1], "calibration": "temperature"}
L = keras.layers


def their_model(seed: int = 3) -> keras.Model:
    """A small network as a user would have it: a nested Sequential of three channels that takes levels from -1 to 1."""
    keras.utils.set_random_seed(seed)
    parts = [L.Conv2D(8, 3, strides=2, activation="relu"), L.BatchNormalization(), L.Conv2D(12, 3, strides=2, activation="relu")]
    body = keras.Sequential([keras.Input((SIDE, SIDE, 3)), *parts], name="body")
    film = keras.Input((SIDE, SIDE, 3))
    found = L.Dense(3, activation="softmax")(L.Dropout(0.3)(L.GlobalAveragePooling2D()(body(film))))
    return keras.Model(film, found, name="their_network")


def write_params(workspace: Workspace, **arms: Any) -> None:
    values = yaml.safe_load(workspace.params.read_text())
    for name, arm in arms.items():
        values["arms"][name] = arm
    workspace.params.write_text(yaml.safe_dump(values, sort_keys=False))


def make_compared_project(make_project: Callable[..., Workspace], folder: Path) -> Workspace:
    """A project with a trained arm, a given one and a source of films elsewhere; small numbers."""
    workspace = make_project(
        folder,
        acquire__sources__phantom__films=120,
        split__validation=0.35,
        acquire__sources__phantom__hospitals=["north"],
        arms={"baseline": TRAINED, "theirs": THEIRS},
        tune__trials=2,
        train__repeats=2,
        evaluate__bootstrap=40,
        explain__bootstrap=40,
        split__explain_films=3,
        split__tuning_films=2,
        audit__films=20,
        explain__methods=["gradcam", "saliency"],
        explain__measures=["hit_rate", "deletion_mean"],
        explain__sheets=["gradcam_layers"],
        explain__steps=4,
        explain__grid_films=1,
        compare__bootstrap=40,
    )
    values = yaml.safe_load(workspace.params.read_text())
    values["explain"]["sanity"].update(seeds=2)
    phantom = values["acquire"]["sources"]["phantom"]
    elsewhere = {"films": 24, "hospitals": ["south"], "seed": phantom["seed"] + 1}
    values["external"] = {"sources": {"elsewhere": {"films": {**phantom, **elsewhere}}}}
    workspace.params.write_text(yaml.safe_dump(values, sort_keys=False))
    (workspace.root / "models").mkdir()
    their_model().save(workspace.root / "models" / "theirs.keras")
    return workspace


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory, make_project: Callable[..., Workspace]) -> Iterator[Workspace]:
    """That project after all stages; tests change nothing."""
    workspace = make_compared_project(make_project, tmp_path_factory.mktemp("given") / "project")
    with contextlib.chdir(workspace.root):
        check.run()
        acquire.run(source="phantom")
        prepare.run()
        split.run()
        for arm in ("baseline", "theirs"):
            for stage in (tune, train, evaluate):
                stage.run(arm=arm)
            explain.run(arm, image="", model="", methods="", target="", out="")
            for stage in (audit, external):
                stage.run(arm=arm)
        compare.run()
    yield workspace


def described(workspace: Workspace) -> dict[str, Any]:
    return dict(read_json(workspace.arm("theirs", "training") / "model.json"))


def test_the_folder_of_its_training_says_what_it_is_and_predicts_as_the_file_does(compared: Workspace) -> None:
    folder, file = compared.arm("theirs", "training"), compared.root / "models" / "theirs.keras"
    told = described(compared)
    assert told["given"] == {"file": "theirs.keras", "sha256": file_sha256(file)}
    assert (told["classes"], told["size"], told["prior"], told["backbone"]) == (CLASSES, 64, None, "given model")
    assert read_table(folder / "history.csv").empty
    settings = read_json(folder / "settings.json")
    assert settings["params"]["model"] == f"theirs.keras (sha256 {file_sha256(file)[:16]})"
    assert settings["params"]["scaling"] == [1 / 127.5, -1]
    assert "phases.0.epochs" not in settings["params"] and "train.batch_size" not in settings["params"]
    films = load_split(compared.prepared, compared.split, "test", CLASSES)
    small = keras.layers.Resizing(SIDE, SIDE, antialias=True)(as_images(films.examples.films)) / 127.5 - 1
    plain = load_classifier(file)(np.repeat(small, 3, axis=-1)).numpy()[:, [TURNED.index(name) for name in CLASSES]]
    temperature = read_json(folder / "calibration.json")["temperature"]
    wanted = plain ** (1 / temperature)
    found = read_predictions(compared.arm("theirs", "evaluation") / "predictions.csv", "test", tuple(CLASSES))
    np.testing.assert_allclose(found.y_prob, wanted / wanted.sum(axis=1, keepdims=True), atol=1e-4)
    assert temperature != 1


def test_its_maps_are_of_its_last_convolution_and_pass_or_fail_the_gate_and_the_audit(compared: Workspace) -> None:
    model = load_classifier(compared.arm("theirs", "training") / "model.keras")
    assert model.get_layer(last_convolution(model)).output.shape[1:] == (11, 11, 12)
    gate = read_table(compared.arm("theirs", "explanations") / "sanity.csv").set_index("method")
    assert set(gate.index) == {"gradcam", "saliency"} and set(gate["verdict"]) <= {"passes", "fails sanity"}
    with np.load(compared.arm("theirs", "explanations") / "gradcam.npz") as stored:
        maps = stored["values"] if "values" in stored else next(iter(stored.values()))
    assert np.isfinite(maps).all()
    assert read_json(compared.arm("theirs", "audit") / "audit.json")["says"]


def test_the_page_the_run_and_the_external_test_say_that_its_films_are_not_known(compared: Workspace) -> None:
    page = (compared.comparison / "comparison.html").read_text()
    assert "theirs is a given model (theirs.keras (sha256 " in page
    assert page.count("<dt>initial weights</dt>") == 1 and page.count("<dt>model file</dt><dd>theirs.keras") == 1
    assert "it is not known whether it was trained on these films" in page
    assert "theirs differs from baseline in more than further phases" not in page
    assert "learning/theirs" not in page and not (compared.arm("theirs", "evaluation") / "curves.png").exists()
    assert set(read_table(compared.comparison / "history.csv")["arm"]) == {"baseline"}
    notes = read_json(compared.arm("theirs", "external") / "sources.json")["elsewhere"]["notes"]
    assert "theirs is a given model: it is not known whether it was trained on these films." in notes
    store = open_store(compared, read_params(compared.params).tracking)
    (run,) = store.find({"role": "arm", "arm": "theirs"})
    assert "it is not known whether it was trained on these films" in run.data.tags["mlflow.note.content"]
    assert run.data.params["model"].startswith("theirs.keras (sha256 ")
    assert not any(str(compared.root) in value for value in run.data.params.values())
    assert run.data.tags["digest.run"] == run_key(read_json(compared.arm("theirs", "training") / "settings.json"))


def test_only_the_trained_arm_is_repeated_and_can_be_champion(compared: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert (compared.arm("baseline", "training") / "repeats.csv").is_file()
    assert not (compared.arm("theirs", "training") / "repeats.csv").is_file()
    params = read_params(compared.params)
    store = open_store(compared, params.tracking)
    champion, model = str(store.champion(params.tracking.model)), params.tracking.model
    keys = {arm: run_key(read_json(compared.arm(arm, "training") / "settings.json")) for arm in ("baseline", "theirs")}
    assert champion in store.versions(model, keys["baseline"])
    assert len(store.versions(model, keys["theirs"])) == 1
    check.tell_equal_repeats(params)
    assert "train.repeats 2 is of trained arms: a given model is one (theirs)" in capsys.readouterr().out


def test_a_comparison_of_chosen_runs_says_it_too(compared: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(compared.root)
    compare.run(runs=["theirs", "baseline"], out=str(tmp_path / "page.html"), no_films=True)
    page = (tmp_path / "page.html").read_text()
    assert "theirs is a given model (theirs.keras (sha256 " in page and "learned from by none that hilum trained" in page
    assert "It is not known which films this model was trained on." in page


@pytest.fixture
def binary(tmp_path: Path, make_project: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A task of two classes, split, with no arm but a given model of one sigmoid, which is for `normal`."""
    theirs = {
        "model": "theirs.keras",
        "classes": ["ill", "normal"],
        "threshold": "youden",
        "calibration": "temperature_and_biases",
    }
    workspace = make_project(
        tmp_path / "project",
        prepare__labels={"normal": ["normal"], "ill": ["bacterial", "viral"]},
        prepare__size=32,
        acquire__sources__phantom__films=100,
        split__validation=0.4,
        arms={"theirs": theirs},
        compare__reference="theirs",
        train__prevalence={"normal": 0.9, "ill": 0.1},
        evaluate__bootstrap=20,
    )
    save_own(workspace.root, "ops_sigmoid", "theirs.keras")
    monkeypatch.chdir(workspace.root)
    check.run()
    acquire.run(source="phantom")
    prepare.run()
    split.run()
    tune.run(arm="theirs")
    return workspace


def test_a_sigmoid_of_two_classes_is_turned_calibrated_shifted_and_given_a_threshold_where_its_arm_asks(
    binary: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    train.run(arm="theirs")
    assert "theirs: the given model theirs.keras (sha256 " in capsys.readouterr().out
    told = described(binary)
    assert told["prior"] == {"normal": 0.9, "ill": 0.1} and told["prevalence"] == [0.9, 0.1]
    assert told["threshold_rule"] == "youden" and told["threshold"] is not None
    films = load_split(binary.prepared, binary.split, "val", ["normal", "ill"])
    shown = as_images(films.examples.films)
    found = predictor(load_classifier(binary.arm("theirs", "training") / "model.keras"))(shown)
    own = np.asarray(load_classifier(binary.root / "theirs.keras")(shown))[:, 0].astype(np.float64)
    logits, adjusted = np.log(own / (1 - own)), np.log(found[:, 0] / found[:, 1])
    slope, shift = np.polyfit(logits, adjusted, 1)
    np.testing.assert_allclose(adjusted, slope * logits + shift, atol=1e-3)
    assert slope == pytest.approx(1 / read_json(binary.arm("theirs", "training") / "calibration.json")["temperature"], rel=0.05)
    evaluate.run(arm="theirs")
    write_params(binary, theirs={"model": "theirs.keras", "classes": ["ill", "normal"], "threshold": 0.25})
    values = yaml.safe_load(binary.params.read_text())
    values["train"]["prevalence"] = {}
    binary.params.write_text(yaml.safe_dump(values, sort_keys=False))
    train.run(arm="theirs")
    told = described(binary)
    assert (told["threshold"], told["threshold_rule"], told["prior"]) == (0.25, "given", None)
    plain = predictor(load_classifier(binary.arm("theirs", "training") / "model.keras"))(shown)
    np.testing.assert_allclose(plain[:, 0], own, atol=1e-5)


def test_another_file_than_check_examined_is_refused_and_check_tells_the_stages_of_it(binary: Workspace) -> None:
    before = read_json(binary.facts)["weights"]["theirs"]
    save_own(binary.root, "softmax", "theirs.keras")
    with pytest.raises(ValueError, match="a given model must be the file that `hilum check` examined"):
        train.run(arm="theirs")
    assert not binary.arm("theirs", "training").exists()
    check.run()
    assert read_json(binary.facts)["weights"]["theirs"] != before
    declared = yaml.safe_load((binary.root / "dvc.yaml").read_text())["stages"]["train"]["do"]["params"]
    assert {"data/facts.json": ["weights.${key}"]} in declared
    (binary.root / "theirs.keras").unlink()
    with pytest.raises(ValueError, match="has changed since or is gone"):
        train.run(arm="theirs")


def test_another_file_re_runs_the_stages_of_its_arm_and_the_same_one_nothing(tmp_path: Path) -> None:
    """Through real DVC, in a project where no arm is trained."""
    project = make_dvc_project(tmp_path, {**SMALL, "acquire.sources.phantom.films": 60})
    theirs = {"model": str(tmp_path / "models" / "theirs.keras"), "classes": CLASSES}
    project.set({"arms": {"theirs": theirs}, "compare.reference": "theirs", "prepare.size": SIDE, "train.select": "log_loss"})
    told = []
    (tmp_path / "models").mkdir()
    for seed in (1, None, 2):
        if seed:
            their_model(seed).save(tmp_path / "models" / "theirs.keras")
        done = project.run(sys.executable, "-m", "dvc", "repro", "evaluate@theirs").stdout
        told.append([line.split("'")[1] for line in done.splitlines() if line.startswith("Running stage '")])
    assert told[0][-3:] == ["tune@theirs", "train@theirs", "evaluate@theirs"] and "prepare" in told[0]
    assert told[1:] == [["check"], ["check", "tune@theirs", "train@theirs", "evaluate@theirs"]]
    params = read_json(tmp_path / "results" / "arms" / "theirs" / "training" / "settings.json")["params"]
    assert params["model"].startswith("theirs.keras (sha256 ")
