"""The level of an interval is that of the folder where it was made, not that of today's params.yaml."""

from collections.abc import Callable
from pathlib import Path

import fake_results as fake
import numpy as np
import pandas as pd
import pytest

from hilum.evaluation.comparison import compare_arms
from hilum.evaluation.statistics import flat_metrics, patient_bootstrap
from hilum.pages.arm_results import ArmResults
from hilum.pages.headline import HEADLINE, headline_text
from hilum.pages.levels import Levels, interval_name, name_intervals, name_resamples, one_or_each
from hilum.pages.page_words import gather_facts, name_levels
from hilum.project.comparison_files import draw_figures
from hilum.records import Predictions
from hilum.results import write_json
from hilum.settings.params import read_params
from hilum.workspace import Workspace


def predictions() -> Predictions:
    rng = np.random.default_rng(0)
    y_true = np.arange(40) % 2
    p = 1 / (1 + np.exp(-(rng.normal(size=40) + y_true)))
    names = np.array([f"film{i}" for i in range(40)])
    return Predictions(names, names, y_true, np.column_stack([1 - p, p]), (p > 0.5).astype(np.int64), ("normal", "viral"))


def measured(workspace: Workspace, arm: str, evaluated: float = 0.95, explained: float = 0.99) -> ArmResults:
    """An arm whose folders say these levels."""
    found = patient_bootstrap(predictions(), 20, evaluated, 1)
    metrics: dict[str, float | None] = {**flat_metrics(found, "test")}
    metrics |= {f"majority/{name}": 0.5 for name in HEADLINE}
    folder = {name: workspace.arm(arm, name) for name in ("evaluation", "explanations")}
    for name, section, level in (("evaluation", "evaluate", evaluated), ("explanations", "explain", explained)):
        params = {f"{section}.confidence": level, f"{section}.bootstrap": 1000}
        fake.write_measured(workspace, arm, name, {}, params=params)
        for file in ("roc.png", "pr.png", "calibration.png", "curves.png"):
            (folder[name] / file).write_bytes(file.encode())
    return ArmResults(fake.training_settings(arm), metrics, predictions(), {}, [], pd.DataFrame(), folder)


@pytest.fixture
def arms(tmp_path: Path) -> dict[str, ArmResults]:
    workspace = Workspace(tmp_path, tmp_path)
    return {arm: measured(workspace, arm) for arm in ("baseline", "finetuned")}


def test_an_interval_is_called_by_its_level() -> None:
    assert [interval_name(level) for level in (0.95, 0.57, 0.975)] == ["95 % interval", "57 % interval", "97.5 % interval"]


def test_the_levels_are_those_of_the_folders(arms: dict[str, ArmResults]) -> None:
    assert name_levels(arms, 0.9) == Levels("95 % interval", "90 % interval", "99 % interval")


def test_arms_of_different_levels_say_each_its_own(arms: dict[str, ArmResults]) -> None:
    folders = {name: arm.folder["evaluation"] for name, arm in arms.items()}
    write_json(folders["finetuned"] / "settings.json", {"params": {"evaluate.confidence": 0.8, "evaluate.bootstrap": 60}})
    assert name_intervals(folders, "evaluate") == "95 % interval (baseline) and 80 % interval (finetuned)"
    assert name_resamples(folders, "evaluate") == (
        "95 % interval from 1,000 resamples of patients (baseline) and 80 % interval from 60 resamples of patients (finetuned)"
    )
    assert one_or_each({"a": "x", "b": "x"}) == "x"


def test_a_folder_without_its_level_is_refused(arms: dict[str, ArmResults]) -> None:
    write_json(arms["baseline"].folder["evaluation"] / "settings.json", {"params": {"evaluate.bootstrap": 60}})
    with pytest.raises(ValueError, match=r"settings.json must hold evaluate.confidence, got evaluate.bootstrap; run `dvc"):
        name_levels(arms, 0.9)


def test_the_facts_of_the_page_tell_every_level_with_its_resamples(own_copy: Workspace, arms: dict[str, ArmResults]) -> None:
    params = read_params(own_copy.params)
    params = params.model_copy(update={"compare": params.compare.model_copy(update={"confidence": 0.9, "bootstrap": 500})})
    assert gather_facts(arms, params, own_copy, {**fake.VERSIONS})[-3:] == [
        ("metrics of an arm", "95 % interval from 1,000 resamples of patients"),
        ("differences", "90 % interval from 500 resamples of patients"),
        ("measures of maps", "99 % interval from 1,000 resamples of patients"),
    ]


def headline(arms: dict[str, ArmResults], reference: str = "baseline") -> str:
    differences = compare_arms({name: arm.test for name, arm in arms.items()}, "baseline", 20, 0.9, 1)
    return headline_text(arms, differences, reference, 0.9).splitlines()[1]


def test_the_printed_headline_says_both_levels(arms: dict[str, ArmResults]) -> None:
    assert headline(arms) == "test films, over patients: 95 % interval of each arm, 90 % interval of differences"
    assert headline({"baseline": arms["baseline"]}) == "test films, over patients: 95 % interval"
    with pytest.raises(
        ValueError, match=r"reference .* must be one of the arms baseline, finetuned, got 'gone'; run `dvc repro`"
    ):
        headline(arms, "gone")


def test_each_figure_says_the_level_of_what_it_shows(
    arms: dict[str, ArmResults], tmp_path: Path, make_project: Callable[..., Workspace]
) -> None:
    """Pictures cannot be read here, but another level must change the picture that says it, and no other."""
    compare = read_params(make_project(tmp_path / "project").params).compare.model_copy(update={"confidence": 0.9})
    differences = compare_arms({name: arm.test for name, arm in arms.items()}, "baseline", 20, 0.9, 1)

    def draw(levels: Levels, confidence: float = 0.9) -> dict[str, bytes]:
        settings = compare.model_copy(update={"confidence": confidence})
        draw_figures(tmp_path, arms, differences, ["normal", "viral"], settings, levels)
        return {name: (tmp_path / f"{name}.png").read_bytes() for name in ("confusion", "metrics", "differences")}

    first = draw(name_levels(arms, 0.9))
    own, between = draw(Levels("80 % interval", "90 % interval", "")), draw(name_levels(arms, 0.8), 0.8)
    assert {name for name in first if own[name] != first[name]} == {"metrics"}
    assert {name for name in first if between[name] != first[name]} == {"differences"}
