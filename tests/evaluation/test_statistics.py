"""Intervals over patients, paired differences and McNemar's exact test."""

import dataclasses
import math

import numpy as np
import pytest
from scipy.stats import binomtest

from hilum.evaluation.scoring.metrics import METRICS, Metric, evaluate_all
from hilum.evaluation.statistics import mcnemar_exact, paired_bootstrap, patient_bootstrap
from hilum.records import Predictions

ACCURACY = {"accuracy": METRICS["accuracy"]}


def predictions(right, patients=None, classes=2):
    """Films that are right or wrong as given; half of them of each class."""
    right = np.asarray(right, bool)
    films = len(right)
    y_true = np.arange(films) % classes
    y_pred = np.where(right, y_true, (y_true + 1) % classes)
    ids = np.array([f"film/{i:04d}" for i in range(films)])
    y_prob = np.full((films, classes), 0.2 / (classes - 1))
    y_prob[np.arange(films), y_pred] = 0.8
    return Predictions(
        ids, ids if patients is None else np.asarray(patients), y_true, y_prob, y_pred, tuple("abcdefgh"[:classes])
    )


def shuffled(p, seed=0):
    rows = np.random.default_rng(seed).permutation(len(p.y_true))
    return Predictions(p.image_id[rows], p.patient_id[rows], p.y_true[rows], p.y_prob[rows], p.y_pred[rows], p.classes)


def test_all_films_of_a_patient_are_drawn_together():
    seen = []
    spy = {"spy": Metric("spy", lambda t, p, v: seen.append(np.bincount(np.rint(p[:, 0] * 100).astype(int), minlength=13)) or 0.0,
                         "overall", "higher")}  # fmt: skip
    patients = np.repeat(["p1", "p2", "p3", "p4"], [1, 2, 4, 5])
    p = predictions(np.ones(12), patients)
    film_number = np.arange(1, 13) / 100
    p = dataclasses.replace(p, y_prob=np.stack([film_number, 1 - film_number], axis=1))
    patient_bootstrap(p, 50, 0.95, seed=1, metrics=spy)
    times = np.array(seen[1:])[:, 1:]  # the first call is the value itself
    for name in np.unique(patients):
        films = times[:, patients == name]
        assert (films == films[:, :1]).all()
    first_film = [0, 1, 3, 7]
    assert (times[:, first_film].sum(axis=1) == 4).all() and times[:, first_film].max() >= 2


def test_four_equal_films_per_patient_double_the_interval_that_films_alone_would_give():
    right = np.repeat(np.arange(60) % 4 != 0, 4)
    by_patient = patient_bootstrap(predictions(right, np.repeat(np.arange(60), 4).astype(str)), 600, 0.95, 1, ACCURACY)[
        "accuracy"
    ]
    by_film = patient_bootstrap(predictions(right), 600, 0.95, 1, ACCURACY)["accuracy"]
    assert by_patient.value == by_film.value == 0.75
    assert 1.7 < (by_patient.high - by_patient.low) / (by_film.high - by_film.low) < 2.3


def test_interval_is_the_binomial_one():
    found = patient_bootstrap(predictions(np.arange(200) % 5 != 0), 2000, 0.95, 1, ACCURACY)["accuracy"]
    spread = 1.96 * math.sqrt(0.8 * 0.2 / 200)
    assert (found.low, found.high) == pytest.approx((0.8 - spread, 0.8 + spread), abs=0.01)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(3)
    samples = [predictions(rng.random(100) < 0.8) for _ in range(200)]
    found = [patient_bootstrap(p, 200, 0.9, seed, ACCURACY)["accuracy"] for seed, p in enumerate(samples)]
    assert 0.84 <= np.mean([i.low <= 0.8 <= i.high for i in found]) <= 0.96


def test_values_are_those_of_evaluate_all_and_order_of_rows_is_nothing():
    p = predictions(np.arange(60) % 4 != 0, np.repeat(np.arange(30), 2).astype(str), classes=3)
    found, again = patient_bootstrap(p, 40, 0.95, 5), patient_bootstrap(shuffled(p), 40, 0.95, 5)
    assert {name: i.value for name, i in found.items()} == pytest.approx(evaluate_all(p))
    for name, interval in found.items():
        assert dataclasses.astuple(interval) == pytest.approx(dataclasses.astuple(again[name]), nan_ok=True)
        assert interval.low <= interval.value <= interval.high or name == "ece"  # whose resamples are biased upwards


def test_a_seed_fixes_the_interval():
    p = predictions(np.arange(60) % 3 != 0)
    assert patient_bootstrap(p, 40, 0.95, 5) == patient_bootstrap(p, 40, 0.95, 5)
    assert patient_bootstrap(p, 40, 0.95, 5) != patient_bootstrap(p, 40, 0.95, 6)


def test_undefined_resamples_are_counted_and_left_out():
    """Defect 5: one patient of 20 with the class; (19/20)^20 = 36 % of resamples do not have him."""
    p = predictions(np.ones(20))
    p = dataclasses.replace(p, y_true=np.array([1] + [0] * 19), y_pred=np.array([1] + [0] * 19))
    found = patient_bootstrap(p, 1000, 0.95, 1)
    assert found["sensitivity/b"].undefined == pytest.approx(0.358, abs=0.05)
    assert (found["sensitivity/b"].low, found["sensitivity/b"].high) == (1.0, 1.0)
    never = patient_bootstrap(dataclasses.replace(p, y_pred=np.zeros(20, int)), 20, 0.95, 1)["precision/b"]
    assert np.isnan([never.value, never.low, never.high]).all() and never.undefined == 1.0


def test_progress_is_reported():
    calls = []
    patient_bootstrap(predictions(np.ones(4)), 3, 0.95, 1, ACCURACY, on_resample=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(("resamples", "confidence"), [(0, 0.95), (10, 1.0), (10, 95)])
def test_settings_are_refused(resamples, confidence):
    with pytest.raises(ValueError, match=r"use for example 1000 and 0.95"):
        patient_bootstrap(predictions(np.ones(4)), resamples, confidence, 1)


def test_identical_arms_differ_by_exactly_nothing():
    p = predictions(np.arange(60) % 4 != 0, classes=3)
    for difference in paired_bootstrap(p, shuffled(p), 30, 0.95, 1).values():
        assert (difference.value, difference.low, difference.high) == (0, 0, 0)
    exact = paired_bootstrap(p, p, 30, 0.95, 1)
    assert all((d.value, d.low, d.high, d.share_not_above) == (0, 0, 0, 1) for d in exact.values())


def test_a_paired_difference_is_b_minus_a_and_surer_than_two_intervals():
    hard = np.random.default_rng(1).random(200) < 0.3
    a = predictions(~hard)
    b = predictions(~(hard & (np.arange(200) % 4 != 0)))  # b is right wherever a is, and on some films more
    found = paired_bootstrap(a, b, 400, 0.95, 1)["accuracy"]
    assert (found.a, found.b) == (evaluate_all(a)["accuracy"], evaluate_all(b)["accuracy"])
    assert found.value == found.b - found.a > 0 and found.low > 0 and found.share_not_above == 0
    back = paired_bootstrap(b, a, 400, 0.95, 1)["accuracy"]
    assert (back.value, back.low, back.high, back.share_not_above) == pytest.approx((-found.value, -found.high, -found.low, 1))
    alone = [patient_bootstrap(arm, 400, 0.95, 1, ACCURACY)["accuracy"] for arm in (a, b)]
    assert alone[1].low < alone[0].high  # the separate intervals overlap
    assert found.high - found.low < alone[0].high - alone[0].low


def test_a_difference_of_something_undefined_is_undefined():
    a = predictions(np.ones(6))
    b = dataclasses.replace(a, y_pred=np.zeros(6, int))
    found = paired_bootstrap(a, b, 10, 0.95, 1)["precision/b"]
    assert np.isnan([found.value, found.low, found.high, found.share_not_above]).all() and found.undefined == 1


def test_mcnemar_by_hand_and_by_binomtest():
    a = predictions([1] * 5 + [1] * 1 + [0] * 9 + [0] * 2)
    b = predictions([1] * 5 + [0] * 1 + [1] * 9 + [0] * 2)
    found = mcnemar_exact(a, shuffled(b), seed=1)
    assert (found.films, found.both_right, found.only_a, found.only_b, found.both_wrong) == (17, 5, 1, 9, 2)
    assert found.p_value == pytest.approx(2 * (1 + 10) / 2**10)
    assert found.p_value == pytest.approx(binomtest(1, 10, 0.5).pvalue)
    assert mcnemar_exact(a, a, 1).p_value == 1.0


def test_mcnemar_takes_one_film_per_patient_by_seed():
    patients = np.repeat(np.arange(40), 3).astype(str)
    a = predictions(np.ones(120), patients)
    b = predictions(np.arange(120) % 3 == 0, patients)  # right on the first film of each patient only
    found = [mcnemar_exact(a, b, seed) for seed in range(20)]
    assert {f.films for f in found} == {40}
    assert all(f.both_right + f.only_a == 40 for f in found)
    assert len({f.both_right for f in found}) > 3  # another seed, other films
    assert np.mean([f.both_right for f in found]) == pytest.approx(40 / 3, abs=2)
    assert mcnemar_exact(shuffled(a), shuffled(b, 4), 7) == mcnemar_exact(a, b, 7)


@pytest.mark.parametrize("compare", [lambda a, b: paired_bootstrap(a, b, 5, 0.95, 1), lambda a, b: mcnemar_exact(a, b, 1)])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ("b", "a")}, r"got classes \['a', 'b'\] and \['b', 'a'\]"),
        ({"image_id": np.array(["film/0000", "film/0001", "x"])}, r"1 films only in the first \['film/0002'\].*\['x'\]"),
        ({"y_true": np.array([0, 1, 1])}, r"other true classes for 1 films \['film/0002'\]"),
        ({"patient_id": np.array(["film/0000", "q", "film/0002"])}, r"other patients for 1 films \['film/0001'\]"),
    ],
)
def test_arms_of_other_films_or_classes_are_refused(compare, change, message):
    a = predictions(np.ones(3))
    with pytest.raises(ValueError, match=message):
        compare(a, dataclasses.replace(a, **change))
