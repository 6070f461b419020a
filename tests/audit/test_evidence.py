"""What the audit measures, on models whose predictions follow from a formula."""

from dataclasses import replace

import numpy as np
import pytest
from analytic import LUNGS, REGIONS, SHORTCUT, draw, linear, surroundings

from hilum.audit.blame import blame_map
from hilum.audit.contrast import draw_triples
from hilum.audit.evidence import measure
from hilum.audit.mixtures import Mixtures
from hilum.audit.regions import soften
from hilum.audit.rule import PROBING, judge


def audit(lungs: float, shortcut: float, seed: int = 0):
    films, labels = draw(120, seed, 0.6)
    return measure(linear(lungs, shortcut), films, labels, surroundings(len(films)), PROBING, seed)


def test_of_a_model_of_the_lungs_nothing_is_shown() -> None:
    numbers = audit(0.2, 0.0).numbers
    assert judge(numbers).says == "neither shown"
    assert abs(numbers["mark_points"]) < 1 and abs(numbers["class_points"]) < 1
    assert numbers["spread"] < 0.1
    assert abs(numbers["around_verdicts"]) < 5
    assert numbers["accuracy"] > 85
    assert numbers["lungs_out"] == 50, "without its lungs every film has the same prediction"
    assert numbers["centre_only"] > 80


def test_a_model_of_the_shortcut_is_one_and_the_blame_lies_on_the_shortcut() -> None:
    found = audit(0.0, 0.05)
    assert judge(found.numbers).says == "mark"
    assert found.numbers["mark_points"] == pytest.approx(50 * 0.6, abs=6), "a mark of strength 0.6 decides every prediction"
    assert found.numbers["around_verdicts"] == pytest.approx(50), "the shortcut alone decides every prediction"
    assert found.numbers["region_verdicts"] == pytest.approx(50)
    assert found.blamed[SHORTCUT].mean() > 0.9
    assert (found.blamed & SHORTCUT).sum() > 0.5 * found.blamed.sum()
    assert found.numbers["heat_around"] > 1


def test_the_blame_adds_up_to_the_change_of_the_odds() -> None:
    films, labels = draw(120, 0, 1.0)
    mixtures, blend = Mixtures(films, REGIONS.around), soften(REGIONS.margin)
    triples = draw_triples(labels, np.arange(120).astype(str), 1, np.random.default_rng(0))
    blame = blame_map(linear(0.05, 0.05), mixtures.plain, labels, triples, blend, 4)
    white_less_grey = 240 - 89.5
    assert blame[SHORTCUT].sum() == pytest.approx(0.05 * white_less_grey, rel=0.1), "in all pairs the mark goes with the class"
    assert abs(blame[LUNGS].sum()) < 0.5


def test_few_films_are_audited_and_too_few_refused() -> None:
    films, labels = draw(6, 0, 1.0)
    found = measure(linear(0.1, 0.0), films, labels, surroundings(6), PROBING, 0)
    assert all(np.isfinite(list(found.numbers.values())))
    assert judge(found.numbers).mark.why == "a class has 3 audited films, fewer than 20"
    with pytest.raises(ValueError, match="4 films or more to exchange, got 3"):
        measure(linear(0.1, 0.0), films[:3], labels[:3], surroundings(3), PROBING, 0)


def test_half_a_shortcut_lies_between() -> None:
    whole, half, none = (audit(0.15, shortcut).numbers["around_probability"] for shortcut in (0.05, 0.02, 0.0))
    assert whole > half > none + 3


def test_the_same_seed_gives_the_same_numbers_and_films_stay_as_they_are() -> None:
    films, labels = draw(60, 1, 0.5)
    before = films.copy()
    first, second = (measure(linear(0.1, 0.02), films, labels, surroundings(60), PROBING, 3) for _ in range(2))
    assert dict(first.numbers) == dict(second.numbers)
    assert np.array_equal(first.blame, second.blame)
    assert np.array_equal(films, before)


def test_of_a_model_with_constant_predictions_nothing_can_be_told_and_nothing_is_blamed() -> None:
    found = audit(0.0, 0.0)
    told = judge(found.numbers)
    assert told.says == "cannot tell" and "0 points above chance" in told.mark.why
    assert found.numbers["spread"] == 0
    assert not found.blamed.any()
    assert REGIONS.around.any()


def test_the_side_numbers_look_over_the_whole_table_which_names_sort_by_class() -> None:
    films, labels = draw(120, 0, 0.6)
    order = np.argsort(labels, kind="stable")
    seen: list[bytes] = []
    auditee = linear(0.1, 0.0)

    def heat(images: np.ndarray, targets: np.ndarray) -> np.ndarray:
        seen.extend(image.astype(np.uint8).tobytes() for image in images)
        return np.ones(images.shape[:3], np.float32)

    measure(replace(auditee, heat=heat), films[order], labels[order], surroundings(120), PROBING, 0)
    classes = [int(label) for film, label in zip(films, labels, strict=True) if film.tobytes() in seen]
    assert abs(np.mean(classes) - 0.5) < 0.05


def test_numbers_that_are_none_give_no_verdict() -> None:
    with pytest.raises(ValueError, match="a verdict must have finite numbers, got none for spread"):
        judge({**audit(0.2, 0.0).numbers, "spread": float("nan")})


def test_films_of_unknown_patients_are_not_taken_for_one_patient() -> None:
    films, labels = draw(60, 0, 0.8)
    unknown = replace(surroundings(60), patients=np.full(60, ""))
    numbers = measure(linear(0.0, 0.05), films, labels, unknown, PROBING, 0).numbers
    assert numbers["mark_points"] > 20
