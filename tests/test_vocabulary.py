"""A verb has one name wherever it appears, and a stage declares the parameters that it reads."""

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml
from architecture import PACKAGE, files_behind
from stepping import take_steps

from hilum.cli import OF_SCRIPTS, SCRIPTED, VERBS, build_parser
from hilum.project.earlier_stages import OF_ENSEMBLES
from hilum.project.overrides import NAMED, find_places
from hilum.settings.explain import Explain, MethodSettings
from hilum.settings.params import Params, read_params
from hilum.settings.search_space import Section
from hilum.training.task import logged_params

ROOT = Path(__file__).resolve().parents[1]
STAGES = ROOT / "src" / "hilum" / "stages"
OUTSIDE = {
    "publish",
    "verify",
    "predict",
    "recalibrate",
    "export",
    "experiment",
}  # of the graph: nothing depends on what they leave
NO_ENTRY = {"doctor", "ui", "app", "reading"}  # neither a stage nor an entry point: for a person in front of this folder
HERE_ONLY = {"check": {"dry_run"}}  # options of the command line alone
LOGGED = {"train": {"acquire", "pretrain"}}  # named in the run only: what they change arrives in data/split and data/pretrained
UNREAD = {"profile"}  # of `explain`: it stands for the lists that it fills
READ_TOO = {  # (stage, section) -> keys that it reads and logs under no name of their own
    ("train", "prepare"): ("sources",),  # whose settings are logged
    ("crossvalidate", "prepare"): ("sources",),
    ("crossvalidate", "split"): ("folds", "fold_by"),
}
WITHOUT_OPTION = {"named", "runs", "no_films"}  # stand alone in a command; a flag is the command line's alone
NO_STAGE = {"tracking", "arms", "ensembles", "workers"}  # sections that several stages read
WRITTEN = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
DVC = {name: stage for name, stage in WRITTEN.items() if not name.endswith(OF_ENSEMBLES)}  # theirs is the text of arms
ENTRIES = yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]


def tree(verb: str) -> ast.Module:
    return ast.parse((STAGES / f"{verb}.py").read_text())


def body(stage: str) -> dict[str, Any]:
    return DVC[stage].get("do", DVC[stage])


def parameters_of(verb: str) -> list[str]:
    """The arguments of a stage's `run`."""
    run = next(node for node in tree(verb).body if isinstance(node, ast.FunctionDef) and node.name == "run")
    return [argument.arg for argument in run.args.args]


def options_of(verb: str) -> list[str]:
    verbs = next(action for action in build_parser()._actions if action.dest == "verb")
    assert isinstance(verbs.choices, dict)
    return [action.dest for action in verbs.choices[verb]._actions if action.dest not in ("help", *OF_SCRIPTS)]


def sections_read(verb: str) -> set[str]:
    """The sections of params.yaml that a stage's own file reads, as `params.<section>`."""
    return {
        node.attr
        for node in ast.walk(tree(verb))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "params"
    } & set(Params.model_fields)


def sections_declared(stage: str) -> set[str]:
    return {entry.split(".")[0] for entry in body(stage).get("params", []) if isinstance(entry, str)}


def test_verbs_are_the_stage_files() -> None:
    assert {path.stem for path in STAGES.glob("*.py")} - {"__init__"} == set(VERBS)


def test_verbs_are_the_stages_of_dvc() -> None:
    assert set(DVC) == set(VERBS) - OUTSIDE - NO_ENTRY


def test_verbs_are_the_entry_points_of_mlflow() -> None:
    assert {"experiment" if name == "main" else name for name in ENTRIES} == set(VERBS) - NO_ENTRY


def test_sections_of_params_are_named_after_verbs() -> None:
    assert set(Params.model_fields) - NO_STAGE <= set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_the_command_line_knows_what_the_stage_takes(verb: str) -> None:
    assert options_of(verb) == parameters_of(verb)


@pytest.mark.parametrize("verb", VERBS)
def test_the_options_of_scripts_belong_to_the_command_line(verb: str) -> None:
    assert not {*OF_SCRIPTS} & {*parameters_of(verb)}
    assert set(SCRIPTED) <= set(VERBS)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in NO_ENTRY])
def test_the_entry_point_hands_over_what_the_stage_takes(verb: str) -> None:
    entry = ENTRIES["main" if verb == "experiment" else verb]
    command, given = entry["command"].split(), entry.get("parameters", {})
    assert command[:3] == ["python", "src/hilum", verb]
    for name in given:
        assert f"{{{name}}}" in entry["command"], f"{name} is declared and not handed over"
    options = [word.removeprefix("--") for word in command if word.startswith("--")]
    assert options == [name for name in parameters_of(verb) if name not in {*WITHOUT_OPTION, *HERE_ONLY.get(verb, ())}]
    assert set(options) <= set(given)


@pytest.mark.parametrize("stage", DVC)
def test_dvc_calls_the_verb_of_its_stage(stage: str) -> None:
    command = body(stage)["cmd"].split()
    assert command[:3] == ["python", "src/hilum", stage]
    options = [word.removeprefix("--") for word in command if word.startswith("--")]
    facts, workers = ["classes", "size", "square", "scaling", "threshold"], ["workers", "executor", "threads"]
    other_films = ["image", "model", "methods", "target", "out", "films", *workers, *facts]
    any_films = ["model", "data", "labels", "columns", "pattern", "out", "explain", "audit", *facts]
    outside = {  # any films, films outside of the split, and runs of any day
        "evaluate": any_films,
        "explain": other_films,
        "compare": ["runs", "where", "reference", "out", "no_films"],
    }
    optional = outside.get(stage, [])
    assert options + optional == [name for name in parameters_of(stage) if name not in HERE_ONLY.get(stage, ())]
    assert ("foreach" in DVC[stage]) == bool(options)


def test_the_named_parameters_are_those_of_mlproject() -> None:
    assert list(ENTRIES["main"]["parameters"]) == ["recipe", "set", *NAMED]
    for name in NAMED:
        assert f"{name}={{{name}}}" in ENTRIES["main"]["command"]


@pytest.mark.parametrize("name", [*ENTRIES["main"]["parameters"]])
def test_an_override_is_left_out_by_default(name: str) -> None:
    assert ENTRIES["main"]["parameters"][name] == {"type": "string", "default": ""}


@pytest.mark.parametrize("name", [name for name in NAMED if name != "root"])  # the phantom has none
def test_a_named_parameter_leads_to_values_that_are_there(name: str) -> None:
    values = take_steps(yaml.safe_load((ROOT / "params.yaml").read_text()))  # a solved head has no epochs
    places = find_places(values, NAMED[name])
    assert places
    for key in places:
        place = values
        for step in key.split("."):
            place = place[int(step)] if isinstance(place, list) else place[step]


@pytest.mark.parametrize("stage", [verb for verb in DVC if verb in Params.model_fields and verb != "crossvalidate"])  # see below
def test_a_stage_watches_the_section_of_its_name(stage: str) -> None:
    assert stage in sections_declared(stage)


@pytest.mark.parametrize("stage", [verb for verb in DVC if verb != "check"])
def test_a_stage_watches_every_section_that_it_reads(stage: str) -> None:
    read = sections_read(stage) - LOGGED.get(stage, set()) - {"tracking"}  # the door to the runs re-runs nothing
    assert read <= sections_declared(stage), f"not declared in dvc.yaml: {sorted(read - sections_declared(stage))}"


def keys_of(place: str) -> list[str]:
    """The keys in a section of params.yaml, told by its dotted place; none where that is no section."""
    found: Any = Params
    for step in place.split("."):
        found = found.model_fields[step].annotation if isinstance(found, type) and step in found.model_fields else None
    return list(found.model_fields) if isinstance(found, type) and issubclass(found, Section) else []


def attributes_behind(verb: str) -> set[str]:
    """Every name after a dot in the files that a stage runs, but those of the settings, which hold all names."""
    files = [PACKAGE / file for file in files_behind(f"hilum.stages.{verb}") if file.endswith(".py")]
    nodes = (node for file in files if file.parent.name != "settings" for node in ast.walk(ast.parse(file.read_text())))
    return {node.attr for node in nodes if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize("stage", [verb for verb in DVC if verb != "check"])
def test_a_section_is_watched_whole_only_where_each_of_its_keys_is_read(stage: str) -> None:
    whole = [entry for entry in body(stage).get("params", []) if isinstance(entry, str) and keys_of(entry)]
    read = attributes_behind(stage) | set(Explain.named(MethodSettings))  # a method's settings are asked for by its name
    idle = [f"{entry}.{key}" for entry in whole for key in keys_of(entry) if key not in read and key not in UNREAD]
    assert not idle, f"these decide nothing for {stage}; name the others one by one in dvc.yaml"


@pytest.mark.parametrize(("stage", "each"), {"train": "key", "crossvalidate": "item"}.items())
def test_training_watches_what_it_logs_and_no_other_key_of_those_sections(stage: str, each: str) -> None:
    params = read_params(ROOT / "params.yaml").model_copy(deep=True)
    logged = logged_params(params, next(iter(params.arms.values())))
    for section in ("prepare", "split"):
        named = {".".join(key.split(".")[:2]) for key in logged if key.startswith(f"{section}.")}
        named |= {f"{section}.{key}" for key in READ_TOO.get((stage, section), ())}
        declared = {entry for entry in body(stage)["params"] if isinstance(entry, str) and entry.split(".")[0] == section}
        # an empty mapping, such as labels_by_source here, is logged under no key
        assert declared - {f"{section}.labels_by_source"} == named
        assert section != "prepare" or "prepare.labels_by_source" in declared


def test_a_word_that_prepare_alone_reads_trains_nothing() -> None:
    for key in ("unused_rules", "unmatched", "broken_share", "near_duplicates", "group_share"):
        watching = {stage for stage in DVC if {"prepare", f"prepare.{key}"} & set(map(str, body(stage).get("params", [])))}
        assert "prepare" in watching and watching <= {"prepare", "pretrain", "external"}


def test_a_stage_per_arm_watches_that_arm_only() -> None:
    for stage, each in {"tune": "key", "train": "key", "crossvalidate": "item"}.items():
        assert f"arms.${{{each}}}" in body(stage)["params"]
        assert "arms" not in body(stage)["params"]
        if stage != "crossvalidate":
            assert DVC[stage]["foreach"] == "${arms}"
    assert "arms" in body("compare")["params"], "a removed arm must be noticed"


def test_cross_validation_has_a_stage_for_each_arm_that_is_asked_for_and_none_by_default() -> None:
    assert DVC["crossvalidate"]["foreach"] == "${crossvalidate.arms}", "names alone: another arm in the list re-runs nothing"
    written = yaml.safe_load((ROOT / "params.yaml").read_text())
    assert written["split"]["folds"] == 0 and written["crossvalidate"]["arms"] == []


def test_an_explanation_does_not_watch_what_a_bootstrap_count_changes() -> None:
    dependencies = body("explain")["deps"]
    assert "results/arms/${key}/evaluation/predictions.csv" in dependencies
    assert "results/arms/${key}/evaluation" not in dependencies


def test_another_training_seed_leaves_films_split_and_pretrained_weights_as_they_are() -> None:
    trains = {"tune", "train", "crossvalidate"}
    for stage in DVC:
        entries = [entry for entry in body(stage).get("params", []) if isinstance(entry, str)]
        assert "seed" not in entries, "no seed is everybody's"
        watches = any(entry in ("train", "train.seed") for entry in entries)
        assert watches == (stage in {*trains, "ensemble", "compare"}), f"{stage} and train.seed"  # the page names the seed
        assert any(entry in ("split", "split.seed") for entry in entries) == (
            stage in {"split", "train", "crossvalidate", "compare"}
        ), stage
