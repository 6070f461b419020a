"""What an arm says of its training against `train` and its own phases, told by `check`."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from stepping import take_steps

from hilum.project.faults import find_faults
from hilum.settings.params import check_params

WRITTEN = take_steps(yaml.safe_load((Path(__file__).resolve().parents[2] / "params.yaml").read_text()))
SOLVED = {"solver": "convex", "unfreeze": "head", "penalty": "auto"}
PLATEAU = {"decay": "plateau", "unfreeze": "head", "epochs": 15, "learning_rate": 0.001, "batch_norm": "auto"}
SPACE = {"low": 0.0, "high": 0.1, "start": 0.0}


def faults(**train: Any) -> list[str]:
    """Of arms by steps, where the fine-tuned one names this; its phases are of 15 and 12 epochs."""
    values = copy.deepcopy(WRITTEN)
    if phase := train.pop("phase", None):
        values["arms"]["finetuned"]["phases"][0] = phase
    values["arms"]["finetuned"]["train"] = train
    return find_faults(check_params(values))


@pytest.mark.parametrize(
    "train",
    [
        {"optimizer": {"name": "adamw", "weight_decay": SPACE}, "averaging": 0.995, "schedule": {"warmup": 2}},
        {"phase": PLATEAU},
        {"phase": SOLVED, "schedule": {"warmup": 2}},
    ],
)
def test_what_goes_together_is_no_fault(train: dict[str, Any]) -> None:
    assert faults(**train) == []


@pytest.mark.parametrize("decay", [0.05, SPACE])
def test_decay_that_the_optimizer_would_not_read_is_told_once_also_where_a_search_may_come_to_it(decay: Any) -> None:
    (told,) = faults(optimizer={"weight_decay": decay})
    assert told.startswith("arms.finetuned.train.optimizer: weight_decay belongs to adamw and sgd, got 0.")


def test_a_warm_up_must_end_within_each_phase() -> None:
    assert faults(schedule={"warmup": 12}) == [], "it ends with the phase"
    (told,) = faults(schedule={"warmup": 12.5})
    assert told.startswith("schedule.warmup must be over when a phase ends, got 12.5 epochs for arms.finetuned.phases.1 of 12;")
    longer = faults(schedule={"warmup": {"low": 0, "high": 16, "start": 1}})
    assert len(longer) == 2, "of both phases, at the end of the space"


def test_a_plateau_must_be_over_before_patience_ends_the_phase() -> None:
    (told,) = faults(phase=PLATEAU, patience=2)
    assert "as arms.finetuned.phases.0 does, got 2 and 2" in told
