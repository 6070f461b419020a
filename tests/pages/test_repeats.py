"""The page's part on repeats: means over seeds and patients, what is known of an arm trained once, and the conclusion."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import repeat_intervals as simulation

from hilum.evaluation.repeat_tables import compare_repeats, repeat_table, resample_arms
from hilum.evaluation.repeats import repeat_intervals
from hilum.pages.repeats import ArmRepeats, PageRepeats, read_repeats, render_repeats, repeats_text
from hilum.records import Predictions
from hilum.results import table_of, write_table

METRICS = ("auroc_macro", "accuracy", "log_loss")
PNG = b"\x89PNG"


def make(repeats: dict[str, list[Predictions]]) -> tuple[PageRepeats, str]:
    """The section of these arms, and its text."""
    drawn = resample_arms(repeats, "baseline", 30, 1)
    shown = {name: ArmRepeats(list(range(5, 5 + len(one))), 1, one) for name, one in repeats.items() if len(one) > 1}
    intervals = {name: repeat_intervals(one, 0.9) for name, one in drawn.items()}
    differences = compare_repeats(drawn, "baseline", 0.9)
    page = render_repeats(shown, intervals, differences, list(repeats), "baseline", METRICS, 0.9, PNG)
    return page, re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", str(page.section)))


@pytest.fixture(scope="module")
def study() -> list[list[Predictions]]:
    world = simulation.World(0.1, 0.1, 0.4, 0.2, (0.8, 2.5))
    return simulation.draw_study(world, 50, 3, np.random.default_rng(2))


def test_the_section_says_means_spread_and_differences_over_seeds_and_patients(study: list[list[Predictions]]) -> None:
    page, text = make({"baseline": study[0], "finetuned": study[1]})
    row = page.differences.set_index("metric").loc["auroc_macro"]
    assert f"{row['arm_value']:.3f} [" in text and f"{row['difference']:+.3f} [" in text and "better" in text
    assert "its 90 % interval is over seeds and patients together" in text
    assert text.count("SD 0.") == 6 and "trained once" not in text and "are equal" not in text
    assert re.search(r"2 served 6 ", text), "the served repeat, with its seed"


def test_what_is_not_known_of_an_arm_trained_once_and_what_equal_repeats_mean_is_said(study: list[list[Predictions]]) -> None:
    _, text = make({"baseline": study[0][:1], "finetuned": [study[1][0]] * 3})
    assert "baseline was trained once: nothing is known about other seeds" in text
    assert "All repeats of finetuned are equal: its seed changes nothing, and its interval is over patients alone." in text
    assert "SD 0.0000" in text


def test_the_terminal_says_how_often_each_arm_was_trained_and_what_is_better(study: list[list[Predictions]]) -> None:
    page, _ = make({"baseline": study[0][:2], "finetuned": study[1]})
    text = repeats_text(page.differences, "baseline", 0.9)
    assert text.startswith("means over trainings; 90 % interval of differences over seeds and patients:\nfinetuned (trained 3x)")
    row = page.differences.set_index("metric").loc["accuracy"]
    assert f"accuracy {row['arm_value']:.3f} and {row['reference_value']:.3f}, {row['difference']:+.3f} [" in text
    assert "finetuned (trained 3x) against baseline (2x)" in text and " better" in text


def test_repeats_are_read_as_they_were_evaluated(study: list[list[Predictions]], tmp_path: Path) -> None:
    assert read_repeats(tmp_path, simulation.CLASSES) is None
    drawn = resample_arms({"baseline": study[0]}, "baseline", 2, 1)["baseline"]
    write_table(tmp_path / "repeats.csv", repeat_table([5, 6, 7], 2, {"test": drawn}))
    for number, one in enumerate(study[0], 1):
        write_table(tmp_path / "repeats" / f"{number}.csv", table_of(one, "test"))
    found = read_repeats(tmp_path, simulation.CLASSES)
    assert found is not None and (found.seeds, found.served) == ([5, 6, 7], 2)
    np.testing.assert_array_equal(found.test[1].y_prob, study[0][1].y_prob)
