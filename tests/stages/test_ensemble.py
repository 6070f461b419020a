"""Ensembles of arms and of repeats, through every stage: one model, evaluated, explained, audited, published, served."""

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from doors import by_evaluate, by_explain, by_predict
from own_models import save_own

from hilum.data.prepared.examples import as_images
from hilum.data.prepared.loading import load_split, read_manifest
from hilum.ensembles.graph import split_members
from hilum.ensembles.members import Member, find_members, first_weights, given_files, join_priors
from hilum.evaluation.scoring.metrics import score
from hilum.models.classifier import load_classifier
from hilum.models.forward import predictor
from hilum.pages.page_words import warn_of_given
from hilum.project.publication import publish
from hilum.results import folder_digest, read_json, read_table, run_key, write_json
from hilum.settings.params import read_params
from hilum.settings.training import Ensemble
from hilum.stages import acquire, audit, check, compare, ensemble, evaluate, explain, external, fingerprint, prepare, split, train
from hilum.stages import tune as tuning
from hilum.stages.ensemble import filled_folder
from hilum.tracking.opening import open_store
from hilum.training.learning.fit import begin_training
from hilum.workspace import Workspace
from project import SMALL
from project import make_project as make_dvc_project

begin_training(0)  # while tests are collected: TensorFlow's threads are set once

CLASSES = ["normal", "bacterial", "viral"]


def small_arm(filters: int, epochs: int, **more: Any) -> dict[str, Any]:
    return {
        "backbone": "small_cnn",
        "options": {"blocks": 3, "filters": filters, "growth": 1.5, "kernel": 3, "pooling": "max", "batch_norm": True},
        "weights": "none",
        "head": {"dropout": 0.0, "weight_decay": 0.0},
        "phases": [{"unfreeze": "all", "epochs": epochs, "learning_rate": 0.003, "decay": "none", "batch_norm": "train"}],
        **more,
    }


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory, make_project: Callable[..., Workspace]) -> Iterator[Workspace]:
    """Two arms, one of them repeated; an ensemble of both and one of the repeats, after all stages; tests change nothing."""
    workspace = make_project(
        tmp_path_factory.mktemp("ensembles") / "project",
        acquire__sources__phantom__films=100,
        split__validation=0.35,
        arms={"baseline": small_arm(8, 2, train={"repeats": 2}), "wide": small_arm(12, 1)},
        ensembles={"both": {"members": ["baseline", "wide"]}, "pair": {"repeats_of": "baseline"}},
        tune__trials=0,
        evaluate__bootstrap=20,
        explain__bootstrap=20,
        split__explain_films=2,
        split__tuning_films=2,
        audit__films=20,
        explain__methods=["gradcam", "saliency"],
        explain__measures=["hit_rate"],
        explain__sheets=["gradcam_layers"],
        explain__grid_films=1,
        compare__bootstrap=20,
    )
    values = yaml.safe_load(workspace.params.read_text())
    values["explain"]["sanity"].update(seeds=1, films=2)
    workspace.params.write_text(yaml.safe_dump(values, sort_keys=False))
    with contextlib.chdir(workspace.root):
        check.run()
        acquire.run(source="phantom")
        prepare.run()
        split.run()
        for arm in ("baseline", "wide"):
            for stage in (tuning, train, fingerprint):
                stage.run(arm=arm)
        for name in ("both", "pair"):
            ensemble.run(arm=name)
        for name in ("baseline", "wide", "both", "pair"):
            evaluate.run(arm=name)
            explain.run(name, image="", model="", methods="", target="", out="")
            for stage in (audit, external):
                stage.run(arm=name)
        compare.run()
    yield workspace


def predicted(folder: Path, films: np.ndarray) -> np.ndarray:
    return predictor(load_classifier(folder / "model.keras"))(films)


def test_its_folder_is_that_of_a_training_whose_model_is_the_calibrated_mean_of_its_members(joined: Workspace) -> None:
    films = as_images(load_split(joined.prepared, joined.split, "test", CLASSES).examples.films)
    repeats = joined.arm("baseline", "training") / "repeats"
    arms = [joined.arm(arm, "training") for arm in ("baseline", "wide")]
    for name, own in (("both", arms), ("pair", [repeats / "1", repeats / "2"])):
        folder = joined.arm(name, "training")
        told = read_json(folder / "model.json")
        mean = np.mean([np.log(predicted(place, films)) for place in own], axis=0)
        scaled = np.exp(mean / read_json(folder / "calibration.json")["temperature"])
        np.testing.assert_allclose(predicted(folder, films), scaled / scaled.sum(axis=1, keepdims=True), atol=1e-5)
        digests = [read_json(place / "model.json")["model_sha256"] for place in own]
        assert [member["model_sha256"] for member in told["ensemble"]["members"]] == digests
        assert told["classes"] == CLASSES and told["backbone"] == "ensemble" and told["size"] == 64
        assert sum(told["prior"].values()) == pytest.approx(1)
        assert read_table(folder / "history.csv").empty and (folder / "mean_films.npz").is_file()
        assert [member.name for member in split_members(load_classifier(folder / "model.keras")).values()] == ["small_cnn"] * 2
    listed = read_table(joined.arm("both", "training") / "members.csv").set_index("member")["val/log_loss"]
    val = load_split(joined.prepared, joined.split, "val", CLASSES)
    found = predicted(joined.arm("wide", "training"), as_images(val.examples.films))
    assert listed["wide"] == pytest.approx(score("log_loss", val.labels, found))


def test_every_door_gives_each_film_the_same_probabilities(joined: Workspace, tmp_path: Path) -> None:
    model = str(joined.arm("both", "training") / "model.keras")
    listed = load_split(joined.prepared, joined.split, "test", CLASSES).table["image_id"].tolist()
    paths = read_manifest(joined.prepared / "manifest.csv").set_index("image_id")["path"]
    (tmp_path / "films").mkdir()
    films = {}
    for number, image_id in enumerate(listed):
        raw = joined.root / "data" / "raw" / paths[image_id]
        films[image_id] = tmp_path / "films" / f"{number:03d}{raw.suffix}"
        shutil.copy(raw, films[image_id])
    with contextlib.chdir(joined.root):
        wanted = by_evaluate(joined, "both", CLASSES)
        found = by_predict(model, films, tmp_path / "out.csv")
        few = dict(list(films.items())[:2])
        shown = by_explain(model, few, tmp_path / "explained", joined)
    np.testing.assert_allclose(found.probabilities, wanted.probabilities, atol=1e-5)
    np.testing.assert_allclose(shown.probabilities, wanted.probabilities[:2], atol=1e-5)
    assert found.predicted == wanted.predicted and shown.predicted == wanted.predicted[:2]
    told = read_json(tmp_path / "explained" / "saliency.json")["parameters"]
    assert told["members"] == ["baseline", "wide"]


def test_it_is_explained_judged_and_audited_like_an_arm(joined: Workspace) -> None:
    folder = joined.arm("both", "explanations")
    gate = read_table(folder / "sanity.csv").set_index("method")
    assert set(gate.index) == {"gradcam", "saliency"}
    assert read_json(folder / "gradcam.json")["parameters"]["members"] == ["baseline", "wide"]
    with np.load(folder / "gradcam.npz") as stored:
        mass = np.abs(stored["values"]).sum(axis=(1, 2))
    assert ((mass < 1 + 1e-4) & ((mass > 1 - 1e-4) | np.isclose(mass, 0.5, atol=1e-4) | (mass == 0))).all()
    assert list((folder / "sheets").glob("gradcam_layers_*.png")) and list((folder / "panels").glob("*.png"))
    assert read_json(joined.arm("both", "audit") / "audit.json")["says"]


def test_the_page_shows_it_as_an_arm_and_says_its_members(joined: Workspace) -> None:
    page = (joined.comparison / "comparison.html").read_text()
    assert "The mean of the logits of baseline and wide, in one graph." in page
    assert "The mean of the logits of baseline-repeat-1 and baseline-repeat-2, in one graph." in page
    assert "<dt>ensembles</dt><dd>both: baseline and wide; pair: baseline-repeat-1 and baseline-repeat-2</dd>" in page
    assert "the mean of the members&#39; own maps, each scaled to a mass of 1" in page
    assert "both differs from baseline in more than further phases" not in page
    assert {"both", "pair"} <= set(read_json(joined.comparison / "arms.json"))
    assert {"both", "pair"} <= set(read_table(joined.comparison / "differences.csv")["arm"])


def test_its_run_holds_the_digests_of_its_members_and_is_registered_and_published_once(joined: Workspace) -> None:
    params = read_params(joined.params)
    store = open_store(joined, params.tracking)
    (run,) = store.find({"role": "arm", "arm": "both"})
    for name in ("baseline", "wide"):
        assert run.data.tags[f"member.{name}"] == read_json(joined.arm(name, "training") / "model.json")["model_sha256"]
    assert run.data.params["members"] == "baseline, wide" and run.data.params["backbone"] == "ensemble"
    assert run.data.tags["backbone"] == "ensemble" and "An ensemble of baseline, wide" in run.data.tags["mlflow.note.content"]
    assert all(f"digest.{name}" in run.data.tags for name in ("training", "evaluation", "explanations", "audit"))
    key = run_key(read_json(joined.arm("both", "training") / "settings.json"))
    assert len(store.versions(params.tracking.model, key)) == 1
    before = folder_digest(joined.arm("both", "training"))
    with contextlib.chdir(joined.root):
        ensemble.run(arm="both")  # as after the training of any other arm
        publish(joined, params)
    assert folder_digest(joined.arm("both", "training")) == before
    assert len(store.find({"role": "arm", "arm": "both"})) == 1


def test_members_of_other_classes_or_films_are_refused(joined: Workspace, tmp_path: Path) -> None:
    copy = Workspace(tmp_path / "project", tmp_path / "project")
    for name in ("baseline", "wide"):
        shutil.copytree(joined.arm(name, "training"), copy.arm(name, "training"))
    file = copy.arm("wide", "training") / "model.json"
    for key, value in (("classes", CLASSES[::-1]), ("split_version", "another")):
        kept = file.read_text()
        write_json(file, {**read_json(file), key: value})
        with pytest.raises(ValueError, match=rf"must have the same {key}, got .* of baseline and .* of wide"):
            find_members(Ensemble(members=["baseline", "wide"]), copy)
        file.write_text(kept)


def test_its_prior_and_first_weights_are_those_of_its_members_and_a_given_one_among_them_is_named() -> None:
    classes = {"classes": ["normal", "ill"]}
    own = Member("own", Path(), {**classes, "prior": {"normal": 0.8, "ill": 0.2}, "backbone": "vgg16"}, {"weights": "pretrained"})
    even = Member("even", Path(), {**classes, "prior": {"normal": 0.5, "ill": 0.5}, "backbone": "vgg16"}, {"weights": "none"})
    file = {"file": "theirs.keras", "sha256": "0" * 64}
    theirs = Member("theirs", Path(), {**classes, "prior": None, "backbone": "given model", "given": file}, {})
    assert join_priors([own, even]) == {"normal": pytest.approx(2 / 3), "ill": pytest.approx(1 / 3)}
    assert join_priors([own, theirs]) is None
    assert first_weights([own, even, theirs]) == "pretrained, none" and first_weights([theirs, theirs]) == "none"
    assert given_files([own, theirs]) == [file] and given_files([own, even]) == []
    settings = {"model": {"ensemble": {}, "given": [file]}, "params": {"backbone": "ensemble"}}
    (told,) = warn_of_given({"both": SimpleNamespace(settings=settings)})  # type: ignore[dict-item]
    assert told.startswith("both has a given model among its members (theirs.keras): it is not known")


def test_an_interruption_leaves_the_earlier_folder_whole(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "training"
    folder.mkdir(parents=True)
    (folder / "model.json").write_text("{}")
    with pytest.raises(KeyboardInterrupt), filled_folder(folder, tmp_path / ".hilum") as written:
        (written / "model.keras").write_text("half")
        raise KeyboardInterrupt
    assert [path.name for path in folder.iterdir()] == ["model.json"]
    assert not list((tmp_path / ".hilum" / "ensembles").iterdir())
    with filled_folder(folder, tmp_path / ".hilum") as written:
        (written / "model.keras").write_text("whole")
    assert [path.name for path in folder.iterdir()] == ["model.keras"]


def test_adding_one_runs_its_own_stages_alone_and_another_model_of_a_member_runs_them_again(tmp_path: Path) -> None:
    """Through real DVC, in a project where no arm is trained."""
    project = make_dvc_project(tmp_path, {**SMALL, "acquire.sources.phantom.films": 60})
    facts = {"classes": ["normal", "ill"], "calibration": "temperature"}
    arms = {name: {"model": str(tmp_path / "models" / f"{name}.keras"), **facts} for name in ("ours", "theirs")}
    labels = {"normal": ["normal"], "ill": ["bacterial", "viral"]}
    project.set({"arms": arms, "compare.reference": "theirs", "prepare.size": 32, "prepare.labels": labels})
    for name, kind in (("ours", "softmax"), ("theirs", "ops_softmax")):
        save_own(tmp_path / "models", kind, f"{name}.keras")

    def repro(*stages: str) -> list[str]:
        done = project.run(sys.executable, "-m", "dvc", "repro", *stages).stdout
        return [line.split("'")[1] for line in done.splitlines() if line.startswith("Running stage '")]

    assert "ensemble@both" not in repro("train", "fingerprint")
    project.set({"ensembles": {"both": {"members": ["ours", "theirs"]}}})
    assert repro("train", "evaluate-ensembles@both") == ["check", "ensemble@both", "evaluate-ensembles@both"]
    assert repro("evaluate-ensembles@both") == ["check"]
    save_own(tmp_path / "models", "softmax", "ours.keras")  # other weights
    again = ["check", "tune@ours", "train@ours", "fingerprint@ours", "ensemble@both", "evaluate-ensembles@both"]
    assert repro("evaluate-ensembles@both") == again
    assert (
        "evaluate both: read" in project.run(sys.executable, "-m", "dvc", "repro", "-f", "-s", "evaluate-ensembles@both").stdout
    )
    assert not (tmp_path / "results" / "arms" / "both" / "tuning").exists()
    done = project.hilum("train", "--arm", "both", check=False)
    assert "--arm must be one of ours, theirs, got 'both'" in done.stderr
