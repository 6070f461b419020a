"""A model beside shortcut baselines: the numbers of their own predictions, and a flag that follows the paired interval."""

from dataclasses import replace

import numpy as np
import pytest

from hilum.evaluation.scoring.metrics import METRICS, evaluate_all
from hilum.evaluation.shortcut_baselines import SHORTCUT_BASELINES, flag, measure_shortcut_baselines, tell_flag
from hilum.evaluation.statistics import paired_bootstrap
from hilum.records import Predictions


def answers(skill: float, seed: int = 0, films: int = 400) -> Predictions:
    rng = np.random.default_rng(seed)
    y_true = np.arange(films) % 2
    p = 1 / (1 + np.exp(-(rng.normal(size=films) + skill * (2 * y_true - 1))))
    ids = np.array([f"film{i}" for i in range(films)])
    patients = np.array([f"p{i // 2}" for i in range(films)])
    return Predictions(ids, patients, y_true, np.column_stack([1 - p, p]), (p > 0.5).astype(np.int64), ("normal", "ill"))


def measured(model: Predictions, rim: Predictions, source: Predictions | None = None, margin: float = 0.05) -> dict[str, float]:
    return measure_shortcut_baselines(model, {"acquisition_only": rim, "source_only": source}, 200, 0.95, 1, margin)


def test_a_model_no_better_than_the_rim_is_flagged_and_a_better_one_is_not() -> None:
    rim = answers(0.5)
    assert measured(answers(0.55, seed=1), rim)["flagged/acquisition_only"] == 1
    assert measured(answers(2.0, seed=1), rim)["flagged/acquisition_only"] == 0
    assert measured(answers(2.0, seed=1), rim, margin=0.4)["flagged/acquisition_only"] == 1, "the margin decides"


def test_a_model_no_better_than_the_source_is_flagged_however_far_above_the_rim() -> None:
    found = measured(answers(2.0, seed=1), answers(0.1), answers(2.0, seed=4))
    assert found["flagged/acquisition_only"] == 0 and found["flagged/source_only"] == 1
    assert measured(answers(2.0, seed=1), answers(0.1), answers(0.1, seed=4))["flagged/source_only"] == 0


def test_the_difference_is_the_paired_one_of_model_minus_baseline() -> None:
    model, rim = answers(1.0, seed=1), answers(0.5)
    found = measured(model, rim, answers(0.1, seed=2))
    paired = paired_bootstrap(rim, model, 200, 0.95, 1, {"auroc": METRICS["auroc"]})["auroc_macro"]
    assert (found["above_acquisition_only/auroc_macro"], found["above_acquisition_only/auroc_macro.low"]) == (
        paired.value,
        paired.low,
    )
    assert found["above_acquisition_only/auroc_macro"] > 0
    for name in SHORTCUT_BASELINES:
        assert found[f"{name}/auroc_macro.low"] < found[f"{name}/auroc_macro"] < found[f"{name}/auroc_macro.high"]
    assert found["source_only/accuracy"] == evaluate_all(answers(0.1, seed=2))["accuracy"]


def test_the_order_of_films_is_no_matter_but_their_names_are() -> None:
    model, rim = answers(1.0, seed=1), answers(0.5)
    rows = np.random.default_rng(3).permutation(len(rim.y_true))
    shuffled = Predictions(
        rim.image_id[rows], rim.patient_id[rows], rim.y_true[rows], rim.y_prob[rows], rim.y_pred[rows], rim.classes
    )
    one, other = measured(model, rim), measured(model, shuffled)
    assert one["above_acquisition_only/auroc_macro"] == pytest.approx(other["above_acquisition_only/auroc_macro"], abs=1e-12)
    with pytest.raises(ValueError, match="films only in the first"):
        measured(model, replace(rim, image_id=np.array([f"other{i}" for i in range(400)])))


def test_an_undefined_classifier_is_undefined_and_flags_nothing() -> None:
    found = measure_shortcut_baselines(answers(1.0), {"acquisition_only": None, "source_only": None}, 50, 0.95, 1, 0.05)
    assert np.isnan(found["acquisition_only/auroc_macro"]) and np.isnan(found["source_only/auroc_macro"])
    assert np.isnan(found["flagged/acquisition_only"]) and np.isnan(found["flagged/source_only"])


def test_the_edge_of_the_margin() -> None:
    assert [flag(low, 0.05) for low in (0.049, 0.05, 0.2)] == [1.0, 0.0, 0.0]
    assert [tell_flag(value) for value in (1.0, 0.0, None, np.nan)] == ["flagged", "not flagged", "undefined", "undefined"]
