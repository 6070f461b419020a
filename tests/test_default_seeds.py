"""The benchmark of candidates for the default: each is legal over params.yaml, and its words are right by hand."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from default_seeds import CANDIDATES, PAIRS, difference, markdown, params_of, spread

from hilum.project.faults import find_faults
from hilum.records import Predictions


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_a_candidate_is_legal_and_its_seed_is_that_of_pretraining_and_of_training(candidate: str) -> None:
    params = params_of(candidate, 4)
    assert find_faults(params) == []
    assert (params.pretrain.seed, params.train.seed) == (4, 4)
    assert tuple(params.arms) == CANDIDATES[candidate][1]


def test_every_pair_is_of_arms_that_one_candidate_trains() -> None:
    assert all(any({*pair} <= {*arms} for _, arms in CANDIDATES.values()) for pair in PAIRS)


def test_the_spread_and_a_table_by_hand() -> None:
    assert spread([0.90, 0.92]) == "0.910, SD 0.014, 0.900 to 0.920"
    assert markdown(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_a_difference_is_that_of_the_second_arm_from_its_reference() -> None:
    films, truth = np.arange(40).astype(str), np.arange(40) % 2
    right, wrong = np.eye(2)[truth], np.eye(2)[1 - truth]
    arms = [Predictions(films, films, truth, answer, answer.argmax(axis=1), ("a", "b")) for answer in (wrong, right)]
    assert difference(*arms) == "+1.000 [+1.000, +1.000]"
