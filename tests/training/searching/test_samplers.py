"""Every sampler, pruner and objective of `tune` in whole searches; each is the same for any batch that workers share."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from search_settings import make_tune, run_here

from hilum.settings.search_space import Choices, Range
from hilum.training.searching.proposals import find_front, pick_from_front
from hilum.training.searching.pruning import Ask, Outcome, Report, Values
from hilum.training.searching.samplers import PRUNERS, SAMPLERS, grid_points
from hilum.training.searching.search import Found, Watch, search

RATE = Range(low=1e-4, high=1e-2, log=True, start=1e-3)
NUMBERS: dict[str, Range | Choices] = {"rate": RATE, "dropout": Range(low=0.0, high=0.5, start=0.2, step=0.1)}
CONDITIONAL: dict[str, Range | Choices] = {
    "momentum": Range(low=0.5, high=0.9, start=0.9, step=0.1, when={"name": ["sgd"]}),  # before what it depends on
    "name": Choices(choices=["adam", "sgd"], start="adam"),
    "averaging": Choices(choices=[0.0, 0.9], start=0.0, when={"name": ["adam"]}),
}


def train(values: Values, report: Report) -> dict[str, float]:
    height = 0.9 - abs(math.log10(values.get("rate", 1e-3) / 3e-3)) / 4 - values.get("dropout", 0) / 10
    height += values.get("momentum", 0) / 100 + values.get("averaging", 0) / 50
    metrics = {"select": height, "val/auroc": height, "val/log_loss": 2 - height * (1 + values.get("dropout", 0))}
    for step in range(9):
        report(step, {key: value * (step + 1) / 9 for key, value in metrics.items()})
    return metrics


def run(folder: Path, spaces: Mapping[str, Range | Choices], backwards: bool = False, **given: Any) -> Found:
    """A whole search; backwards: the trials of a batch finish in the opposite order."""
    signs = given.pop("signs", {"auroc": 1})
    tune = make_tune(**given)
    forwards = run_here(tune, train)

    def batch(asked: Mapping[int, Ask]) -> Iterator[tuple[int, Outcome]]:
        return forwards(dict(reversed(asked.items())) if backwards else asked)

    watch = Watch(lambda *_: None, lambda owner: None, lambda told: None)
    return search("arm-1", spaces, tune, signs, folder / "studies.db", batch, watch, {"code": "1"})


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_is_the_same_cut_in_two_and_finished_in_any_order(sampler: str, tmp_path: Path) -> None:
    if sampler == "gp":
        pytest.importorskip("torch")
    spaces = {**NUMBERS, "rate": Range(low=0.001, high=0.01, start=0.001, step=0.001)} if sampler == "brute_force" else NUMBERS
    given = {"sampler": sampler, "trials": 14, "batch": 4, "spaces": spaces}
    whole = run(tmp_path / "one", **given)
    run(tmp_path / "two", **{**given, "trials": 6}, backwards=True)
    cut = run(tmp_path / "two", **given)
    pd.testing.assert_frame_equal(cut.trials, whole.trials)
    pd.testing.assert_frame_equal(cut.history, whole.history)
    assert len(whole.trials) == 14 and len(whole.trials[list(NUMBERS)].drop_duplicates()) >= 10


@pytest.mark.parametrize("pruner", PRUNERS)
def test_a_pruner_is_the_same_cut_in_two_and_finished_in_any_order(pruner: str, tmp_path: Path) -> None:
    given = {"sampler": "random", "pruner": pruner, "trials": 24, "batch": 4, "repeats": 9, "spaces": NUMBERS, "seed": 3}
    whole = run(tmp_path / "one", **given)
    run(tmp_path / "two", **{**given, "trials": 10}, backwards=True)
    cut = run(tmp_path / "two", **given)
    pd.testing.assert_frame_equal(cut.trials, whole.trials)
    pd.testing.assert_frame_equal(cut.history, whole.history)
    assert (whole.trials["state"] == "PRUNED").any() == (pruner != "none")


def test_a_grid_is_searched_whole_and_ends(tmp_path: Path) -> None:
    found = run(tmp_path, NUMBERS, sampler="grid", trials=99, batch=4, grid=3, pruner="none")
    assert len(found.trials) == 1 + 3 * 6, "start, then each point"
    points = {
        (rate, round(dropout, 9)) for rate, dropout in zip(found.trials["rate"][1:], found.trials["dropout"][1:], strict=True)
    }
    assert points == {(rate, dropout / 10) for rate in (1e-4, 1e-3, 1e-2) for dropout in range(6)}
    assert grid_points("epochs", Range(low=2, high=5, start=2), 9) == [2, 3, 4, 5]


def test_brute_force_searches_conditional_spaces_once_each_and_ends(tmp_path: Path) -> None:
    found = run(tmp_path, CONDITIONAL, sampler="brute_force", trials=99, batch=3, pruner="none")
    assert len(found.trials) == 2 + 5, "adam with either averaging, sgd with each momentum"
    assert not found.trials[list(CONDITIONAL)].duplicated().any()
    assert set(found.trials["momentum"][found.trials["name"] == "adam"]) == {0.9}, "start where it is not searched"
    assert found.best == {"momentum": 0.9, "name": "adam", "averaging": 0.9}


def test_several_metrics_give_a_front_and_the_stated_pick(tmp_path: Path) -> None:
    signs = {"auroc": 1, "log_loss": -1}
    found = run(tmp_path, NUMBERS, metric=list(signs), signs=signs, trials=20, batch=4, pruner="none")
    points = [[row["val/auroc"], -row["val/log_loss"]] for row in found.trials.to_dict("records")]
    assert [i for i, here in enumerate(found.trials["front"]) if here] == find_front(points)
    assert found.trials["best"].tolist().index(True) == pick_from_front(points)


def test_the_pick_is_the_point_nearest_to_the_best_of_everything() -> None:
    assert find_front([(0, 10), (5, 5), (10, 0), (4, 4), (5, 5)]) == [0, 1, 2, 4]
    assert pick_from_front([(0, 10), (8, 7), (10, 0), (4, 4)]) == 1
    assert pick_from_front([(0, 10), (10, 0)]) == 0, "of equally near points the first"
    assert pick_from_front([(1,), (3,), (3,), (2,)]) == 1, "of one metric the highest"


def test_no_batch_begins_after_the_time_and_the_first_ones_count(tmp_path: Path) -> None:
    found = run(tmp_path, NUMBERS, trials=50, minutes=1e-9, batch=4)
    assert len(found.trials) == 4
    assert len(run(tmp_path, NUMBERS, trials=8, batch=4).trials) == 8
    assert len(run(tmp_path, NUMBERS, trials=50, minutes=1e-9, batch=4).trials) == 8, "what is there costs no time"
