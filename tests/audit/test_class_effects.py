"""The blamed region, the detail and all surroundings of one model, on models whose predictions follow from a formula."""

import numpy as np
import pytest
from analytic import LUNGS, REGIONS, draw, linear

from hilum.audit.auditee import Auditee
from hilum.audit.class_effects import PARTS, measure_class_effects
from hilum.audit.rule import PROBING, judge

PATIENTS = np.arange(120).astype(str)


def found(lungs: float, mark: float, strength: float, seed: int = 0):
    films, labels = draw(120, seed, strength)
    rng = np.random.default_rng(seed)
    return measure_class_effects(linear(lungs, mark), films, labels, PATIENTS, REGIONS, PROBING, rng)


@pytest.mark.parametrize("strength", [0.3, 0.6, 1.0])
def test_the_points_of_the_blamed_region_are_what_the_mark_adds_to_accuracy(strength: float) -> None:
    numbers = found(0.0, 0.05, strength).numbers
    assert numbers["mark_points"] == pytest.approx(50 * strength, abs=9), "the mark decides every prediction"
    assert numbers["class_points"] == pytest.approx(numbers["mark_points"], abs=3), "all surroundings hold the mark"
    assert numbers["held_odds"] == numbers["class_odds"], "of two classes there is one pair"


def test_a_mark_that_goes_with_no_class_has_no_effect_however_far_it_moves_the_odds() -> None:
    numbers = found(0.1, 0.05, 0.0).numbers
    assert abs(numbers["mark_points"]) < 3 * numbers["mark_points_error"] + 1
    assert abs(numbers["mark_auroc"] - 0.5) < 0.1
    assert judge({**numbers, "spread": 1.0}).mark.shown != "shown"


def test_temperature_changes_no_number_but_the_model_of_equal_decisions() -> None:
    plain, sharp = found(0.1, 0.02, 0.8).numbers, found(0.2, 0.04, 0.8).numbers
    assert plain == pytest.approx(sharp, rel=1e-3, abs=1e-3)


def test_films_of_one_class_give_no_numbers_and_the_verdict_says_so() -> None:
    films, labels = draw(40, 0, 1.0)
    some = labels == 0
    few = measure_class_effects(
        linear(0.1, 0.1), films[some], labels[some], PATIENTS[:20], REGIONS, PROBING, np.random.default_rng(0)
    )
    assert all(np.isnan(few.numbers[f"{part}_points"]) for part in PARTS) and not few.blamed.any()
    verdict = judge({**few.numbers, "spread": 0.0})
    assert verdict.says == "cannot tell" and verdict.mark.why == "all audited films are of one class"


def test_of_three_classes_the_surroundings_are_those_of_the_pair_that_they_tell_apart() -> None:
    """Classes 0 and 1 differ by their lungs and a mark, class 2 by the exposure of all its surroundings."""
    films, labels = draw(180, 0, 1.0)
    labels = np.where(np.arange(180) < 120, labels, 2)
    patients, around = np.arange(180).astype(str), ~LUNGS
    films[labels == 2] = films[0]
    dark = films[labels == 2].astype(float)
    dark[:, around] *= 0.4
    films[labels == 2] = dark.astype(np.uint8)
    marked = linear(0.05, 0.01)

    def predict(images: np.ndarray) -> np.ndarray:
        third = 1 / (1 + np.exp((images[..., 0][:, around].mean(axis=1) - 65) / 4))  # (N,)
        return np.concatenate([marked.predict(images) * (1 - third)[:, None], third[:, None]], axis=1)

    def gradient(images: np.ndarray, target: int) -> np.ndarray:
        if target < 2:
            return marked.gradient(images, target)
        return np.broadcast_to((around / (-4 * around.sum())).astype(np.float32), images.shape[:3])

    auditee = Auditee(predict, marked.decide, gradient, marked.heat)
    found = measure_class_effects(auditee, films, labels, patients, REGIONS, PROBING, np.random.default_rng(0))
    numbers = found.numbers
    assert numbers["class_points"] > 40, "surroundings decide between class 2 and the others"
    assert numbers["held_odds"] == pytest.approx(numbers["mark_odds"], abs=0.1), "of classes 0 and 1 they move what the mark does"
    assert numbers["held_odds"] < 0.6 * numbers["class_odds"]
    assert numbers["least_patients"] == 60
