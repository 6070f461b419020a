"""params.yaml: every fault is told at once, with its key and what is legal there."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError
from stepping import take_steps

from hilum.results import flatten
from hilum.settings.errors import ADDED
from hilum.settings.meaning import (
    class_names,
    lay_over,
    name_network,
    plain_phases,
    pretrained_backbones,
    seeds_of,
    settle,
    spaces,
    train_of,
    trained_arm,
    trained_arms,
)
from hilum.settings.params import Params, check_params, read_params
from hilum.settings.search_space import Choices, Range
from hilum.settings.training import Arm, ConvexPhase, GivenArm, Phase

DRAWN = ("phantom", "phantom-findings")
WRITTEN = take_steps(yaml.safe_load((Path(__file__).resolve().parents[2] / "params.yaml").read_text()))
RATE = "arms.baseline.phases.0.learning_rate"


def changed(**changes: Any) -> dict[str, Any]:
    """The repository's values with some replaced; `__` stands for the dot, ... removes the key."""
    values = copy.deepcopy(WRITTEN)
    for key, value in changes.items():
        *path, last = key.split("__")
        place: Any = values
        for step in path:
            place = place[int(step)] if isinstance(place, list) else place[step]
        if value is ...:
            del place[last]
        elif isinstance(place, list):
            place[int(last)] = value
        else:
            place[last] = value
    return values


def refusal(values: Any) -> str:
    with pytest.raises(ValueError) as refused:
        check_params(values)
    return str(refused.value)


def mappings(values: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every key of params.yaml whose name the schema gives: not the names of sources, findings, classes and arms."""
    found = []
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    for key, value in items:
        place = (*path, str(key))
        if isinstance(values, dict) and path not in FREE and path[3:] != ("findings",):
            found.append(place)
        found += mappings(value, place)
    return found


FREE = {("acquire", "sources"), ("prepare", "labels"), ("arms",)}
OPTIONAL = {"log"}  # of a range: absent means a linear scale


@pytest.mark.parametrize(
    ("folds", "by", "told"),
    [(1, "patient", "split.folds must be 0 (none) or 2 and more, got 1"), (3, "source", "got 3 folds and 1 sources")],
)
def test_folds_that_cannot_be_are_refused(folds: int, by: str, told: str) -> None:
    assert told in refusal(changed(split__folds=folds, split__fold_by=by))


@pytest.mark.parametrize(
    ("folds", "arms", "told"),
    [
        (0, ["baseline"], "crossvalidate.arms must be [] while split.folds is 0, got ['baseline']; set both or neither"),
        (5, [], "while split.folds is 5, got []; for all: [baseline, finetuned]"),
        (5, ["finetuned"], "each once and baseline (compare.reference) among them"),
        (5, ["baseline", "baseline"], "each once and baseline"),
        (5, ["baseline", "third"], "crossvalidate.arms must name arms (baseline, finetuned)"),
    ],
)
def test_folds_and_the_arms_that_get_a_stage_go_together(folds: int, arms: list[str], told: str) -> None:
    assert told in refusal(changed(split__folds=folds, crossvalidate__arms=arms))


@pytest.mark.parametrize("arms", [["baseline"], ["finetuned", "baseline"]])
def test_any_arms_beside_the_reference_may_be_cross_validated(arms: list[str]) -> None:
    assert check_params(changed(split__folds=5, crossvalidate__arms=arms)).crossvalidate.arms == arms


def test_ages_must_ascend() -> None:
    assert "age_groups must ascend, got [5.0, 1.0]" in refusal(changed(split__confounding__age_groups=[5, 1]))


def test_the_repositorys_values_hold() -> None:
    params = read_params(Path(__file__).resolve().parents[2] / "params.yaml")
    assert list(params.arms) == ["baseline", "finetuned"]
    assert pretrained_backbones(params.arms) == []


@pytest.mark.parametrize("path", [p for p in mappings(WRITTEN) if p[-1] not in OPTIONAL], ids=".".join)
def test_no_value_has_a_second_default_in_the_code(path: tuple[str, ...]) -> None:
    if path[-1] in ("low", "high", "choices"):  # without it the value is another kind of space, or none
        assert ".".join(path[:-1]) in refusal(changed(**{"__".join(path): ...}))
    else:
        assert f"{'.'.join(path)} is missing" in refusal(changed(**{"__".join(path): ...}))


def test_what_files_of_earlier_versions_lack_is_refused_with_lines_that_give_what_they_did() -> None:
    """Pasted below the section that is named, the lines are what params.yaml says: nothing else is trained."""
    lacking = {key.replace(".", "__"): ... for key in ADDED if key.count(".") == 1}
    drawn = {f"acquire__sources__{name}__contrast": ... for name in DRAWN}
    values = changed(
        train__augment__erase=..., train__augment__unchanged=..., ensembles=..., external=..., workers=..., **lacking, **drawn
    )
    lines = [line for line in refusal(values).splitlines() if "paste" in line]
    assert len(lines) == len(ADDED) - 1 + len(DRAWN)
    for line in lines:
        said, _, pasted = line.partition(":  ")
        section = said.split("`")[1] if "`" in said else ""
        place = values
        for step in section.split(".") if section else []:
            place = place[step]
        place.update(yaml.safe_load(pasted))
    full = changed(**{f"acquire__sources__{name}__contrast": 1.0 for name in DRAWN})
    assert values == full
    inside = refusal(changed(train__optimizer__clip=...))
    assert "train.optimizer.clip is missing; to train as before, paste this line below `train.optimizer`:  clip: 0.0" in inside


def test_an_arm_names_only_what_it_trains_otherwise() -> None:
    named = {"optimizer": {"name": "adamw", "weight_decay": 0.05}, "averaging": 0.995, "patience": 7}
    params = check_params(changed(arms__finetuned__train=named))
    merged = train_of(params.train, params.arms["finetuned"])
    assert (merged.optimizer.name, merged.optimizer.weight_decay, merged.averaging, merged.patience) == ("adamw", 0.05, 0.995, 7)
    assert merged.optimizer.momentum == params.train.optimizer.momentum
    unnamed = {"optimizer", "averaging", "patience"}
    assert merged.model_dump(exclude=unnamed) == params.train.model_dump(exclude=unnamed)
    assert train_of(params.train, params.arms["baseline"]) == params.train


def test_a_space_may_stand_in_what_an_arm_names() -> None:
    space = {"low": 1e-3, "high": 0.1, "log": True, "start": 0.01}
    named = {"optimizer": {"name": "adamw", "weight_decay": space}, "averaging": {"choices": [0.0, 0.99], "start": 0.0}}
    params = check_params(changed(arms__finetuned__train=named))
    arm = params.arms["finetuned"]
    found = [key for key in spaces(arm) if key.startswith("train.")]
    assert found == ["train.optimizer.weight_decay", "train.averaging"]
    settled = settle(arm, {key: space.start for key, space in spaces(arm).items()} | {"train.averaging": 0.99})
    assert train_of(params.train, settled).averaging == 0.99
    assert train_of(params.train, settled).optimizer.weight_decay == 0.01
    assert lay_over(params.train, arm)["optimizer"]["weight_decay"]["low"] == 1e-3


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"arms__finetuned__train": {"averaging": 1.0}}, "arms.finetuned.train.averaging: Input should be less than 1"),
        ({"arms__finetuned__train": {"averagin": 0.9}}, "arms.finetuned.train.averagin is not a known key; did you mean"),
        (
            {"arms__finetuned__train": {"select": "log_loss"}},
            "Legal here: repeats, batch_size, imbalance, patience, balance, augment, optimizer, schedule,",
        ),
        ({"train__optimizer__name": "lion"}, "train.optimizer.name: Input should be 'adam', 'adamw' or 'sgd', got 'lion'"),
        ({"train__optimizer__layer_decay": 0.0}, "train.optimizer.layer_decay: Input should be greater than 0"),
        ({"train__optimizer__weight_decay": 0.1}, "weight_decay belongs to adamw and sgd, got 0.1 with adam"),
        (
            {"train__optimizer__name": "sgd", "train__optimizer__momentum": 0.0, "train__optimizer__nesterov": True},
            "nesterov must go with a momentum above 0",
        ),
        (
            {"arms__finetuned__train": {"averaging": {"low": 0.9, "high": 1.5, "start": 0.95}}},
            "train.averaging must be legal anywhere in its space, got 1.5",
        ),
    ],
)
def test_what_training_cannot_be_told_is_refused_by_its_key(change: dict[str, Any], told: str) -> None:
    assert told in refusal(changed(**change))


def test_every_fault_is_told_at_once() -> None:
    told = refusal(
        changed(
            split__seed="many",
            crossvalidate=...,
            train__batchsize=3,
            arms__baseline__phases__0__epochs=0,
            evaluate__confidence=1.0,
            prepare__square="crop",
            explain__lime__samples=1,
        )
    )
    for key in (
        "split.seed",
        "crossvalidate is missing",
        "train.batchsize",
        "arms.baseline.phases.0.epochs",
        "evaluate.confidence",
        "prepare.square",
        "explain.lime.samples",
    ):
        assert f"  {key}" in told
    assert len(told.splitlines()) == 8
    assert "got 'many'" in told
    assert "'pad' or 'stretch', got 'crop'" in told


def test_the_one_seed_of_before_is_told_where_its_seeds_are_now() -> None:
    told = refusal(changed(seed=2026))
    assert "seed is not a key any more: every section that draws has a seed of its own; write split.seed" in told


def test_the_former_name_of_what_is_burned_in_is_told_its_new_one() -> None:
    told = refusal(changed(prepare__markers="inpaint", prepare__burned_in=...))
    assert "prepare.markers is not a key any more: it is prepare.burned_in (keep or inpaint, as before)" in told
    assert "prepare.burned_in is missing" in told


@pytest.mark.parametrize("seed", [-1, 2**31, 1.5])
def test_a_seed_is_a_whole_number_that_every_library_takes(seed: float) -> None:
    assert "train.seed" in refusal(changed(train__seed=seed))


@pytest.mark.parametrize(
    ("key", "meant", "legal"),
    [
        ("trian", "train", "tracking, acquire, prepare"),
        ("train__batchsize", "train.batch_size", "seed, repeats, batch_size, imbalance"),
        ("train__augment__rotat", "train.augment.rotate", "views, unchanged, rotate"),
        ("arms__baseline__backbon", "arms.baseline.backbone", "backbone, options, weights, head, phases"),
        (
            "arms__baseline__phases__0__epoch",
            "arms.baseline.phases.0.epochs",
            "unfreeze, solver, epochs, learning_rate, decay, batch_norm",
        ),
        (
            "acquire__sources__phantom__film",
            "acquire.sources.phantom.films",
            "reader, films, size, seed, findings, contrast, shortcut",
        ),
    ],
)
def test_an_unknown_key_is_refused_with_the_legal_ones_and_the_nearest(key: str, meant: str, legal: str) -> None:
    told = refusal(changed(**{key: 1}))
    assert f"{key.replace('__', '.')} is not a known key; did you mean {meant}?" in told
    assert f"Legal here: {legal}" in told or f", {legal}" in told


def test_an_unknown_key_of_a_source_is_told_the_keys_of_its_reader_only() -> None:
    folder = {"reader": "folder", "root": "films", "mode": "copy", "films": 3}
    told = refusal(changed(acquire__sources__mine=folder))
    assert "acquire.sources.mine.films is not a known key" in told
    assert told.endswith("Legal here: reader, root, mode, pattern, table")


def test_an_unknown_key_of_a_space_is_told_the_keys_of_a_space() -> None:
    told = refusal(changed(**{f"{RATE.replace('.', '__')}__hihg": 1.0}))
    assert f"{RATE}.hihg is not a known key; did you mean {RATE}.high? Legal here: low, high, log, start" in told


def test_a_space_that_is_two_at_once_is_told_in_one_line_that_names_the_way_out() -> None:
    told = refusal(changed(arms__baseline__head__dropout__choices=[0.0, 0.2]))
    assert told.splitlines()[1:] == [
        "  arms.baseline.head.dropout must be one space, {low, high, log, start, step, when} or {choices, start, when}, got keys "
        "of both: low, high, start, choices; remove choices, or remove low and high (a recipe removes a key with `null`)"
    ]
    told = refusal(changed(arms__baseline__head__dropout={"low": 0.1, "choices": [1, 2]}))
    assert len(told.splitlines()) == 2 and "got keys of both: low, choices; remove choices, or remove low" in told


@pytest.mark.parametrize("key", ["choices", "start", "low"])
def test_no_key_is_advised_that_is_there_already(key: str) -> None:
    """Of any kind of space, with any further key."""
    for space in ({"low": 0.1, "high": 0.2, "start": 0.1}, {"choices": [0.1, 0.2], "start": 0.1}):
        told = refusal(changed(arms__baseline__head__dropout={**space, key: ["x"]}))
        advised = [line.split("did you mean ")[1].split("?")[0] for line in told.splitlines() if "did you mean" in line]
        assert not [one for one in advised if one.rpartition(".")[2] in {**space, key: 1}]


CSV = {"reader": "csv", "root": "films", "mode": "copy", "table": "t.csv", "path": "file", "finding": "dx"}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"arms__baseline__phases__0__unfreeze": 0},
            "arms.baseline.phases.0.unfreeze: Input should be greater than or equal to 1, or a valid string, got 0",
        ),
        (
            {"explain__lime__hide": 300},
            "explain.lime.hide: Input should be 'mean' or 'film', or less than or equal to 255, got 300",
        ),
        (
            {"explain__gradcam_layers__layers": [3]},
            "explain.gradcam_layers.layers.0 must be text, got 3; put what you wrote in quotes",
        ),
        (
            {"acquire__sources__c": {**CSV, "view": 5}},
            "acquire.sources.c.view must be text or a list, got 5; put what you wrote in quotes",
        ),
        (
            {"acquire__sources__c": {**CSV, "view": [5]}},
            "acquire.sources.c.view.0 must be text, got 5; put what you wrote in quotes",
        ),
        (
            {"acquire__sources__c": {**CSV, "age": None}},
            "acquire.sources.c.age must be text, got null; put what you wrote in quotes",
        ),
        (
            {"arms__baseline__head__dropout": {"choices": [0.1, None], "start": 0.1}},
            "arms.baseline.head.dropout.choices.1: Input should be a valid boolean, or a valid number, or a valid integer, or a "
            "valid string, got null",
        ),
        (
            {"arms__baseline__head__dropout": {"start": 0.2}},
            "arms.baseline.head.dropout: Input should be a valid number, or a space, {low, high, log, start, step, when} or "
            "{choices, start, when}, got {'start': 0.2}",
        ),
        (
            {"acquire__sources__c": {**CSV, "reader": "folders"}},
            "acquire.sources.c.reader must be one of phantom, kermany, folder, csv, covid_chestxray, figure1, nih, "
            "dicom, rsna, got 'folders'; did you mean folder?",
        ),
        ({"acquire__sources__c": 5}, "acquire.sources.c must be a section with the keys reader, got 5"),
        (
            {"prepare__labels": {True: ["a"], "x": ["b"]}},
            "prepare.labels.True must be text, got True; put what you wrote in quotes",
        ),
    ],
)
def test_a_value_of_several_kinds_is_told_in_one_line_that_does_not_contradict_itself(changes: dict[str, Any], line: str) -> None:
    assert refusal(changed(**changes)).splitlines()[1:] == [f"  {line}"]


@pytest.mark.parametrize("text", ["yes", "no", "off", "1:30", "~/films", "v1", "2024-1", "=", "on"])
def test_a_text_of_params_yaml_is_what_dvc_takes_it_for(tmp_path: Path, text: str) -> None:
    """DVC writes an override there by YAML 1.2, where these need no quotes."""
    (tmp_path / "params.yaml").write_text(
        yaml.safe_dump(changed(tracking__experiment="here")).replace("experiment: here", f"experiment: {text}")
    )
    assert read_params(tmp_path / "params.yaml").tracking.experiment == text


def test_the_choices_of_a_space_are_numbers_however_they_are_written(tmp_path: Path) -> None:
    written = yaml.safe_dump(changed(arms__baseline__phases__0__learning_rate="here"))
    (tmp_path / "params.yaml").write_text(
        written.replace("learning_rate: here", "learning_rate: {choices: [1e-3, 1e-2], start: 1e-3}")
    )
    space = read_params(tmp_path / "params.yaml").arms["baseline"].phases[0].learning_rate
    assert space == Choices(choices=[0.001, 0.01], start=0.001)
    assert isinstance(space, Choices) and all(isinstance(one, float) for one in space.choices)


def test_a_number_that_yaml_reads_as_text_is_a_number() -> None:
    rate = yaml.safe_load("{a: 1e-3, b: {low: 1e-4, high: 1e-2, log: true, start: 1e-3}}")
    assert rate["a"] == "1e-3"  # what PyYAML makes of it; DVC reads a number
    params = check_params(changed(pretrain__learning_rate=rate["a"], arms__baseline__phases__0__learning_rate=rate["b"]))
    assert params.pretrain.learning_rate == 0.001
    assert params.arms["baseline"].phases[0].learning_rate == Range(low=1e-4, high=1e-2, log=True, start=1e-3)


@pytest.mark.parametrize(
    ("space", "rule"),
    [
        (
            {"low": 0.1, "high": 0.1, "start": 0.1},
            "low must be below high, got low=0.1, high=0.1; a single value needs no search",
        ),
        ({"low": 0.2, "high": 0.1, "start": 0.1}, "low must be below high, got low=0.2, high=0.1"),
        ({"low": 0.1, "high": 0.2, "start": 0.3}, "start must lie within low..high, got start=0.3 for 0.1..0.2"),
        ({"low": 0.0, "high": 0.2, "log": True, "start": 0.1}, "a logarithmic range must have low above 0, got low=0.0"),
        ({"choices": [0.1], "start": 0.1}, "choices must be two or more that include start, got [0.1] and start=0.1"),
        ({"choices": [0.1, 0.1], "start": 0.1}, "choices must be two or more that include start"),
        ({"choices": [0.1, 0.2], "start": 0.3}, "choices must be two or more that include start, got [0.1, 0.2] and start=0.3"),
        ("10 ** -3", "10 ** -3"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused(space: Any, rule: str) -> None:  # defect 11
    told = refusal(changed(arms__baseline__phases__0__learning_rate=space))
    assert told.splitlines()[1].startswith(f"  {RATE}: ")
    assert rule in told


@pytest.mark.parametrize(
    ("key", "space", "value"),
    [
        ("head.dropout", {"low": 0.0, "high": 1.5, "start": 0.2}, "1.5"),
        ("phases.0.learning_rate", {"low": -1.0, "high": 0.1, "start": 0.01}, "-1.0"),
        ("phases.0.epochs", {"choices": [2, 0], "start": 2}, "0"),
        ("phases.0.epochs", {"choices": ["few", "many"], "start": "few"}, "few"),
        ("phases.0.epochs", {"low": 1.5, "high": 3, "start": 2}, "1.5"),
    ],
)
def test_a_space_that_leaves_the_limits_of_its_value_is_refused(key: str, space: Any, value: str) -> None:  # defect 11
    told = refusal(changed(**{f"arms.baseline.{key}".replace(".", "__"): space}))
    assert f"arms.baseline: {key} must be legal anywhere in its space, got {value}: " in told


def test_a_rule_that_yaml_takes_for_a_number_or_a_truth_is_told_with_its_remedy() -> None:
    said = yaml.safe_load("{normal: [no], bacterial: [1], viral: [viral]}")
    with pytest.raises(
        ValueError, match=r"prepare\.labels\.bacterial\.0 must be text, got 1; put what you wrote in quotes"
    ) as told:
        check_params(changed(prepare__labels=said))
    assert "prepare.labels.normal.0 must be text, got False; put what you wrote in quotes" in str(told.value)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"compare__reference": "old"}, "compare.reference must be one of the arms baseline, finetuned, got 'old'"),
        ({"prepare__sources": ["films"]}, "a source must be in acquire.sources (phantom, phantom-findings), got 'films'"),
        ({"pretrain__source": "films"}, "a source must be in acquire.sources (phantom, phantom-findings), got 'films'"),
        ({"pretrain__source": "phantom"}, "pretrain.source must hold other patients than prepare.sources, got 'phantom' in both"),
        ({"split__test": 0.9}, "split.validation + split.test must stay below 1, got 0.16 + 0.9"),
        (
            {"train__prevalence": {"normal": 0.5, "viral": 0.5}},
            "train.prevalence must give every class (normal, bacterial, viral) a ",
        ),
        ({"train__prevalence": {"normal": 0.5, "bacterial": 0.3, "viral": 0.3}}, "a share, with sum 1, got {'normal': 0.5, "),
        ({"train__decision": "costs"}, "train.costs must give every class (normal, bacterial, viral) the cost of a film of it"),
        ({"train__costs": {"normal": 1, "bacterial": 2, "viral": 3}}, "train.costs belongs to train.decision costs, got it with"),
        (
            {"train__decision": "balanced", "prepare__labels": {"normal": ["normal"], "ill": ["bacterial", "viral"]}},
            "train.decision must be probable for two classes, which train.threshold_rule decides, got 'balanced'",
        ),
        (
            {"train__balance__multiplier": {"covid": 2}},
            "balance.multiplier must name classes (normal, bacterial, viral), got covid",
        ),
        (
            {"train__balance__multiplier": {"viral": 2}, "train__imbalance": "oversample"},
            "train.balance.multiplier belongs to class_weight, got it with train.imbalance oversample; make it {}",
        ),
        (
            {"train__imbalance": "smote", "arms__baseline__phases__0__unfreeze": 2},
            "in a phase that says `unfreeze: head`, but there is none in baseline; add one",
        ),
    ],
)
def test_values_that_contradict_each_other_are_refused(changes: dict[str, Any], rule: str) -> None:
    assert rule in refusal(changed(**changes))


@pytest.mark.parametrize(("imbalance", "above"), [("class_weight", "none"), ("smote", "class_weight")])
def test_a_multiplier_and_a_prevalence_may_stand_where_something_reads_them(imbalance: str, above: str) -> None:
    train = {"imbalance": imbalance, "balance__smote_above_head": above, "balance__multiplier": {"viral": 2}}
    train["prevalence"] = {"normal": 0.9, "bacterial": 0.06, "viral": 0.04}
    params = check_params(changed(**{f"train__{key}": value for key, value in train.items()}))
    assert params.train.prevalence["viral"] == 0.04


@pytest.mark.parametrize(
    "own",
    [
        {"imbalance": "smote", "balance": {"smote_above_head": "class_weight", "multiplier": {"viral": 2}}},
        {"imbalance": "class_weight", "balance": {"multiplier": {"viral": 2}}},
        {
            "imbalance": {"choices": ["focal", "smote"], "start": "focal"},
            "balance": {
                "smote_above_head": {"choices": ["none", "class_weight"], "start": "none"},
                "multiplier": {"viral": 2},
            },
        },
    ],
)
def test_a_multiplier_stands_in_an_arm_that_uses_it_whatever_the_others_do(own: dict[str, Any]) -> None:
    values = changed(train__imbalance="oversample", train__balance__smote_above_head="none", arms__finetuned__train=own)
    assert trained_arm(check_params(values).arms, "finetuned").train is not None


@pytest.mark.parametrize(
    ("arm", "own", "got"),
    [
        ("finetuned", {"imbalance": "focal"}, "arms.finetuned.train.imbalance focal"),
        ("finetuned", {"imbalance": "smote"}, "arms.finetuned.train.imbalance smote and smote_above_head none"),
        ("finetuned", {"imbalance": "smote", "balance": {"smote_above_head": "oversample"}}, "smote_above_head oversample"),
        ("baseline", {"imbalance": "smote"}, "arms.baseline.train.imbalance smote and no phase above the head"),
    ],
)
def test_a_multiplier_of_an_arm_that_does_not_use_it_is_refused_though_another_arm_would(
    arm: str, own: dict[str, Any], got: str
) -> None:
    """Under a global class_weight, and SMOTE with class weights above the head for the arm of the head alone."""
    own = {**own, "balance": {**own.get("balance", {}), "multiplier": {"viral": 2}}}
    above = "class_weight" if arm == "baseline" else "none"
    told = refusal(
        changed(train__imbalance="class_weight", train__balance__smote_above_head=above, **{f"arms__{arm}__train": own})
    )
    assert f"arms.{arm}.train.balance.multiplier belongs to class_weight, got it with " in told
    assert f"{got}; make it {{}}" in told


def test_a_shared_multiplier_is_refused_only_where_no_arm_uses_it() -> None:
    shared = {"train__balance__multiplier": {"viral": 2}}
    focal, weighted = {"imbalance": "focal"}, {"imbalance": "class_weight"}
    check_params(changed(**shared, train__imbalance="oversample", arms__finetuned__train=weighted))
    own = {"arms__baseline__train": focal, "arms__finetuned__train": focal}
    assert (
        "train.balance.multiplier belongs to class_weight, got it with arms.baseline.train.imbalance focal, "
        "arms.finetuned.train.imbalance focal; make it {}"
    ) in refusal(changed(**shared, train__imbalance="class_weight", **own))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"prepare__labels": {"normal": ["normal"], "excluded": ["viral"]}}, "must hold two classes or more, got normal"),
        ({"prepare__labels": {"a": ["x"], "b": []}}, "prepare.labels.b must name a finding, or a source of"),
        ({"prepare__labels": {"a": ["x"], "b": [""]}}, "prepare.labels.b must name findings, got an empty one"),
        ({"prepare__labels_by_source": {"films": {"viral": ["x"]}}}, "must be of prepare.sources (phantom), got 'films'"),
        (
            {"prepare__labels_by_source": {"phantom": {"virus": ["x"]}}},
            "labels_by_source.phantom must hold classes of prepare.labels (normal, bacterial, viral) or excluded, got virus",
        ),
        ({"prepare__labels_by_source": {"phantom": {"viral": ["x"]}}}, "got rules that no source uses; empty them"),
        ({"prepare__unused_rules": "ignore"}, "prepare.unused_rules: Input should be 'stop' or 'tell', got 'ignore'"),
    ],
)
def test_rules_that_contradict_each_other_are_refused(changes: dict[str, Any], rule: str) -> None:
    assert rule in refusal(changed(**changes))


def test_excluded_is_no_class_and_may_hold_the_empty_finding() -> None:
    labels = {"normal": ["normal"], "excluded": [""], "ill": ["viral", "bacterial"]}
    assert class_names(check_params(changed(prepare__labels=labels)).prepare.labels) == ["normal", "ill"]


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ({"table": "t.csv", "path": "file"}, "by `finding` (one column) or `findings` (a column each)"),
        ({"table": "t.csv", "path": "file", "finding": "a", "findings": ["b"]}, "name one of the two"),
        ({"table": "t.csv", "path": "file", "finding": "a", "boxes": ["x", "y"]}, "the four of x, y, width and height"),
        ({"path": "file", "finding": "a"}, "acquire.sources.mine.table is missing"),
    ],
)
def test_a_table_must_be_mapped_without_contradiction(source: dict[str, Any], rule: str) -> None:
    assert rule in refusal(changed(acquire__sources__mine={"reader": "csv", "root": "films", **source}))


def test_contradictions_are_told_together() -> None:
    told = refusal(changed(compare__reference="old", split__test=0.9, prepare__sources=["films"]))
    assert all(part in told for part in ("compare.reference", "split.validation + split.test", "'films'"))


def test_a_source_to_pretrain_on_is_asked_for_only_by_an_arm_that_says_so() -> None:
    changes = {f"arms__{arm}__weights": "none" for arm in WRITTEN["arms"]}
    assert pretrained_backbones(check_params(changed(pretrain__source="nowhere", **changes)).arms) == []


def test_the_reference_cannot_be_removed() -> None:
    assert "compare.reference must be one of the arms finetuned" in refusal(changed(arms__baseline=...))


@pytest.mark.parametrize("values", [None, [], "text", 3])
def test_anything_but_a_mapping_is_refused(values: Any) -> None:
    assert "params.yaml is not valid" in refusal(values)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"hilum runs where params\.yaml is.*change into the project's folder"):
        read_params(tmp_path / "params.yaml")


def test_a_file_that_is_no_yaml_is_told(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("seed: [1\n")
    with pytest.raises(ValueError, match=r"params\.yaml must be YAML, got .*line 2"):
        read_params(tmp_path / "params.yaml")


def test_values_are_frozen() -> None:
    params = check_params(WRITTEN)
    with pytest.raises(ValidationError, match="frozen"):
        params.train.batch_size = 1  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        params.arms["baseline"].phases[0].epochs = 1  # type: ignore[misc]


def test_flatten_gives_dotted_keys() -> None:
    values = {"phases": [{"epochs": 3}, {"epochs": 10, "more": {"a": None}}], "methods": ["lime", "shap"], "seed": 1}
    assert flatten(values) == {
        "phases.0.epochs": 3,
        "phases.1.epochs": 10,
        "phases.1.more.a": None,
        "methods": ["lime", "shap"],
        "seed": 1,
    }
    assert flatten({"trials": 4}, "tune") == {"tune.trials": 4}


def test_flatten_takes_a_section_and_leaves_no_mapping() -> None:
    flat = flatten(check_params(WRITTEN).arms["finetuned"])
    assert flat["phases.1.epochs"] == 12
    assert flat["phases.0.learning_rate.low"] == 1e-4
    assert not [value for value in flat.values() if isinstance(value, dict)]


def finetuned() -> Arm:
    return check_params(WRITTEN).arms["finetuned"]


def test_spaces_are_found_in_the_order_in_which_they_stand() -> None:
    assert list(spaces(finetuned())) == ["head.dropout", "phases.0.learning_rate"]
    choices = check_params(changed(arms__finetuned__phases__1__epochs={"choices": [4, 8], "start": 8})).arms["finetuned"]
    assert spaces(choices)["phases.1.epochs"] == Choices(choices=[4, 8], start=8)


def test_settle_puts_values_in_their_place_and_changes_nothing_else() -> None:
    arm = finetuned()
    settled = settle(arm, {"head.dropout": 0.31, "phases.0.learning_rate": 0.002})
    assert settled.head.dropout == 0.31
    assert settled.phases[0].learning_rate == 0.002
    assert spaces(settled) == {}
    before, after = flatten(arm), flatten(settled)
    assert {key: value for key, value in after.items() if key in before} == {
        key: value for key, value in before.items() if not key.startswith(("head.dropout", "phases.0.learning_rate"))
    }
    assert spaces(arm), "settle must leave the arm that it was given as it is"


@pytest.mark.parametrize("best", [{}, {"head.dropout": 0.3}, {"head.dropout": 0.3, "phases.0.learning_rate": 0.1, "more": 1}])
def test_settle_refuses_other_keys(best: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"best values must stand for \['head.dropout', 'phases.0.learning_rate'\], got"):
        settle(finetuned(), best)


def test_a_value_without_a_space_is_searched_no_more() -> None:
    params = check_params(changed(arms__baseline__phases__0__learning_rate=1e-3))
    assert list(spaces(params.arms["baseline"])) == ["head.dropout"]
    assert list(spaces(params.arms["finetuned"])) == ["head.dropout", "phases.0.learning_rate"]


def test_every_section_has_a_place_in_params() -> None:
    assert list(Params.model_fields) == list(WRITTEN)


@pytest.mark.parametrize(("weights", "settled"), [("none", "train"), ("imagenet", "frozen"), ("some.h5", "frozen")])
def test_auto_trains_batch_norm_of_random_weights_alone(weights: str, settled: str) -> None:
    phases = [
        {"unfreeze": "all", "epochs": 1, "learning_rate": 0.1, "decay": "none", "batch_norm": word}
        for word in ("auto", "train", "frozen")
    ]
    arm = Arm.model_validate(
        {"backbone": "b", "weights": weights, "head": {"dropout": 0.1, "weight_decay": 0.0}, "phases": phases}
    )
    assert [phase.batch_norm for phase in plain_phases(arm)] == [settled, "train", "frozen"]


@pytest.mark.parametrize("target", ["predicted", "true", "viral"])
def test_maps_may_explain_the_predicted_class_the_true_one_or_one_by_name(target: str) -> None:
    assert check_params(changed(explain__target=target)).explain.target == target


def test_a_target_that_is_no_class_is_refused_with_the_classes() -> None:
    told = refusal(changed(explain__target="lung"))
    assert r"explain.target must be predicted, true or a class of prepare.labels (normal, bacterial, viral), got 'lung'" in told


def test_an_old_key_is_told_its_new_name() -> None:
    told = refusal(changed(explain__dear_films=3, explain__sanity__dear_films=3))
    assert "explain.dear_films is not a key any more: it is explain.costly_films now" in told
    assert "explain.sanity.dear_films is not a key any more: it is explain.sanity.costly_films now" in told


def solved(**given: object) -> dict[str, object]:
    """The baseline with its phase solved: without a head, which no phase would read."""
    phase = {"unfreeze": "head", "solver": "convex", "penalty": "auto", **given}
    return {"arms__baseline__phases__0": phase, "arms__baseline__head": ...}


@pytest.mark.parametrize("penalty", ["auto", 0.01])
def test_a_phase_of_the_head_may_be_solved_and_an_arm_of_such_phases_alone_has_no_head_and_no_spaces(penalty: object) -> None:
    arm = check_params(changed(**solved(penalty=penalty))).arms["baseline"]
    assert arm.phases == [ConvexPhase(unfreeze="head", solver="convex", penalty=penalty)]
    assert arm.head is None and spaces(arm) == {} and settle(arm, {}) == arm and plain_phases(arm) == arm.phases
    assert check_params(changed(**{**solved(), "arms__baseline__head": None})).arms["baseline"].head is None


def test_by_default_the_baseline_is_a_solved_head_and_the_fine_tuned_arm_alone_is_searched(root: Path) -> None:
    arms = read_params(root / "params.yaml").arms
    baseline, finetuned = arms["baseline"], arms["finetuned"]
    assert [type(phase) for phase in baseline.phases] == [ConvexPhase] and spaces(baseline) == {}
    assert (finetuned.backbone, finetuned.options, finetuned.weights) == (baseline.backbone, baseline.options, baseline.weights)
    assert list(spaces(finetuned)) == ["head.dropout", "phases.0.learning_rate"]


def test_a_phase_that_names_no_solver_is_trained_by_gradient_steps() -> None:
    for more in ({}, {"arms__baseline__phases__0__solver": "gradient"}):
        assert isinstance(phase := check_params(changed(**more)).arms["baseline"].phases[0], Phase) and phase.solver == "gradient"


def test_an_arm_may_begin_with_a_solved_head_and_go_on_by_steps() -> None:
    first = {"unfreeze": "head", "solver": "convex", "penalty": 0.1}
    arm = check_params(changed(arms__finetuned__phases__0=first)).arms["finetuned"]
    assert list(spaces(arm)) == ["head.dropout"]
    assert [type(phase) for phase in arm.phases] == [ConvexPhase, Phase]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            solved(unfreeze=3),
            "arms.baseline.phases.0.unfreeze: solver convex solves the head on a frozen backbone and trains no more, so it goes "
            "with `unfreeze: head`, got 3; write `unfreeze: head`, or `solver: gradient` with its epochs and learning_rate",
        ),
        (
            solved(epochs=3, learning_rate=1e-3),
            "arms.baseline.phases.0: solver convex takes no steps, so a phase of it has the keys unfreeze, solver, penalty "
            "alone, got epochs, learning_rate; remove what is too much, or write `solver: gradient`",
        ),
        (solved(penalty=0), "arms.baseline.phases.0.penalty: Input should be 'auto', or greater than 0, got 0"),
        (
            solved(penalti=1),
            "arms.baseline.phases.0.penalti is not a known key; did you mean arms.baseline.phases.0.penalty? Legal here: "
            "unfreeze, solver, penalty",
        ),
        (
            {"arms__baseline__phases__0__solver": "newton"},
            "arms.baseline.phases.0.solver: a solver must be one of gradient, convex, got 'newton'; a phase that names none "
            "takes gradient",
        ),
        (
            {"arms__baseline__head": ...},
            "arms.baseline.head is missing; for its phases of gradient steps add `head: {dropout: 0.2, weight_decay: 1.0e-4}`",
        ),
        (
            {"arms__baseline__phases__0": {"unfreeze": "head", "solver": "convex", "penalty": "auto"}},
            "arms.baseline.head belongs to phases of gradient steps, got one where each phase says `solver: convex`; remove "
            "it (a recipe or set removes a key with `null`)",
        ),
        (
            {**solved(), "arms__baseline__train": {"averaging": 0.99}},
            "arms.baseline.train belongs to phases of gradient steps, got one where each phase says `solver: convex`; remove "
            "it (a recipe or set removes a key with `null`)",
        ),
        (
            {**solved(), "train__imbalance": "focal"},
            "train.imbalance focal is not a weighting of films, which solver convex needs, in baseline; use "
            "class_weight, oversample, undersample or none, or write `solver: gradient` there",
        ),
        (
            {**solved(), "arms__baseline__train": {"imbalance": "focal"}},
            "arms.baseline.train.imbalance focal is not a weighting of films, which solver convex needs, in baseline; use "
            "class_weight, oversample, undersample or none, or write `solver: gradient` there",
        ),
        (
            {**solved(), "train__imbalance": "smote"},
            "train.imbalance smote is not a weighting of films, which solver convex needs, in baseline; use "
            "class_weight, oversample, undersample or none, or write `solver: gradient` there",
        ),
    ],
)
def test_what_does_not_go_with_a_solved_head_is_told_in_one_line(changes: dict[str, object], line: str) -> None:
    assert refusal(changed(**changes)).splitlines()[1:] == [f"  {line}"]


def test_an_arm_may_name_its_own_number_of_repeats_also_where_its_heads_are_solved() -> None:
    solved = {"phases": [{"unfreeze": "head", "solver": "convex", "penalty": "auto"}], "head": ...}
    params = check_params(changed(train__repeats=3, arms__finetuned__train={"repeats": 5}))
    assert [seeds_of(train_of(params.train, params.arms[arm])) for arm in ("baseline", "finetuned")] == [
        [params.train.seed + i for i in range(count)] for count in (3, 5)
    ]
    own = {f"arms__baseline__{key}": value for key, value in solved.items()}
    assert check_params(changed(**own, arms__baseline__train={"repeats": 2})).arms["baseline"].train is not None
    with pytest.raises(ValueError, match=r"arms\.baseline\.train belongs to phases of gradient steps"):
        check_params(changed(**own, arms__baseline__train={"repeats": 2, "averaging": 0.9}))
    for wrong in (0, 1.5, 101):
        with pytest.raises(ValueError, match=r"train\.repeats"):
            check_params(changed(train__repeats=wrong))


WIDE = {"units": 32, "activation": "relu", "batch_norm": True, "dropout": {"low": 0.1, "high": 0.6, "start": 0.5}}


def test_a_head_has_what_it_names_and_the_dense_layers_may_be_searched() -> None:
    head = {"pooling": "both", "dense": [WIDE, {"units": 8, "activation": "tanh"}], "dropout": 0.1, "weight_decay": 0.0}
    arm = check_params(changed(arms__finetuned__head=head)).arms["finetuned"]
    assert list(spaces(arm)) == ["head.dense.0.dropout", "phases.0.learning_rate"]
    settled = settle(arm, {"head.dense.0.dropout": 0.2, "phases.0.learning_rate": 1e-3})
    assert settled.head is not None and settled.head.dense is not None and settled.head.dense[0].dropout == 0.2
    logged = flatten(settled.model_dump(exclude_none=True))
    assert logged["head.dense.0.units"] == 32 and logged["head.pooling"] == "both"
    short = check_params(WRITTEN).arms["finetuned"].head
    assert short is not None and set(short.model_dump(exclude_none=True)) == {"dropout", "weight_decay"}


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ({"dense": [{"units": 8, "activation": "relu"}]}, "got dense layers: only such a head has one best solution"),
        ({"output": "sigmoid"}, "got output: sigmoid: only such a head has one best solution"),
        ({"pooling": "both"}, None),
    ],
)
def test_a_head_that_is_not_linear_cannot_be_solved(head: dict[str, Any], told: str | None) -> None:
    first = {"unfreeze": "head", "solver": "convex", "penalty": 0.1}
    labels = {"normal": ["normal"], "bacterial": ["bacterial", "viral"]}
    whole = {"arms__finetuned__phases__0": first, "arms__finetuned__head": {**head, "dropout": 0.0, "weight_decay": 0.0}}
    values = changed(prepare__labels=labels, **whole)
    if told:
        assert "arms.finetuned.head must be linear" in refusal(values) and told in refusal(values)
    else:
        check_params(values)


def test_one_sigmoid_is_for_two_classes() -> None:
    head = {"output": "sigmoid", "dropout": 0.0, "weight_decay": 0.0}
    assert (
        "arms.finetuned.head.output must be softmax for 3 classes (normal, bacterial, viral), got sigmoid, which tells two apart"
        in refusal(changed(arms__finetuned__head=head))
    )
    check_params(changed(arms__finetuned__head=head, prepare__labels={"normal": ["normal"], "ill": ["bacterial", "viral"]}))


def test_arms_of_one_network_with_other_options_are_pretrained_apart() -> None:
    alpha = {"options": {"alpha": 0.5}}
    arms = check_params(changed(arms__other={**WRITTEN["arms"]["finetuned"], "backbone": "mobilenet", **alpha})).arms
    assert pretrained_backbones(arms) == ["mobilenet-alpha=0.5", "mobilenet_025"]
    assert name_network(arms["other"]) == "mobilenet-alpha=0.5"


def tuned(**given: Any) -> dict[str, Any]:
    return changed(**{f"tune__{key}": value for key, value in given.items()})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"metric": ["log_loss", "brier"]}, "tune.pruner must be none for several metrics, got median"),
        ({"metric": ["log_loss", "brier"], "pruner": "none", "sampler": "cmaes"}, "cmaes searches by one metric, got several"),
        ({"pruner": "wilcoxon", "repeats": 2}, "tune.folds or tune.repeats must be 3 or more, got 0 and 2"),
        ({"folds": 3, "repeats": 2}, "tune.folds must be 0 .* with tune.repeats 1, got folds 3 and repeats 2"),
        ({"workers": 2}, "tune.workers must be 1 for tune.executor serial, got 2"),
        ({"executor": "processes"}, "tune.threads must be a number for tune.executor processes, got 0"),
    ],
)
def test_settings_of_a_search_that_do_not_go_together_are_refused(given: dict[str, Any], said: str) -> None:
    assert re.search(said, refusal(tuned(**given)))


def test_a_condition_must_name_choices_and_lead_nowhere_in_a_circle() -> None:
    dropout = {"low": 0.0, "high": 0.5, "start": 0.2}
    rate = {"choices": [1e-3, 1e-2], "start": 1e-3}
    for when, said in (
        ({"head.pooling": ["max"]}, r"`when` of head.dropout must name a space with choices .*got 'head.pooling'"),
        ({"phases.0.learning_rate": [0.5]}, r"must list choices of phases.0.learning_rate \(0.001, 0.01\), got \[0.5\]"),
    ):
        values = changed(arms__finetuned__head__dropout={**dropout, "when": when})
        values["arms"]["finetuned"]["phases"][0]["learning_rate"] = rate
        assert re.search(said, refusal(values))
    values = changed(
        arms__finetuned__head__dropout={"choices": [0.0, 0.5], "start": 0.0, "when": {"phases.0.learning_rate": [1e-2]}}
    )
    values["arms"]["finetuned"]["phases"][0]["learning_rate"] = {**rate, "when": {"head.dropout": [0.5]}}
    assert "must not lead back to itself" in refusal(values)


THEIRS = {"model": "theirs.keras", "classes": ["viral", "normal", "bacterial"]}


def with_given(**keys: Any) -> dict[str, Any]:
    values = changed()
    values["arms"]["theirs"] = {**THEIRS, **keys}
    return values


def test_a_given_model_stands_beside_trained_arms_and_nothing_of_it_is_searched_or_pretrained() -> None:
    values = with_given(scaling=["1/127.5", -1], size=224, calibration="temperature")
    params = check_params(values)
    assert params.arms["theirs"] == GivenArm(
        model="theirs.keras", classes=THEIRS["classes"], scaling=[1 / 127.5, -1.0], size=224, calibration="temperature"
    )
    assert list(trained_arms(params.arms)) == ["baseline", "finetuned"]
    assert spaces(params.arms["theirs"]) == {}
    assert pretrained_backbones(params.arms) == pretrained_backbones(check_params(changed()).arms)
    with pytest.raises(ValueError, match=r"theirs is a given model, of which nothing is trained: .* baseline, finetuned"):
        trained_arm(params.arms, "theirs")


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (
            {"backbone": "mobilenet"},
            "arms.theirs.backbone is not a known key; Legal here: model, classes, scaling, size, threshold",
        ),
        ({"train": {"repeats": 3}}, "arms.theirs.train is not a known key"),
        (
            {"classes": ["normal", "viral"]},
            "arms.theirs.classes must be the classes of prepare.labels (normal, bacterial, viral)",
        ),
        ({"classes": ["normal", "viral", "viral"]}, "in the order of the model's outputs, got normal, viral, viral"),
        ({"threshold": 0.3}, "arms.theirs.threshold belongs to two classes, got 0.3 for 3; remove it: train.decision decides"),
        ({"scaling": [1]}, "arms.theirs.scaling"),
        ({"scaling": ["a/b", 0]}, "arms.theirs.scaling.0"),
        ({"calibration": "isotonic"}, "arms.theirs.calibration"),
    ],
)
def test_keys_that_a_given_model_cannot_have_are_refused(keys: dict[str, Any], told: str) -> None:
    assert told in refusal(with_given(**keys))


def test_a_given_model_without_classes_is_told_what_to_write() -> None:
    values = with_given()
    del values["arms"]["theirs"]["classes"]
    assert "arms.theirs.classes is missing; add it, in the order of the given model's outputs, such as: classes: [" in refusal(
        values
    )


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("decision", "balanced", "train.decision balanced"),
        ("prevalence", {"normal": 0.5, "bacterial": 0.3, "viral": 0.2}, "train.prevalence"),
    ],
)
def test_settings_that_need_the_prior_of_a_given_model_ask_for_a_calibration_that_makes_it_known(
    key: str, value: Any, named: str
) -> None:
    values = with_given(calibration="temperature")
    values["train"][key] = value
    assert f"{named} must know the class shares that probabilities belong to" in refusal(values)
    values["arms"]["theirs"]["calibration"] = "temperature_and_biases"
    check_params(values)


@pytest.mark.parametrize(("reference", "arms"), [("baseline", ["baseline", "theirs"]), ("theirs", ["baseline"])])
def test_a_given_model_is_not_cross_validated(reference: str, arms: list[str]) -> None:
    values = with_given()
    values["compare"]["reference"] = reference
    check_params(values)
    values["split"]["folds"], values["crossvalidate"]["arms"] = 5, arms
    told = refusal(values)
    assert "got theirs: a given model is trained on no fold; use baseline, finetuned, or split.folds: 0" in told


@pytest.mark.parametrize(
    ("ensembles", "told"),
    [
        ({"both": {"members": ["baseline", "finetuned"]}, "five": {"repeats_of": "finetuned"}}, ""),
        (
            {"both": {"members": ["baseline", "finetund"]}},
            "ensembles.both.members must name arms (baseline, finetuned, theirs), got",
        ),
        ({"both": {"members": ["baseline"]}}, "ensembles.both.members must name two arms or more, each once, got baseline; name"),
        ({"both": {"members": []}}, "must name two arms or more, each once, got none"),
        ({"both": {"members": ["baseline", "baseline"]}}, "each once, got baseline, baseline"),
        ({"both": {}}, "ensembles.both must have either members, a list of arms, or repeats_of, an arm, got neither"),
        ({"both": {"members": ["baseline", "finetuned"], "repeats_of": "finetuned"}}, "repeats_of, an arm, got both; write one"),
        (
            {"two": {"members": ["baseline", "finetuned"]}, "three": {"members": ["two", "theirs"]}},
            "ensembles.three.members must name arms, got two, an ensemble; name its members in its place",
        ),
        (
            {"five": {"repeats_of": "baseline"}},
            "ensembles.five.repeats_of must be an arm with repeats, got baseline, which is train",
        ),
        ({"five": {"repeats_of": "theirs"}}, "repeats_of must be an arm that is trained, got theirs, a given model"),
        (
            {"five": {"repeats_of": "other"}},
            "ensembles.five.repeats_of must name arms (baseline, finetuned, theirs), got 'other'",
        ),
        (
            {"theirs": {"members": ["baseline", "finetuned"]}},
            "ensembles.theirs must have a name of its own, got that of arms.theirs",
        ),
        ({"both": {"members": ["baseline", "finetuned"], "mean": "p"}}, "ensembles.both.mean is not a known key"),
    ],
)
def test_an_ensemble_is_of_two_arms_or_more_or_of_the_repeats_of_one(ensembles: dict[str, Any], told: str) -> None:
    values = with_given()
    values["arms"]["finetuned"]["train"] = {"repeats": 2}
    values["ensembles"] = ensembles
    if told:
        assert told in refusal(values)
    else:
        assert check_params(values).compared == ["baseline", "finetuned", "theirs", "both", "five"]


def test_a_file_of_before_ensembles_is_told_what_to_paste() -> None:
    values = changed()
    del values["ensembles"]
    assert "ensembles is missing; paste this line at the end, as a section of its own:  ensembles: {}" in refusal(values)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"train__augment__views": 4, "train__augment__unchanged": 4}, "train.augment.unchanged must be below its `views`"),
        ({"train__augment__views": 1, "train__augment__unchanged": 2}, "got 2 of 1: nothing would be augmented"),
        ({"arms__finetuned__train": {"augment": {"unchanged": 9}}}, "arms.finetuned.train.augment.unchanged must be below"),
        ({"train__augment__views": 4, "train__augment__unchanged": 3}, ""),
        ({"train__augment__views": 0, "train__augment__unchanged": 1}, ""),
        ({"arms__finetuned__train": {"augment": {"unchanged": {"choices": [0, 1, 9], "start": 0}}}}, ""),
    ],
)
def test_some_view_is_augmented_where_there_are_views(given: dict[str, Any], told: str) -> None:
    if told:
        assert told in refusal(changed(**given))
    else:
        check_params(changed(**given))
