"""Tables and the figure of repeats: what each says of an arm with several trainings beside one that was trained once."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import repeat_intervals as simulation

from hilum.evaluation.repeat_figures import repeats_figure
from hilum.evaluation.repeat_tables import compare_repeats, flat_repeats, repeat_interval_table, repeat_table, resample_arms
from hilum.evaluation.repeats import Resampled, repeat_intervals
from hilum.evaluation.scoring.metrics import METRICS, evaluate_all
from hilum.evaluation.style import to_png
from hilum.records import Predictions

FEW = {name: METRICS[name] for name in ("accuracy", "log_loss", "auroc")}


@pytest.fixture(scope="module")
def arms() -> dict[str, list[Predictions]]:
    """The reference trained once, the other arm three times."""
    world = simulation.World(0.1, 0.1, 0.4, 0.2, (0.5, 2.5))
    a, b = simulation.draw_study(world, 60, 3, np.random.default_rng(5))
    return {"baseline": a[:1], "finetuned": b}


@pytest.fixture(scope="module")
def drawn(arms: dict[str, list[Predictions]]) -> dict[str, Resampled]:
    return resample_arms(arms, "baseline", 40, 2, FEW)


def test_each_repeat_has_a_row_with_its_metrics(arms: dict[str, list[Predictions]], drawn: dict[str, Resampled]) -> None:
    table = repeat_table([7, 8, 9], 1, {"test": drawn["finetuned"]})
    assert table.columns.tolist() == ["repeat", "seed", "served", "test/accuracy", "test/log_loss", "test/auroc_macro"]
    assert table["repeat"].tolist() == [1, 2, 3] and table["served"].tolist() == [False, True, False]
    assert table["test/auroc_macro"].tolist() == pytest.approx([evaluate_all(one)["auroc_macro"] for one in arms["finetuned"]])


def test_means_spread_and_bounds_are_those_of_the_intervals(drawn: dict[str, Resampled]) -> None:
    found = repeat_intervals(drawn["finetuned"], 0.9)
    row = repeat_interval_table({"test": found}).set_index("metric").loc["accuracy"]
    assert row["repeats"] == 3 and (row["mean"], row["sd"]) == (found["accuracy"].mean, found["accuracy"].sd)
    flat = flat_repeats(found, "test", ["accuracy"])
    assert flat == {
        "repeats/test/accuracy": row["mean"],
        "repeats/test/accuracy.sd": row["sd"],
        "repeats/test/accuracy.low": row["low"],
        "repeats/test/accuracy.high": row["high"],
    }


def test_arms_are_judged_by_their_means_in_the_metrics_own_direction(drawn: dict[str, Resampled]) -> None:
    table = compare_repeats(drawn, "baseline", 0.95, FEW).set_index("metric")
    assert set(table["arm"]) == {"finetuned"}
    assert set(table["reference_repeats"]) == {1} and set(table["arm_repeats"]) == {3}
    assert table.loc["accuracy", "difference"] > 0 and table.loc["log_loss", "difference"] < 0
    assert set(table.loc[["accuracy", "log_loss"], "judgement"]) == {"better"}
    assert table.loc["accuracy", "difference"] == pytest.approx(
        table.loc["accuracy", "arm_value"] - table.loc["accuracy", "reference_value"]
    )


def test_an_arm_of_other_films_is_refused_by_name(arms: dict[str, list[Predictions]]) -> None:
    world = simulation.WORLDS["equal trainings"]
    other = simulation.draw_study(world, 40, 1, np.random.default_rng(0))[0]
    with pytest.raises(ValueError, match="arm finetuned cannot be compared with baseline"):
        resample_arms({"baseline": arms["baseline"], "finetuned": other}, "baseline", 5, 1)


def test_the_figure_grows_with_its_rows_and_draws_an_undefined_metric_as_nothing(drawn: dict[str, Resampled]) -> None:
    found = {name: repeat_intervals(one, 0.95) for name, one in drawn.items()}
    served, arms = {"baseline": 0, "finetuned": 2}, ["baseline", "finetuned"]
    sizes = []
    for metrics in (["accuracy"], ["accuracy", "log_loss", "auroc_macro"]):
        png = to_png(repeats_figure(found, served, metrics, arms, "95 % interval", "repeats"))
        sizes.append(Image.open(io.BytesIO(png)).size)
    assert sizes[0][0] == sizes[1][0] and sizes[0][1] < sizes[1][1]
    figure = repeats_figure(found, served, ["accuracy"], arms, "95 % interval", "repeats")
    points = [line for line in figure.axes[0].lines if list(line.get_xdata()) == list(found["finetuned"]["accuracy"].values)]
    assert len(points) == 1, "each training of the arm"
