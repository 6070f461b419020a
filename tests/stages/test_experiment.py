"""The door of `mlflow run`: overrides are merged, checked and handed to DVC as the leaves that differ."""

import copy
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.cli_parse import to_path_overrides
from dvc.utils.hydra import apply_overrides as apply_dvc_overrides
from dvc.utils.serialize import load_yaml
from small_films import write_films
from stepping import take_steps

from hilum.project.overrides import NAMED, apply_overrides, apply_recipe, choose_roots, list_changes, merge, put
from hilum.results import flatten
from hilum.settings.meaning import class_names
from hilum.settings.params import check_params
from hilum.settings.yaml_text import read_yaml
from hilum.stages import experiment
from hilum.stages.experiment import call_dvc, fetch_results
from hilum.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
SECRET = "pw-never-shown"
WRITTEN = take_steps(yaml.safe_load((ROOT / "params.yaml").read_text()))
TEXT = yaml.safe_dump(WRITTEN, sort_keys=False)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of the test's own, with a recipe and a commit."""
    (tmp_path / "params.yaml").write_text(TEXT)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    (tmp_path / "recipes").mkdir()
    (tmp_path / ".git").mkdir()
    write_recipe(tmp_path, {"train": {"batch_size": 8, "patience": 3}, "arms": {"finetuned": None}})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_recipe(root: Path, changes: Any, name: str = "small") -> None:
    (root / "recipes" / f"{name}.yaml").write_text(yaml.safe_dump(changes, sort_keys=False))


def override(root: Path, recipe: str = "", pairs: str = "", named: list[str] | None = None) -> Any:
    return apply_overrides(WRITTEN, root, recipe, pairs, named or [])


def test_a_recipe_gives_way_to_a_named_parameter_and_that_to_set(project: Path) -> None:
    write_recipe(project, {"train": {"seed": 1}, "tune": {"trials": 1}, "prepare": {"size": 64}})
    values = override(project, "small", "train.seed=3", ["seed=2", "trials=2"])
    assert (values["train"]["seed"], values["tune"]["trials"], values["prepare"]["size"]) == (3, 2, 64)
    assert values["train"] == {**WRITTEN["train"], "seed": 3}


@pytest.mark.parametrize(
    ("pairs", "arms"),
    [
        ("split.folds=5", ["baseline", "finetuned"]),
        ("split.folds=5 crossvalidate.arms=[baseline]", ["baseline"]),
        ("split.folds=0", []),
        ("train.seed=3", []),
    ],
)
def test_folds_alone_bring_a_stage_for_every_arm(project: Path, pairs: str, arms: list[str]) -> None:
    values = override(project, pairs=pairs)
    assert values["crossvalidate"]["arms"] == arms
    assert check_params(values).split.folds == (5 if arms else 0)


@pytest.mark.parametrize("pairs", ["split=5", "split=null", "arms=null split.folds=5", "arms=7 split.folds=5"])
def test_what_has_another_shape_is_told_as_any_other_fault(project: Path, pairs: str) -> None:
    with pytest.raises(ValueError, match=r"params\.yaml is not valid:\n  (split|arms)"):
        check_params(override(project, pairs=pairs))


@pytest.mark.parametrize("section", ["split", "arms"])
def test_a_recipe_that_takes_a_whole_section_away_is_told_so(project: Path, section: str) -> None:
    write_recipe(project, {section: None})
    with pytest.raises(ValueError, match=rf"params\.yaml is not valid:\n  {section}"):
        check_params(override(project, "small", "train.seed=3"))


def test_another_backbone_takes_the_place_of_the_options_of_the_last_one(project: Path) -> None:
    default = yaml.safe_load((ROOT / "params.yaml").read_text())
    alpha = {"backbone": "mobilenetv2", "options": {"alpha": 0.35}}
    write_recipe(project, {"arms": {"baseline": {"backbone": "mobilenetv2"}, "finetuned": alpha}})
    assert default["arms"]["baseline"]["options"], "there is something to take the place of"
    told = [
        apply_overrides(default, project, "", "", ["backbone=mobilenet_025"]),
        apply_overrides(default, project, "", "arms.baseline.backbone=vgg16", []),
        apply_overrides(default, project, "small", "", []),
        apply_recipe(default, yaml.safe_load((project / "recipes" / "small.yaml").read_text())),
        apply_overrides(default, project, "", "'arms.baseline.options={alpha: 0.5}'", ["backbone=mobilenetv2"]),
        apply_overrides(default, project, "", "'arms.baseline.options={blocks: 9}'", ["backbone=efficientnet_lite1"]),
        apply_overrides(default, project, "", "arms.baseline.options.blocks=9", []),
        apply_overrides(default, project, "", "", ["backbone=efficientnet_lite0"]),
    ]
    options = [tuple(values["arms"][name].get("options") for name in ("baseline", "finetuned")) for values in told]
    cut = default["arms"]["finetuned"]["options"]
    assert options == [
        (None, None),
        (None, cut),
        (None, {"alpha": 0.35}),
        (None, {"alpha": 0.35}),
        ({"alpha": 0.5}, None),
        ({"blocks": 9}, None),
        ({"blocks": 9}, cut),
        (cut, cut),
    ]
    for values in told:
        check_params(values)


THEIRS = {"model": "theirs.keras", "classes": ["normal", "bacterial", "viral"]}


def test_overrides_of_all_arms_pass_over_given_models(project: Path) -> None:
    default = yaml.safe_load((ROOT / "params.yaml").read_text())
    default["arms"]["theirs"] = THEIRS
    values = apply_overrides(default, project, "", "split.folds=5", ["backbone=mobilenet_025", "weights=none"])
    assert values["arms"]["theirs"] == THEIRS
    assert {values["arms"][name]["backbone"] for name in ("baseline", "finetuned")} == {"mobilenet_025"}
    assert values["crossvalidate"]["arms"] == ["baseline", "finetuned"]
    check_params(values)
    scaled = apply_overrides(default, project, "", "'arms.theirs.scaling=[0.5, 1]' arms.theirs.model=2024.keras", [])
    assert (scaled["arms"]["theirs"]["scaling"], scaled["arms"]["theirs"]["model"]) == ([0.5, 1], "2024.keras")
    default["arms"] = {"baseline": THEIRS}
    with pytest.raises(ValueError, match="backbone must reach an arm that is trained, but every arm is a given model"):
        apply_overrides(default, project, "", "", ["backbone=mobilenet"])
    with pytest.raises(ValueError, match="baseline_epochs must reach a phase of training, but baseline is a given model"):
        apply_overrides(default, project, "", "", ["baseline_epochs=3"])


def test_the_written_values_are_left_as_they_are(project: Path) -> None:
    before = copy.deepcopy(WRITTEN)
    override(project, "small", "arms.baseline.phases.0.epochs=1", ["films=100"])
    assert before == WRITTEN


def test_an_empty_value_means_what_params_yaml_says(project: Path) -> None:
    assert override(project, "", "", [f"{name}=" for name in NAMED]) == WRITTEN


def test_a_recipe_merges_and_its_null_removes(project: Path) -> None:
    values = override(project, "small")
    assert list(values["arms"]) == ["baseline"]
    assert values["train"] == {**WRITTEN["train"], "batch_size": 8, "patience": 3}
    check_params(values)


def test_a_recipe_can_put_other_classes_in_the_place_of_these(project: Path) -> None:
    write_recipe(project, {"prepare": {"labels": {"bacterial": None, "viral": None, "pneumonia": ["pneumonia"]}}})
    assert override(project, "small")["prepare"]["labels"] == {"normal": ["normal"], "pneumonia": ["pneumonia"]}


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-4", 1e-4), ("3E+2", 300.0), ("1.5e3", 1500.0), ("1.0e-3", 1e-3), ("7", 7), ("v1e4", "v1e4"), ("null", None)],
)
def test_a_value_is_read_as_dvc_reads_it(project: Path, text: str, value: Any) -> None:
    got = override(project, "", f"pretrain.learning_rate={text}")["pretrain"]["learning_rate"]
    assert (got, type(got)) == (value, type(value))


def test_a_value_that_is_written_otherwise_is_no_change(project: Path) -> None:
    same = override(project, "", "pretrain.learning_rate=2e-3", ["finetuned_learning_rate=1e-3"])
    assert list_changes(WRITTEN, same) == []


CONVEX = "{unfreeze: head, solver: convex, penalty: auto}"


def test_a_phase_is_made_convex_by_set_and_handed_on_with_its_whole_list(project: Path) -> None:
    wanted = override(project, "", f"'arms.baseline.phases.0={CONVEX}' arms.baseline.head=null")
    check_params(wanted)
    assert list_changes(WRITTEN, wanted) == [
        "arms.baseline.head=null",
        "arms.baseline.phases=[{unfreeze:'head',solver:'convex',penalty:'auto'}]",
    ]


@pytest.mark.parametrize("what", ["epochs=3", "learning_rate=0.1"])
def test_steps_for_a_phase_that_takes_none_are_refused_by_the_name_that_was_given(project: Path, what: str) -> None:
    write_recipe(project, {"arms": {"baseline": {"head": None, "phases": [yaml.safe_load(CONVEX)]}}})
    check_params(override(project, "small", "", ["finetuned_epochs=3"]))
    name = what.split("=")[0]
    told = rf"baseline_{what} must reach a phase of gradient steps, .* of baseline says `solver: convex`, which has no {name};"
    with pytest.raises(ValueError, match=told):
        override(project, "small", "", [f"baseline_{what}"])


@pytest.mark.parametrize("what", ["epochs=3", "learning_rate=0.1", "unfreeze=3"])
def test_by_default_the_baseline_takes_no_steps_and_says_so_to_who_names_some(project: Path, what: str) -> None:
    default = yaml.safe_load((ROOT / "params.yaml").read_text())
    with pytest.raises(ValueError, match=r"solver:? convex"):
        check_params(apply_overrides(default, project, "", "", [f"baseline_{what}"]))
    named = [f"finetuned_{one}" for one in ("epochs=3", "learning_rate=0.1", "unfreeze=3")]
    phase = check_params(apply_overrides(default, project, "", "", named)).arms["finetuned"].phases[-1]
    assert (phase.unfreeze, phase.epochs, phase.learning_rate) == (3, 3, 0.1)  # type: ignore[union-attr]


def test_a_value_that_is_no_yaml_is_told(project: Path) -> None:
    with pytest.raises(ValueError, match=r"with a value in YAML, got 'seed=\[1'"):
        override(project, "", "seed=[1")


def test_list_items_are_set_by_number(project: Path) -> None:
    values = override(project, "", "arms.finetuned.phases.1.unfreeze=block_11 explain.methods.2=lime")
    assert values["arms"]["finetuned"]["phases"][1]["unfreeze"] == "block_11"
    assert values["arms"]["finetuned"]["phases"][0] == WRITTEN["arms"]["finetuned"]["phases"][0]
    assert values["explain"]["methods"] == ["gradcam", "lime", "lime"]


PLACES = {
    "source": ["prepare.sources.0"],
    "films": ["acquire.sources.phantom.films"],
    "size": ["prepare.size"],
    "batch_size": ["train.batch_size"],
    "imbalance": ["train.imbalance"],
    "trials": ["tune.trials"],
    "seed": ["train.seed"],
    "repeats": ["train.repeats"],
    "split_seed": ["split.seed"],
    "pretrain_seed": ["pretrain.seed"],
    "search_seed": ["tune.seed"],
    "backbone": ["arms.baseline.backbone", "arms.finetuned.backbone"],
    "weights": ["arms.baseline.weights", "arms.finetuned.weights"],
    "baseline_epochs": ["arms.baseline.phases.0.epochs"],
    "baseline_learning_rate": ["arms.baseline.phases.0.learning_rate"],
    "baseline_unfreeze": ["arms.baseline.phases.0.unfreeze"],
    "finetuned_epochs": ["arms.finetuned.phases.1.epochs"],
    "finetuned_learning_rate": ["arms.finetuned.phases.1.learning_rate"],
    "finetuned_unfreeze": ["arms.finetuned.phases.1.unfreeze"],
}


@pytest.mark.parametrize("name", [name for name in NAMED if name != "root"])  # no value of params.yaml
def test_every_named_parameter_changes_its_place_and_no_other(project: Path, name: str) -> None:
    before, after = flatten(WRITTEN), flatten(override(project, "", "", [f"{name}=77"]))
    # A space in the place of a number is replaced whole.
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert {next(place for place in PLACES[name] if key.startswith(place.removesuffix(".0"))) for key in changed} == set(
        PLACES[name]
    )


def test_the_last_phase_is_the_last_one_of_the_recipe(project: Path) -> None:
    phase = WRITTEN["arms"]["finetuned"]["phases"][1]
    write_recipe(project, {"arms": {"finetuned": {"phases": [phase, phase, phase]}}})
    phases = override(project, "small", "", ["finetuned_epochs=7"])["arms"]["finetuned"]["phases"]
    assert [one["epochs"] for one in phases] == [phase["epochs"], phase["epochs"], 7]


def test_a_root_goes_to_the_source_that_the_recipe_names(project: Path) -> None:
    write_recipe(
        project,
        {"acquire": {"sources": {"kermany": {"reader": "kermany", "root": "films"}}}, "prepare": {"sources": ["kermany"]}},
    )
    values = override(project, "small", "", ["root=/elsewhere"])
    assert choose_roots(values, "", ["root=/elsewhere"]) == {"kermany": "/elsewhere"}
    assert values["acquire"]["sources"]["kermany"] == {"reader": "kermany", "root": "films"}, "it is no parameter"
    assert values["acquire"]["sources"]["phantom"] == WRITTEN["acquire"]["sources"]["phantom"]


def test_set_names_the_root_of_one_source_and_goes_before_that_of_all(project: Path) -> None:
    sources = {name: {"reader": "kermany", "root": f"films/{name}"} for name in ("one", "two")}
    write_recipe(project, {"acquire": {"sources": sources}, "prepare": {"sources": ["one", "two"]}})
    asked = {"pairs": "acquire.sources.two.root='/a b' seed=3", "named": ["root=/elsewhere"]}
    values = override(project, "small", **asked)
    assert choose_roots(values, **asked) == {"one": "/elsewhere", "two": "/a b"}
    assert {name: values["acquire"]["sources"][name] for name in sources} == sources
    assert values["seed"] == 3


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"named": ["root=/x"], "pairs": ""}, r"a root must name sources with films of their own \(there is none\), got phantom"),
        ({"named": [], "pairs": "acquire.sources.nosuch.root=/x"}, "there is none.*, got nosuch"),
    ],
)
def test_a_root_of_a_source_without_films_of_its_own_is_refused(project: Path, asked: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        choose_roots(WRITTEN, **asked)


def test_a_named_parameter_of_an_arm_that_the_recipe_removed_is_refused(project: Path) -> None:
    with pytest.raises(ValueError, match=r"at arms there is baseline, not 'finetuned'"):
        override(project, "small", "", ["finetuned_epochs=3"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"recipe": "large"}, "recipe must be one of small, got 'large'"),
        (
            {"named": ["epochs=3"]},
            "a named parameter must be one of source, root, films, .*, got 'epochs'; use set for any other",
        ),
        ({"pairs": "trian.patience=3"}, r"at the top there is tracking, .*, not 'trian'"),
        ({"pairs": "train.augmen.views=3"}, r"at train there is seed, repeats, batch_size, .*, not 'augmen'"),
        ({"pairs": "arms.baseline.phases.1.epochs=3"}, r"at arms\.baseline\.phases there is 0, not '1'"),
        ({"pairs": "arms.finetuned.phases.7=3"}, r"at arms\.finetuned\.phases there is 0, 1, not '7'"),
        (
            {"pairs": "train.seed.low=3"},
            r"train\.seed\.low must name a value of params\.yaml, but train\.seed is 2026, not a section",
        ),
        ({"pairs": "train.seed.a.b=3"}, r"at train\.seed there is nothing, not 'a'"),
        ({"pairs": "seed"}, r"set takes key=value pairs separated by spaces, got 'seed'"),
    ],
)
def test_a_misspelt_name_is_refused_with_the_legal_ones(project: Path, arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        override(project, **arguments)


def through_dvc(folder: Path, changes: list[str], text: str = TEXT) -> Any:
    """What DVC makes of params.yaml when it is handed these changes with `-S`."""
    file = folder / "params.yaml"
    file.write_text(text)
    grouped = to_path_overrides(changes)
    assert set(grouped) <= {"params.yaml"}, "a colon before the first = names another file"
    apply_dvc_overrides(str(file), grouped.get("params.yaml", []))
    return load_yaml(str(file))  # as DVC reads it: PyYAML takes the 1e-05 that DVC writes for text


RATE = "arms.baseline.phases.0.learning_rate"
PHASE = {"unfreeze": "head", "epochs": 3, "learning_rate": 0.001, "decay": "none", "batch_norm": "frozen"}
SOURCE = {"reader": "folder", "root": "../my films, old/a=b", "mode": "reference", "pattern": r"(?P<patient>[^_']+)_\d+\.png$"}
CHANGES: dict[str, dict[str, Any]] = {
    "number": {"train.seed": 7},
    "small number": {"pretrain.learning_rate": 1e-5},
    "text": {"arms.baseline.weights": "imagenet"},
    "text with comma, space, equals and colon": {"arms.baseline.weights": "my weights, v2 (a=b): {x} [y].h5"},
    "text with quotes": {"tracking.experiment": """it's "mine\""""},
    "text that ends in a backslash": {"tracking.experiment": "a\\"},
    "text that looks like a number": {"tracking.experiment": "1e-3"},
    "text that looks like null": {"tracking.experiment": "null"},
    **{
        f"text {text}": {"tracking.experiment": text}
        for text in (
            *("yes", "No", "on", "~", "2024", "0o17", "017", "1_000", "1:30", "2024-01-01", "/data/films #2", "a: b"),
            *("[a]", "{a: b}"),
            *("${tracking.model}", "a${oc.env:HOME}b", "\\${x}", "\\\\${x}'", "$x", ".inf", "true", " a ", "a\tb", "="),
            *("<<", "*a", "!a"),
        )
    },
    "texts in a list": {"explain.methods": ["yes", "1:30", "~", "a #b", "${x}"]},
    "empty text": {"arms.baseline.weights": ""},
    "text beyond ASCII": {"tracking.experiment": "Lungenflügel ~ 肺"},
    "truth": {"train.augment.flip": True},
    "a whole number in place of a broken one": {"train.augment.rotate": 0},
    "item of a list": {"explain.methods.1": "gradcam"},
    "shorter list": {"explain.methods": ["lime"]},
    "number over a space": {RATE: 0.002},
    "space over a number": {"arms.finetuned.phases.1.learning_rate": {"low": 1e-5, "high": 1e-3, "log": True, "start": 3e-4}},
    "another kind of space": {RATE: {"choices": [0.001, 0.01], "start": 0.01}},
    "space without log": {"arms.baseline.head.dropout": {"low": 0.0, "high": 0.4, "start": 0.2}},
    "longer list of phases": {"arms.baseline.phases": [PHASE, {**PHASE, "unfreeze": 2}]},
    "shorter list of phases": {"arms.finetuned.phases": [PHASE]},
    "a solved head": {"arms.baseline.phases.0": yaml.safe_load(CONVEX), "arms.baseline.head": ...},
    "a solved head, its arm's head null": {"arms.baseline.phases.0": yaml.safe_load(CONVEX), "arms.baseline.head": None},
    "steps after a solved head": {"arms.finetuned.phases.0": yaml.safe_load(CONVEX)},
    "a space inside a new list of phases": {"arms.finetuned.phases": [{**PHASE, "epochs": {"choices": [3, 5], "start": 3}}]},
    "new source": {"acquire.sources.my-films_2": SOURCE},
    "source of another reader": {"acquire.sources.phantom": SOURCE},
    "removed source": {
        "acquire.sources.phantom-findings": ...,
        "arms.baseline.weights": "none",
        "arms.finetuned.weights": "none",
    },
    "new arm": {"arms.third": WRITTEN["arms"]["finetuned"]},
    "removed arm": {"arms.finetuned": ...},
    "other classes": {"prepare.labels": {"normal": ["normal", "No Finding"], "COVID-19": ["pneumonia/viral/COVID-19"]}},
    "other findings": {"acquire.sources.phantom.findings": {"normal": 0.5, "effusion": 0.5}},
    "several at once": {
        "train.seed": 3,
        RATE: 0.5,
        "arms.finetuned": ...,
        "explain.methods": ["lime", "shap"],
        "prepare.size": 96,
    },
}


@pytest.mark.parametrize("name", CHANGES)
def test_dvc_makes_of_the_changes_what_was_wanted(tmp_path: Path, name: str) -> None:
    wanted = copy.deepcopy(WRITTEN)
    for key, value in CHANGES[name].items():
        if value is ...:
            place = wanted
            *path, last = key.split(".")
            for step in path:
                place = place[step]
            del place[last]
        else:
            put(wanted, key, value)
    changes = list_changes(WRITTEN, wanted)
    assert changes
    got = through_dvc(tmp_path, changes)
    assert got == wanted
    assert typed(got) == typed(wanted)
    assert list_changes(got, wanted) == []
    assert check_params(read_yaml((tmp_path / "params.yaml").read_text())) == check_params(wanted)


def typed(value: Any) -> Any:
    """The same tree with types in the place of values: 1, 1.0 and True are equal in Python."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    return [typed(item) for item in value] if isinstance(value, list) else type(value).__name__


def test_no_change_is_no_change() -> None:
    assert list_changes(WRITTEN, copy.deepcopy(WRITTEN)) == []


def test_only_the_leaves_that_differ_are_handed_over() -> None:
    wanted = copy.deepcopy(WRITTEN)
    wanted["arms"]["baseline"]["phases"][0]["epochs"] = 3
    wanted["train"]["augment"]["flip"] = True
    del wanted["arms"]["finetuned"]
    wanted["tracking"]["extra"] = "a b"
    assert list_changes(WRITTEN, wanted) == [
        "+tracking.extra='a b'",
        "train.augment.flip=true",
        "arms.baseline.phases.0.epochs=3",
        "~arms.finetuned",
    ]


def test_a_key_can_go_from_an_item_of_a_list_and_come_back(tmp_path: Path) -> None:
    without = copy.deepcopy(WRITTEN)
    del without["arms"]["baseline"]["phases"][0]["learning_rate"]["log"]
    assert list_changes(WRITTEN, without) == [f"~{RATE}.log"]
    assert through_dvc(tmp_path, [f"~{RATE}.log"]) == without
    back = list_changes(without, WRITTEN)
    assert back == [f"+{RATE}.log=true"]
    assert through_dvc(tmp_path, back, yaml.safe_dump(without, sort_keys=False)) == WRITTEN


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What `run` hands to DVC, the store and the person, none of which is really called."""
    made: list[Any] = []
    monkeypatch.setattr(
        experiment, "call_dvc", lambda arguments, workspace, seen=None: made.extend([arguments, *([seen] if seen else [])])
    )
    monkeypatch.setattr(experiment, "publish", lambda workspace, params: made.append(("publish", workspace, params)))
    monkeypatch.setattr(experiment, "print_headline", lambda workspace, params: made.append("headline"))
    return made


def test_without_overrides_it_is_a_repro_and_a_publish(project: Path, calls: list[Any]) -> None:
    experiment.run(recipe="", set="", named=["seed=", "films="])
    assert calls[0] == ["repro"]
    assert calls[1][:2] == ("publish", Workspace(project, project))
    assert calls[2] == "headline"


def test_an_override_runs_in_a_copy_and_its_results_are_fetched(project: Path, calls: list[Any]) -> None:
    experiment.run(recipe="", set="arms.baseline.weights=none train.patience=2", named=["finetuned_epochs=2"])
    head, name, changes = calls[0][:4], calls[0][4], calls[0][5:]
    assert head == ["exp", "run", "--temp", "-n"]
    assert name.startswith("hilum-")
    assert changes == ["-S", "train.patience=2", "-S", "arms.baseline.weights='none'", "-S", "arms.finetuned.phases.1.epochs=2"]
    gets = [call for call in calls if call[0] == "get"]
    assert [(call[2], call[4]) for call in gets] == [("results", name), ("data/split", name)]
    published = next(call for call in calls if call[0] == "publish")
    assert published[1].home == project
    assert published[1].root != project
    assert published[2].train.patience == 2
    assert calls[-1] == "headline"
    assert (project / "params.yaml").read_text() == TEXT, "the caller's files stay as they are"


def test_roots_of_this_run_are_seen_by_its_stages_and_are_no_parameter(project: Path, calls: list[Any]) -> None:
    """Beside those of roots.yaml; another root alone is an override, which runs in a copy."""
    sources = {name: {"reader": "folder", "root": f"films/{name}"} for name in ("one", "two")}
    values = copy.deepcopy(WRITTEN)
    values["acquire"]["sources"] |= sources
    values["prepare"]["sources"] = ["one"]
    (project / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    for folder in ("here", "there", "elsewhere"):
        write_films(project / folder, "normal/1.png")
    (project / "roots.yaml").write_text(f"one: {project / 'here'}\ntwo: {project / 'there'}\n")
    experiment.run(recipe="", set="", named=[f"root={project / 'elsewhere'}"])
    assert calls[0][:4] == ["exp", "run", "--temp", "-n"] and calls[0][5:] == []
    assert {key: json.loads(value) for key, value in calls[1].items()} == {
        "HILUM_ROOTS": {"one": str(project / "elsewhere"), "two": str(project / "there")}
    }
    with pytest.raises(ValueError, match=r"acquire\.sources\.two\.root must be a folder, got .*nowhere"):
        experiment.run(recipe="", set=f"acquire.sources.two.root={project / 'nowhere'}", named=[])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"set": "train.batchsize=3"}, r"train\.batchsize is not a known key; did you mean train\.batch_size\?"),
        ({"set": "prepare.square=crop"}, r"prepare\.square: .*'pad' or 'stretch', got 'crop'"),
        ({"set": "train.select=auc"}, r"train\.select must be one of .*auroc_macro.*, got 'auc'"),
        ({"set": "arms.baseline.backbone=vgg"}, r"arms\.baseline\.backbone must be one of mobilenet_025.*, got 'vgg'"),
        ({"set": "arms.baseline.weights=nowhere.h5"}, r"arms\.baseline\.weights must be .* or a file, got .*nowhere\.h5"),
        ({"named": ["finetuned_unfreeze=block_99"]}, r"unfreeze must be head, all, 1 to 14 or one of stem, .*, got 'block_99'"),
        ({"named": ["films=many"]}, r"acquire\.sources\.phantom\.films: .*, got 'many'"),
        ({"recipe": "removes"}, r"compare\.reference must be one of the arms finetuned"),
    ],
)
def test_a_misspelt_value_fails_before_any_stage(project: Path, calls: list[Any], arguments: dict[str, Any], told: str) -> None:
    write_recipe(project, {"arms": {"baseline": None}}, "removes")
    with pytest.raises(ValueError, match=told):
        experiment.run(**{"recipe": "", "set": "", "named": [], **arguments})
    assert calls == []


def test_an_override_without_git_is_refused(project: Path, calls: list[Any]) -> None:
    (project / ".git").rmdir()
    with pytest.raises(ValueError, match="an override needs a git repository with a commit; run `git init`"):
        experiment.run(recipe="", set="train.seed=1", named=[])
    assert calls == []


def test_results_are_fetched_with_the_parameters_that_made_them(tmp_path: Path, calls: list[Any]) -> None:
    wanted = {**WRITTEN, "train": {**WRITTEN["train"], "seed": 3}}
    got = fetch_results("hilum-1", wanted, Workspace(tmp_path, tmp_path), tmp_path / "fetched")
    assert got == Workspace(tmp_path / "fetched", tmp_path)
    assert yaml.safe_load(got.params.read_text()) == wanted
    assert list(yaml.safe_load(got.params.read_text())) == list(WRITTEN)
    assert calls == [
        ["get", ".", part, "--rev", "hilum-1", "-o", str(tmp_path / "fetched" / part)] for part in ("results", "data/split")
    ]


FAKE_DVC = """
import os, signal, sys, time
from pathlib import Path

def stop(number, frame):
    Path("tidied").write_text(signal.Signals(number).name)
    sys.exit(3)

if sys.argv[1] == "fail":
    sys.exit(4)
if sys.argv[1] == "wait":
    signal.signal(signal.SIGINT, stop)
    Path("ready").write_text(str(os.getpid()))
    time.sleep(30)
Path("called").write_text(" ".join(sys.argv[1:]))
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> Workspace:
    """A folder in which `python -m dvc` is a program of the test's own."""
    (tmp_path / "dvc.py").write_text(FAKE_DVC)
    return Workspace(tmp_path, tmp_path)


def test_dvc_is_called_in_the_project(stand_in: Workspace) -> None:
    call_dvc(["repro", "-S", "a='b c'"], stand_in)
    assert (stand_in.root / "called").read_text() == "repro -S a='b c'"


def test_a_failure_of_dvc_is_told(stand_in: Workspace) -> None:
    with pytest.raises(ValueError, match=r"`dvc fail now` ended with status 4; the reason is above"):
        call_dvc(["fail", "now", "then"], stand_in)


def test_no_password_of_an_address_is_in_what_the_real_dvc_prints(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    address = f"https://user:{SECRET}@127.0.0.1:9/store"
    call_dvc(["init", "--no-scm", "-q"], workspace := Workspace(tmp_path, tmp_path))
    call_dvc(["remote", "add", "-d", "away", address], workspace)
    (tmp_path / "dvc.yaml").write_text(f"stages:\n  tell:\n    cmd: echo {address}\n")
    call_dvc(["repro"], workspace)  # which prints the command, and then runs it
    with pytest.raises(ValueError, match=r"ended with status"):
        call_dvc(["pull", "nosuch", "-v"], workspace)
    told = "".join(capfd.readouterr())
    assert "https://user:***@127.0.0.1:9/store" in told and SECRET not in told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupt_waits_until_dvc_has_tidied_up(stand_in: Workspace, number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]

    def interrupt() -> None:
        while not (stand_in.root / "ready").is_file() or not (stand_in.root / "ready").read_text():
            time.sleep(0.02)
        os.kill(os.getpid(), number)
        if number == signal.SIGINT:  # Ctrl-C reaches the child from the terminal, which is not there
            os.kill(int((stand_in.root / "ready").read_text()), number)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        call_dvc(["wait"], stand_in)
    thread.join()
    assert (stand_in.root / "tidied").read_text() == "SIGINT"
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


def test_the_door_starts_without_tensorflow_and_mlflow() -> None:
    code = "import sys; import hilum.stages.experiment; sys.exit('tensorflow' in sys.modules or 'mlflow' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


def test_the_recipe_that_the_readme_shows_holds() -> None:
    shown = (ROOT / "README.md").read_text().split("```yaml\n")[1].split("```")[0]
    params = check_params(merge(yaml.safe_load((ROOT / "params.yaml").read_text()), yaml.safe_load(shown)))
    assert list(params.acquire.sources) == params.prepare.sources == ["covid", "clinic"]
    assert list(class_names(params.prepare.labels)) == ["covid", "other"]


def test_the_readme_names_every_named_parameter() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [name for name in NAMED if name.removeprefix("finetuned").removeprefix("baseline") not in readme] == []


def test_the_command_of_a_run_can_be_typed_again_and_names_no_place_of_this_machine() -> None:
    told = experiment.command_of(
        "mine", "tune.trials=0 acquire.sources.a.root=/films/a", ["root=/where/they are", "trials=", "seed=7"]
    )
    assert "/films" not in told and "/where" not in told and "root=PATH" in told
    words = shlex.split(experiment.command_of("", "explain.target=viral tune.trials=0", ["seed=7", "trials="]))
    assert words == ["hilum", "experiment", "--set", "explain.target=viral tune.trials=0", "seed=7"]


def test_a_run_from_an_address_is_made_again_by_that_address_and_its_commit() -> None:
    told = experiment.command_of(
        "mine", "tune.trials=0", ["root=/where/they are", "seed=7", "trials="], "http://a:***@h/x.git", "c0ffee", "lung"
    )
    begin = [
        "mlflow",
        "run",
        "http://a:***@h/x.git",
        "--version",
        "c0ffee",
        "--env-manager",
        "uv",
        "--experiment-name",
        "lung",
    ]
    assert shlex.split(told) == [*begin, "-P", "root=PATH are", "-P", "seed=7", "-P", "recipe=mine", "-P", "set=tune.trials=0"]
