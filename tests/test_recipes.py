"""Recipes: each holds over params.yaml, reaches DVC unchanged, and those of several sources go from real films to a split."""

import copy
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from small_films import write_films, write_lines

from hilum.data.prepared.examples import Examples
from hilum.data.prepared.loading import load_split, read_manifest
from hilum.evaluation.scoring.epochs import score_epoch
from hilum.project.faults import find_faults
from hilum.project.overrides import apply_overrides, list_changes, put
from hilum.results import read_json
from hilum.settings.meaning import class_names, trained_arms
from hilum.settings.params import check_params
from hilum.stages import acquire, check, prepare, split
from hilum.training.learning.arms import Task, train_arm
from hilum.training.learning.fit import Fitted
from hilum.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
RECIPES = sorted(path.stem for path in (ROOT / "recipes").glob("*.yaml"))
WRITTEN = yaml.safe_load((ROOT / "params.yaml").read_text())


def run_data_stages(folder: Path, recipe: str, monkeypatch: pytest.MonkeyPatch, **roots: str) -> Workspace:
    values = apply_overrides(WRITTEN, ROOT, recipe, "prepare.size=48 arms.baseline.weights=none arms.finetuned.weights=none", [])
    folder.mkdir()
    (folder / "roots.yaml").write_text(yaml.safe_dump(roots))
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    (folder / "dvc.yaml").write_text("stages: {}\n")
    monkeypatch.chdir(folder)
    check.run()
    for source in values["prepare"]["sources"]:
        acquire.run(source=source)
    prepare.run()
    split.run()
    return Workspace(folder, folder)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_holds_over_params(recipe: str) -> None:
    assert find_faults(check_params(apply_overrides(WRITTEN, ROOT, recipe, "", []))) == []


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_dvc_is_handed_is_what_the_recipe_says(recipe: str) -> None:
    wanted = apply_overrides(WRITTEN, ROOT, recipe, "", [])
    reached = copy.deepcopy(WRITTEN)
    for override in OverridesParser.create().parse_overrides(list_changes(WRITTEN, wanted)):
        key = override.key_or_group
        if override.is_delete():
            *path, last = key.split(".")
            place: Any = reached
            for step in path:
                place = place[step]
            del place[last]
        else:
            put(reached, key, override.value())
    assert reached == wanted


def test_two_real_sources_with_rules_of_their_own(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    data = shared / "data"
    workspace = run_data_stages(
        tmp_path / "p", "covid", monkeypatch, covid=str(data / "covid-chestxray"), nih=str(data / "nih-boxes")
    )
    manifest = read_manifest(workspace.prepared / "manifest.csv")
    counts = manifest.groupby(["label", "source"]).size().to_dict()
    assert counts == {("covid", "covid"): 33, ("other", "covid"): 2, ("other", "nih"): 20}
    findings = pd.read_csv(workspace.split / "findings.csv", keep_default_na=False)
    assert findings["films"].sum() == 79
    assert findings.set_index(["finding", "source"])["label"][("todo", "covid")] == "excluded"
    problems = pd.read_csv(workspace.prepared / "problems.csv")
    assert problems["problem"].value_counts().to_dict() == {"excluded finding": 24}
    ways = pd.read_csv(workspace.split / "sources.csv").values.tolist()
    assert ways == [["covid", "kept", 35], ["covid", "excluded finding", 24], ["nih", "kept", 20]]
    said = capsys.readouterr().out
    assert "The class covid comes from the source covid only" in said
    assert "rules that cover no film: prepare.labels_by_source.covid.covid: 'Pneumonia/Viral/COVID-19'" in said
    page = (workspace.split / "report.html").read_text()
    assert "left out by rule" in page
    assert "The class covid comes from the source covid only" in page


def test_three_real_sources_and_what_goes_together_with_the_class(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    data = shared / "data"
    children = tmp_path / "kermany"
    for pattern in ("IM-*", "person*_bacteria_*", "person*_virus_*"):  # 40 of each; the whole set takes minutes
        for film in sorted((data / "pediatric-pneumonia" / "train").rglob(pattern))[:40]:
            (children / film.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(film, children / film.parent.name)
    workspace = run_data_stages(
        tmp_path / "p",
        "merged",
        monkeypatch,
        covid=str(data / "covid-chestxray"),
        nih=str(data / "nih-boxes"),
        kermany=str(children),
    )
    manifest = read_manifest(workspace.prepared / "manifest.csv")
    assert manifest.groupby(["label", "source"]).size().to_dict() == {
        ("covid", "covid"): 33,
        ("normal", "covid"): 2,
        ("normal", "kermany"): 40,
        ("pneumonia", "covid"): 2,
        ("pneumonia", "kermany"): 80,
        ("pneumonia", "nih"): 20,
    }
    counted = pd.read_csv(workspace.split / "contingency.csv").query("factor == 'source'")
    assert counted["films"].sum() == len(manifest), "the table of confounding holds every film"
    confounding = pd.read_csv(workspace.split / "confounding.csv").set_index("factor")
    assert confounding.loc["source", "judgement"] == confounding.loc["size", "judgement"] == "strong"
    said = capsys.readouterr().out
    assert "The class covid comes from the source covid only" in said and "The class pneumonia comes" not in said
    assert "The class and the source go together" in (workspace.split / "report.html").read_text()


def test_an_official_split_is_kept_from_the_tables_to_the_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{patient:08d}_00{film}.png" for patient in range(1, 25) for film in range(2)]
    root = write_films(tmp_path / "nih", *(f"images/{name}" for name in names), size=(20, 30))
    cycle = ["No Finding", "Pneumonia|Effusion", "No Finding", "Mass"]
    rows = [f"{name},{cycle[int(name[:8]) % 4]},0,{int(name[:8])},40,F,PA" for name in names]
    write_lines(
        root / "Data_Entry_2017.csv",
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position",
        *rows,
    )
    write_lines(root / "test_list.txt", *(name for name in names if int(name[:8]) > 16))
    write_lines(root / "train_val_list.txt", *(name for name in names if int(name[:8]) <= 16))
    workspace = run_data_stages(tmp_path / "p", "nih", monkeypatch, nih=str(root))
    test = pd.read_csv(workspace.split / "test.csv")
    assert sorted(test["label"].value_counts().to_dict().items()) == [("normal", 8), ("pneumonia", 4)]
    assert set(test["patient_id"]) == {f"nih/{patient}" for patient in range(17, 25) if patient % 4 != 3}
    problems = pd.read_csv(workspace.prepared / "problems.csv")
    assert problems["problem"].value_counts().to_dict() == {"excluded finding": 12}


SYSTEMS = {  # recipe -> arm -> the lowest layers that each phase trains, dense layers of the head, pooling
    "covid-residual": {"residual": (["block_1_first_conv"], 0, "GlobalAveragePooling2D")},
    "resnet-oversampled": {"resnet": (["conv1_conv"], 1, "GlobalAveragePooling2D")},
    "mobilenet-plateau": {
        "mobilenet": (["conv_dw_5"], 0, "GlobalAveragePooling2D"),
        "small": (["block_1_conv"], 0, "GlobalAveragePooling2D"),
    },
    "vgg-400": {
        "strided": (["block_1_conv"], 0, "GlobalAveragePooling2D"),
        "vgg16": (["logits"], 0, "GlobalAveragePooling2D"),
    },
    "mobilenetv2-dense": {"dense": (["dense_1", "block_16_expand"], 6, "GlobalMaxPooling2D")},
}


@pytest.fixture(scope="module")
def phantoms(split_project: Workspace) -> tuple[Examples, Examples]:
    """The first of the shared phantom films: of training, and of validation."""
    classes = read_json(split_project.split / "versions.json")["classes"]
    parts = [load_split(split_project.prepared, split_project.split, part, classes).examples for part in ("train", "val")]
    return tuple(part.take(np.random.default_rng(0).permutation(len(part.keys))[:24]) for part in parts)  # type: ignore[return-value]


def train_shrunken(recipe: str, name: str, films: tuple[Examples, Examples], cache: Path) -> tuple[keras.Model, Fitted]:
    """The arm as the recipe says, with random weights and one epoch of each phase; classes above the last one count as it."""
    params = check_params(apply_overrides(WRITTEN, ROOT, recipe, "", []))
    classes = class_names(params.prepare.labels)
    arm = trained_arms(params.arms)[name]
    arm = arm.model_copy(update={"phases": [phase.model_copy(update={"epochs": 1}) for phase in arm.phases]})
    parts = [Examples(one.films, np.minimum(one.labels, len(classes) - 1), one.keys) for one in films]
    train = params.train.model_copy(update={"augment": params.train.augment.model_copy(update={"views": 1})})
    task = Task(*parts, classes, None, train, 1, cache)
    return train_arm(arm, task, len(arm.phases), score_epoch("log_loss"), lambda *_: None, lambda *_: None)


@pytest.mark.parametrize(("recipe", "name"), [(recipe, name) for recipe, arms in SYSTEMS.items() for name in arms])
def test_a_known_system_is_trained_as_it_was_told(
    recipe: str, name: str, phantoms: tuple[Examples, Examples], tmp_path: Path
) -> None:
    lowest, dense, pooling = SYSTEMS[recipe][name]
    model, fitted = train_shrunken(recipe, name, phantoms, tmp_path)
    assert np.isfinite(fitted.history["val/log_loss"]).all() and len(fitted.history) == len(lowest)
    assert [trained[0] for trained in fitted.trained] == lowest
    assert sum(layer.name.startswith("dense_") and bool(layer.weights) for layer in model.layers) == dense
    assert type(model.get_layer("pool")).__name__ == pooling
    strategies = {"resnet-oversampled": "oversample"}
    assert {shown.strategy for shown in fitted.shown} == {strategies.get(recipe, "class_weight")}


def test_known_systems_differ_from_the_defaults_in_what_was_told() -> None:
    told = {recipe: check_params(apply_overrides(WRITTEN, ROOT, recipe, "", [])) for recipe in SYSTEMS}
    assert {recipe: params.prepare.size for recipe, params in told.items()} == {**dict.fromkeys(SYSTEMS, 224), "vgg-400": 400}
    assert {recipe: len(class_names(params.prepare.labels)) for recipe, params in told.items()} == {
        **{"covid-residual": 2, "resnet-oversampled": 3, "mobilenet-plateau": 2},
        **{"vgg-400": 3, "mobilenetv2-dense": 3},
    }
    first, second = trained_arms(told["mobilenetv2-dense"].arms)["dense"].phases
    assert (first.epochs, second.epochs) == (50, 10) and second.learning_rate == pytest.approx(first.learning_rate / 100)
    strided = trained_arms(told["vgg-400"].arms)["strided"].options
    assert strided is not None and (strided.blocks, strided.pooling) == (3, "stride")
