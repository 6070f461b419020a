"""The arithmetic of the benchmark of arms on real films: intervals, paired differences, results that are kept."""

import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import pediatric_arms
from pediatric_ways import WAYS, Way
from seeds_and_patients import Outcome, interval, measure, write_table

from hilum.settings.params import read_params
from hilum.settings.training import Train

CLASSES = ("normal", "bacterial", "viral")
TRAIN = read_params(Path(__file__).resolve().parents[1] / "params.yaml").train


def make_outcome(skill: float, seed: int, films: int = 240) -> Outcome:
    """Two films per patient; the films and their difficulty are the same for every seed."""
    labels = np.arange(films) // 2 % 3
    fixed, rng = np.random.default_rng(0), np.random.default_rng(seed)
    logits = fixed.normal(size=(films, 3)) + 0.4 * rng.normal(size=(films, 3))
    logits[np.arange(films), labels] += skill
    patients = np.array([f"p{i // 2}" for i in range(films)])
    return Outcome(logits, labels, patients, logits, labels, patients, np.full(3, 1 / 3), np.array(1.0))


def test_an_interval_holds_both_variances() -> None:
    rng = np.random.default_rng(1)
    of_patients = rng.normal(0, 0.02, (4001, 1))
    seeds = np.array([0.78, 0.80, 0.82])
    mean, low, high = interval(0.0 * of_patients + seeds)
    assert mean == pytest.approx(0.8)
    assert high - mean == pytest.approx(4.303 * 0.02 / 3**0.5, rel=1e-3), "seeds alone: Student's t with 2 degrees"
    mean, low, high = interval(of_patients + 0.8)
    assert (high - low) / 2 == pytest.approx(1.96 * 0.02, rel=0.03), "one seed: patients alone"
    _, low, high = interval(of_patients + seeds)
    assert (high - low) / 2 > 1.96 * (0.02**2 + 0.02**2 / 3) ** 0.5


def test_a_way_minus_itself_is_nothing_and_a_better_one_is_clearly_above() -> None:
    worse, better = ([make_outcome(skill, seed) for seed in range(3)] for skill in (0.8, 1.6))
    low, high = measure(worse, "none", CLASSES), measure(better, "none", CLASSES)
    zero, lower, upper = interval(low[:, :, 0], low[:, :, 0])
    assert zero == 0 and upper == -lower == pytest.approx(2.776 * (2 * low[0, :, 0].var(ddof=1) / 3) ** 0.5, rel=1e-3)
    mean, lower, upper = interval(high[:, :, 0], low[:, :, 0])
    assert mean == pytest.approx(high[0, :, 0].mean() - low[0, :, 0].mean()) and 0 < lower < mean < upper
    one, _, above = interval(high[:, :, 0], low[:, :1, 0])
    assert one == pytest.approx(high[0, :, 0].mean() - low[0, 0, 0]) and above > one, "a solved head has one seed"
    table = write_table({"a": worse, "b": better}, "a", ["none"], CLASSES)
    assert f"| b | none | {high[0, :, 0].mean():.3f} [" in table and f"| {mean:+.3f} [{lower:+.3f}, {upper:+.3f}]" in table


def test_every_row_of_a_table_is_compared_with_the_reference_under_the_first_calibration() -> None:
    found = {name: [make_outcome(skill, seed) for seed in range(3)] for name, skill in (("a", 0.8), ("b", 1.6))}
    rows = [line.split(" | ") for line in write_table(found, "a", ["none", "temperature_and_biases"], CLASSES).splitlines()[2:]]
    assert [row[0].strip("| ") + ", " + row[1] for row in rows] == [
        *("a, none", "a, temperature_and_biases", "b, none", "b, temperature_and_biases"),
    ]
    first = measure(found["a"], "none", CLASSES)[:, :, 0]
    for row, name in zip(rows[1:], "abb", strict=True):
        mean, low, high = interval(measure(found[name], row[1], CLASSES)[:, :, 0], first)
        assert row[7] == f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"
    assert rows[0][7] == ""


def test_the_commands_of_the_page_can_be_given() -> None:
    """Every command of docs/pediatric.md is read by the benchmark's parser, so that it names rows that exist."""
    page = (Path(__file__).resolve().parents[1] / "docs" / "pediatric.md").read_text()
    commands = re.findall(r"^python benchmarks/pediatric_arms\.py ((?:.*\\\n)*.*)$", page, re.MULTILINE)
    asked = [
        pediatric_arms.build_parser().parse_args(shlex.split(command.replace("\\\n", " "), comments=True)) for command in commands
    ]
    assert len(asked) >= 5
    for one in asked:
        assert one.reference in one.only, "else no difference is printed"
        assert {way for way, _ in one.seeds_of} <= set(one.only)
        assert "mobilenetv2=" in " ".join(one.weights)


def test_seeds_of_a_way_that_does_not_exist_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        pediatric_arms.build_parser().parse_args(["--root", ".", "--work", ".", "--seeds-of", "lite1=0"])
    assert "such as mobilenetv2, head, block_13=0,3, got 'lite1=0'" in capsys.readouterr().err


def test_a_temperature_changes_no_prediction_and_mends_the_calibration() -> None:
    sharp = make_outcome(1.0, 0)
    sharp = Outcome(**{**vars(sharp), "val_logits": 5 * sharp.val_logits, "test_logits": 5 * sharp.test_logits})
    before, after = (measure([sharp], word, CLASSES)[0, 0] for word in ("none", "temperature"))
    assert before[0] == after[0] and after[3] < before[3] and after[4] < before[4]


def test_a_kept_outcome_is_read_and_another_setting_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[str] = []

    def train(bench: pediatric_arms.Bench, way: Way, films: None, seed: int) -> dict[str, object]:
        trained.append(way.backbone)
        return {key: value for key, value in vars(make_outcome(1.0, seed)).items() if key not in ("seconds", "prevalence")}

    monkeypatch.setattr(pediatric_arms, "train_way", train)
    monkeypatch.setattr(pediatric_arms, "keep_films", lambda bench, size: None)
    name = "mobilenetv2, head, block_13"
    bench = pediatric_arms.Bench(tmp_path, tmp_path, {}, 1500, TRAIN)
    first = pediatric_arms.keep_outcome(bench, name, 0)
    again = pediatric_arms.keep_outcome(bench, name, 0)
    np.testing.assert_array_equal(again.test_logits, first.test_logits)
    assert trained == [WAYS[name].backbone], "the second call reads the file"
    pediatric_arms.keep_outcome(bench, name, 1)
    other = TRAIN.model_copy(update={"imbalance": "none"})
    pediatric_arms.keep_outcome(pediatric_arms.Bench(tmp_path, tmp_path, {}, 1500, other), name, 0)
    assert len(trained) == 3, "another seed and another setting are trained"
    like = "224 px: lite0, block_6, batch 16"
    plain, shifted = (pediatric_arms.keep_outcome(bench, way, 0) for way in (like, f"{like}, prevalence"))
    assert len(trained) == 4, "a row that only shifts another's probabilities shares its training"
    shift = np.log(np.array([0.3, 0.4, 0.3]) * 3)
    moved = np.log(shifted.predictions("none")) - np.log(plain.predictions("none")) - shift
    np.testing.assert_allclose(moved - moved[:, :1], 0, atol=1e-12)


def test_every_row_says_what_an_arm_can_say() -> None:
    for name, way in WAYS.items():
        assert bool(way.phases) != bool(way.probe), name
        assert not way.like or (WAYS[way.like].phases, WAYS[way.like].size) == (way.phases, way.size), name
        Train(**pediatric_arms.overlaid(TRAIN.model_dump(), way.train))
