"""Pictures of a search, drawn from its table."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hilum.settings.search_space import Choices, Range
from hilum.training.searching.pictures import draw_search, measure_importance

SPACES: dict[str, Range | Choices] = {
    "rate": Range(low=1e-4, high=1e-2, log=True, start=1e-3),
    "name": Choices(choices=["adam", "sgd"], start="adam"),
    "phases.0.epochs": Range(low=2, high=9, start=5),
    "momentum": Range(low=0.5, high=0.9, start=0.9, when={"name": ["sgd"]}),
}


def table(count: int) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    rows = {"rate": 10 ** rng.uniform(-4, -2, count), "name": rng.choice(["adam", "sgd"], count)}
    rows |= {"phases.0.epochs": rng.integers(2, 10, count), "momentum": rng.uniform(0.5, 0.9, count)}
    found = pd.DataFrame({"number": range(count), "state": "COMPLETE", **rows})
    found["val/log_loss"] = 0.5 + np.log10(found["rate"] / 3e-3) ** 2
    return found.assign(**{"val/auroc_macro": 0.9 - found["val/log_loss"] / 10 + found["phases.0.epochs"] / 100})


@pytest.mark.parametrize("signs", [{"log_loss": -1}, {"log_loss": -1, "auroc_macro": 1}], ids=["one", "two"])
def test_a_search_has_its_pictures_and_the_same_bytes_again(signs: dict[str, int], tmp_path: Path) -> None:
    trials = table(12)
    trials.loc[3, "state"] = "PRUNED"
    first, second = (draw_search(trials, SPACES, signs, tmp_path / name) for name in ("one", "two"))
    names = ["history", "importance", "slice", "parallel"]
    wanted = [f"{name}_{metric}" for metric in signs for name in names] + ["pareto"] if len(signs) > 1 else names
    assert [file.stem for file in first] == wanted
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name
        with Image.open(one) as picture:
            assert np.asarray(picture.convert("L")).std() > 5, "something is drawn"


def test_too_little_to_draw_is_left_out(tmp_path: Path) -> None:
    assert draw_search(table(1), SPACES, {"log_loss": -1}, tmp_path) == []
    level = table(4).assign(**{"val/log_loss": 0.5})
    assert "importance" not in [file.stem for file in draw_search(level, SPACES, {"log_loss": -1}, tmp_path)]


def test_importance_is_of_values_searched_in_every_trial_and_empty_where_nothing_differs() -> None:
    signs = {"log_loss": -1, "auroc_macro": 1}
    found = measure_importance(table(40).assign(**{"val/auroc_macro": 0.5}), SPACES, signs)
    assert list(found) == list(signs) and found["auroc_macro"] == {}
    assert next(iter(found["log_loss"])) == "rate" and set(found["log_loss"]) == {"rate", "name", "phases.0.epochs"}
    assert found == measure_importance(table(40).assign(**{"val/auroc_macro": 0.5}), SPACES, signs)
