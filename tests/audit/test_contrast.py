"""Surroundings of another class against those of the same class, by arithmetic."""

import numpy as np
import pytest

from hilum.audit.contrast import Predicted, area_under_curve, draw_triples, effects, split_patients

PATIENTS = np.arange(120).astype(str)


def test_donors_are_of_the_wanted_class_and_of_other_patients() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    patients = np.array(["a", "a", "b", "c", "d", "d", "e", "f"])
    drawn = draw_triples(labels, patients, 50, np.random.default_rng(0))
    assert len(drawn.rows) == 400
    assert (labels[drawn.same] == labels[drawn.rows]).all() and (labels[drawn.other] != labels[drawn.rows]).all()
    assert (patients[drawn.same] != patients[drawn.rows]).all() and (patients[drawn.other] != patients[drawn.rows]).all()
    one = draw_triples(labels, np.full(8, "a"), 5, np.random.default_rng(0))
    assert (one.same != one.rows).all() and (labels[one.same] == labels[one.rows]).all(), "one patient: another film of the class"
    alone = draw_triples(np.array([0, 1, 1]), np.array(["a", "b", "c"]), 1, np.random.default_rng(0))
    assert alone.same[0] == 0, "no other film of its class: its own surroundings"


def test_the_films_of_a_patient_lie_in_one_half() -> None:
    patients = np.repeat(np.arange(30).astype(str), 3)
    halves = split_patients(patients, np.random.default_rng(0))
    assert all(len(set(halves[patients == one])) == 1 for one in patients) and 0 < halves.mean() < 1


def test_the_effect_of_three_classes_is_that_of_each_pair() -> None:
    labels = np.repeat([0, 1, 2], 40)
    own = np.full((120, 3), 0.1)
    own[np.arange(120), labels] = 0.8
    drawn = draw_triples(labels, PATIENTS, 2, np.random.default_rng(0))
    mixed = np.stack([own[drawn.rows], own[drawn.rows]])
    viral = labels[drawn.other] == 2
    mixed[1, viral] = [0.1, 0.1, 0.8]  # surroundings of class 2 decide
    told = effects(labels, Predicted(own, own.argmax(axis=1)), drawn, Predicted(mixed, mixed.argmax(axis=2)))
    assert set(told) == {(0, 1), (0, 2), (1, 2)}
    assert told[0, 1].points == 0 and told[0, 1].odds == 0
    assert told[0, 2].points == pytest.approx(25) and told[1, 2].odds > 0, "of two classes one is changed"


def test_the_area_under_the_curve_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    positive, values = rng.random(50) < 0.4, rng.integers(0, 9, 50).astype(float)
    assert area_under_curve(positive, values) == pytest.approx(roc_auc_score(positive, values))
    assert area_under_curve(np.ones(5, bool), values[:5]) == 0.5
