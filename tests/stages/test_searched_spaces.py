"""Searches over augmentation, the method for unequal classes, and the backbone: real trainings, conditional spaces among them."""

from typing import Any

import pandas as pd
import pytest
import yaml
from empty_store import forget_environment, make_store
from stepping import take_steps

from hilum.project.faults import find_faults
from hilum.results import read_json
from hilum.settings.params import check_params
from hilum.stages import check, train, tune
from hilum.workspace import Workspace

AUGMENT = {
    "views": {"low": 1, "high": 3, "start": 1},
    "rotate": {"low": 0.0, "high": 20.0, "step": 10.0, "start": 10.0},
    "flip": {"choices": [False, True], "start": False},
}
IMBALANCE = {"choices": ["class_weight", "focal"], "start": "class_weight"}
GAMMA = {"choices": [1.0, 3.0], "start": 1.0, "when": {"train.imbalance": ["focal"]}}
OPTIONS = {"blocks": 2, "filters": 4, "growth": 2.0, "kernel": 3, "pooling": "max", "batch_norm": True}
SPACES: dict[str, dict[str, Any]] = {
    "augmentation": {"train": {"augment": AUGMENT}},
    "imbalance": {"train": {"imbalance": IMBALANCE, "balance": {"focal_gamma": GAMMA}}},
    "backbone": {
        "backbone": {"choices": ["small_cnn", "residual_cnn"], "start": "small_cnn"},
        "head": {"dropout": {"choices": [0.0, 0.5], "start": 0.0, "when": {"backbone": ["residual_cnn"]}}, "weight_decay": 0.0},
    },
}
TOLD = {  # lines that `tune` prints before the first trial
    "augmentation": (
        "train.augment.views   1 to 3, start 1",
        "train.augment.rotate  0 to 20 in steps of 10, start 10",
        "train.augment.flip    one of False, True, start False",
    ),
    "imbalance": (
        "train.imbalance            one of class_weight, focal, start class_weight",
        "train.balance.focal_gamma  one of 1, 3, start 1; only while train.imbalance is focal",
    ),
    "backbone": (
        "backbone      one of small_cnn, residual_cnn, start small_cnn",
        "head.dropout  one of 0, 0.5, start 0; only while backbone is residual_cnn",
    ),
}
COMBINATIONS = {"augmentation": 18, "imbalance": 3, "backbone": 3}  # a conditional space counts where it is searched


def write(workspace: Workspace, arm: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """Arms of one epoch of the head from random weights, the baseline with these spaces and no others."""
    values = take_steps(yaml.safe_load(workspace.params.read_text()))
    values["tune"].update({"metric": "log_loss", "sampler": "brute_force", "pruner": "none", "trials": 3, **settings})
    values["train"].update(repeats=1)
    phase = {**values["arms"]["baseline"]["phases"][0], "epochs": 1, "learning_rate": 0.01}
    plain = {
        "backbone": "small_cnn",
        "options": OPTIONS,
        "weights": "none",
        "head": {"dropout": 0.2, "weight_decay": 0.0},
        "phases": [phase],
    }
    values["arms"] = {"baseline": {**values["arms"]["baseline"], **plain, **arm}}
    workspace.params.write_text(yaml.safe_dump(values, sort_keys=False))
    return values


@pytest.mark.parametrize("name", SPACES)
def test_a_search_prints_its_spaces_trains_with_every_value_and_the_arm_takes_the_best(
    name: str, own_copy: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_environment(monkeypatch)
    make_store(own_copy.home)
    write(own_copy, SPACES[name])
    check.run()
    capsys.readouterr()
    tune.run("baseline")
    said = capsys.readouterr().out
    told, first = (said.index(text) for text in (TOLD[name][-1], "trial 1/3"))
    assert told < first and all(f"  {line}" in said for line in TOLD[name])
    folder = own_copy.arm("baseline", "tuning")
    trials = pd.read_csv(folder / "trials.csv")
    assert len(trials) == min(3, COMBINATIONS[name]) and trials["val/log_loss"].nunique() == len(trials), "each value decides"
    best = yaml.safe_load((folder / "best.yaml").read_text())
    assert set(best) == {line.split()[0] for line in TOLD[name]}
    train.run("baseline")
    settings = read_json(own_copy.arm("baseline", "training") / "settings.json")
    assert {key: settings["params"][key] for key in best} == best
    assert {settings["origins"][key] for key in best} == {"search"}
    history = pd.read_csv(own_copy.arm("baseline", "training") / "history.csv")
    taken = trials.loc[trials["best"], "val/log_loss"]
    if name != "backbone":  # its search has a last bit of its own: threads of `tune`
        assert history["val/log_loss"].min() == pytest.approx(taken.item(), rel=1e-5)


def test_every_backbone_of_a_search_is_checked_and_pretrained(own_copy: Workspace) -> None:
    unknown = {"choices": ["small_cnn", "residual_cnn", "resnet_9000"], "start": "small_cnn"}
    arm = {**SPACES["backbone"], "backbone": unknown}
    (fault,) = find_faults(check_params(write(own_copy, arm)))
    assert "arms.baseline.backbone must be" in fault and "'resnet_9000'" in fault
    faults = find_faults(check_params(write(own_copy, {**SPACES["backbone"], "weights": "imagenet"})))
    assert [f"for {name}, got imagenet: there are no such weights" in " ".join(faults) for name in ("small_cnn", "residual_cnn")]
    write(own_copy, {**SPACES["backbone"], "weights": "pretrained"})
    check.run()
    assert [name.partition("-")[0] for name in read_json(own_copy.facts)["pretrain"]] == ["residual_cnn", "small_cnn"]
    with pytest.raises(ValueError, match=r"arms\.baseline\.backbone is no number, so it must be a value or \{choices"):
        check_params(write(own_copy, {"backbone": {"low": 1, "high": 2, "start": 1}}))


def test_methods_that_an_arm_may_not_choose_are_refused(own_copy: Workspace) -> None:
    solved = {"head": None, "phases": [{"unfreeze": "head", "solver": "convex", "penalty": 0.1}]}
    methods = {"choices": ["none", "smote"], "start": "none"}
    with pytest.raises(ValueError, match=r"smote is not a weighting of films, which solver convex needs, in baseline"):
        check_params(write(own_copy, {**solved, "train": {"imbalance": methods}}))
    check_params(write(own_copy, {**solved, "train": {"imbalance": {"choices": ["none", "class_weight"], "start": "none"}}}))
    with pytest.raises(ValueError, match="imbalance"):
        check_params(write(own_copy, {"train": {"imbalance": {"choices": ["none", "magic"], "start": "none"}}}))
    with pytest.raises(ValueError, match=r"augment\.rotate must be legal anywhere in its space, got 90"):
        check_params(write(own_copy, {"train": {"augment": {"rotate": {"low": 0, "high": 90, "start": 5}}}}))


def test_a_solved_head_is_searched_over_backbones(own_copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_environment(monkeypatch)
    make_store(own_copy.home)
    solved = {"head": None, "phases": [{"unfreeze": "head", "solver": "convex", "penalty": 0.1}]}
    write(own_copy, {**SPACES["backbone"], **solved})
    check.run()
    tune.run("baseline")
    trials = pd.read_csv(own_copy.arm("baseline", "tuning") / "trials.csv")
    assert sorted(trials["backbone"]) == ["residual_cnn", "small_cnn"] and trials["val/log_loss"].nunique() == 2
