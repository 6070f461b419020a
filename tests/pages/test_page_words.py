"""What the comparison page warns of: what `prepare` noted, and classes that one of several sources has alone."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from hilum.data.prepared.loading import read_manifest
from hilum.evaluation.scoring.scaling import SEPARABLE, fit_biases_too
from hilum.pages.page_words import find_warnings, read_calibration, tell_limits, what_differs
from hilum.results import write_json
from hilum.settings.params import read_params
from hilum.workspace import Workspace


def test_calibration_is_told_in_words(tmp_path: Path) -> None:
    assert read_calibration(tmp_path / "calibration.json") is None, "results of before have none"
    figures = {"log_loss": 0.612, "brier": 0.35, "ece": 0.0921}
    told = {"calibration": "temperature", "temperature": 1.7339, "biases": {"ill": 0.0, "normal": 0.0}, "note": "", "folds": 5}
    told |= {"films": 240, "patients": 180, "prior": {"ill": 0.5, "normal": 0.5}, "before": figures}
    write_json(tmp_path / "calibration.json", {**told, "after": {**figures, "ece": 0.031, "brier": float("nan")}})
    row = read_calibration(tmp_path / "calibration.json")
    assert row is not None and row["scaling"] == "temperature 1.734" and row["ece"] == "0.092, 0.031"
    assert row["fitted"] == "240 films of 180 patients; prior: ill 50.0%, normal 50.0%" and row["brier"] == "0.350, undefined"
    biases = {"calibration": "temperature_and_biases", "biases": {"ill": 0.25, "normal": -0.25}}
    write_json(tmp_path / "calibration.json", {**told, **biases, "after": figures})
    row = read_calibration(tmp_path / "calibration.json")
    assert row is not None and row["scaling"] == "temperature 1.734; biases ill +0.250, normal −0.250"
    write_json(tmp_path / "calibration.json", {**told, "folds": 0, "note": "not calibrated: too few", "after": figures})
    row = read_calibration(tmp_path / "calibration.json")
    assert row is not None and (row["scaling"], row["fitted"], row["note"]) == ("none", "nothing", "not calibrated: too few")


@pytest.mark.parametrize(
    ("skill", "scale", "told"),
    [(2.0, 1e-3, "the temperature is the lowest allowed, 0.1"), (0.0, 1.0, "the temperature is the highest allowed, 10")],
)
def test_a_fit_says_which_limit_it_reached(skill: float, scale: float, told: str) -> None:
    """Logits that order 400 films nearly right, far too small; and logits that know nothing, which was said of the films."""
    truth, rng = np.repeat([0, 1], 200), np.random.default_rng(0)
    logits = (np.stack([-truth, truth], axis=1) * skill + rng.normal(0, 1, (400, 2))) * scale
    fit = fit_biases_too(logits, truth, np.ones(400))
    assert fit.note.startswith("a bound was reached: the films tell too little")
    said = tell_limits(fit.note, fit.temperature, fit.biases.tolist())
    assert said.startswith(told) and "films" not in said
    assert tell_limits("another note", fit.temperature, fit.biases.tolist()) == "another note"
    assert tell_limits(fit.note, 1.0, [-2.5, 2.5]).startswith("biases are as far apart as is allowed, 5")
    both = tell_limits(f"{SEPARABLE}; {fit.note}", 1.0, [-2.5, 2.5])
    assert both.startswith(f"{SEPARABLE}; biases are as far apart as is allowed, 5")


def test_a_class_of_one_source_is_warned_of_beside_the_comparison(own_copy: Workspace) -> None:
    params = read_params(own_copy.params)
    arms = cast(Any, {params.compare.reference: SimpleNamespace(settings={"params": {}, "model": {}})})
    (own_copy.prepared / "notes.txt").write_text("a note\n")
    assert find_warnings(arms, params, own_copy, {}) == ["a note"], "of one source, no class can be told by it"
    manifest = read_manifest(own_copy.prepared / "manifest.csv")
    manifest.loc[manifest["label"] == "viral", "source"] = "elsewhere"
    manifest.to_csv(own_copy.prepared / "manifest.csv", index=False)
    told = find_warnings(arms, params, own_copy, {})
    assert [line[:48] for line in told[:-1]] == [
        "The class bacterial comes from the source phanto",
        "The class normal comes from the source phantom o",
        "The class viral comes from the source elsewhere ",
    ]


def test_what_a_solved_head_does_not_use_is_no_difference_from_it() -> None:
    steps = {"train.averaging": 0.0, "train.optimizer.name": "adam", "train.calibration": "temperature", "backbone": "vgg16"}
    solved = {**steps, "phases.0.unfreeze": "head", "phases.0.solver": "convex"}
    phase = {"phases.0.unfreeze": "head", "phases.0.solver": "gradient"}
    own = {**steps, "train.averaging": 0.98, "train.optimizer.name": "adamw", **phase}
    others = {"train.calibration": "none", "backbone": "mobilenet"}
    assert what_differs(solved, own) == []
    assert what_differs(solved, {**own, **others}) == ["backbone", "train.calibration"]
    both = ["train.averaging", "train.optimizer.name"]
    assert what_differs({**solved, "phases.0.solver": "gradient"}, own) == both
    assert what_differs({**solved, "phases.1.solver": "gradient"}, own) == both
    assert what_differs(solved, {**own, "phases.0.unfreeze": "all"}) == ["phases.0.unfreeze"]
