import subprocess
import sys
from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest

from hilum.settings.training import Balance, Train
from hilum.training.learning.imbalance import (
    STRATEGIES,
    Sampling,
    check_smote,
    class_weights,
    copies_per_film,
    log_prior,
    make_up,
    oversample,
    prior_shift,
    shown_prior,
    undersample,
)

BALANCE = Balance(multiplier={}, smote_neighbours=2, smote_above_head="none", focal_gamma=2.0)
LABELS = np.array([0] * 6 + [1] * 3 + [2], np.int64)


def test_class_weights_by_hand() -> None:
    np.testing.assert_allclose(class_weights(LABELS, 3), [10 / 18, 10 / 9, 10 / 3])
    assert class_weights(LABELS, 3)[LABELS].mean() == pytest.approx(1.0)


def test_log_prior_is_the_share_of_each_class() -> None:
    np.testing.assert_allclose(np.exp(log_prior(LABELS, 3)), [0.6, 0.3, 0.1])


@pytest.mark.parametrize("count", [class_weights, log_prior])
def test_a_class_without_a_film_is_refused(count: object) -> None:
    with pytest.raises(ValueError, match=r"got \[6, 3, 1, 0\] films"):
        count(LABELS, 4)  # type: ignore[operator]


def test_oversampling_balances_and_keeps_every_film() -> None:
    rows = oversample(LABELS, seed=3)
    assert np.bincount(LABELS[rows]).tolist() == [6, 6, 6]
    assert set(rows) == set(range(10))


def test_oversampling_is_pure_seeded_and_repeatable() -> None:
    labels = LABELS.copy()
    first, second, other = oversample(labels, 3), oversample(labels, 3), oversample(labels, 4)
    np.testing.assert_array_equal(labels, LABELS)
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


@pytest.mark.parametrize("resample", [oversample, undersample])
def test_resampling_one_class_is_refused(resample: Callable[[np.ndarray, int], np.ndarray]) -> None:
    with pytest.raises(ValueError, match="two classes or more"):
        resample(np.zeros(4, np.int64), 0)


def test_undersampling_balances_without_a_film_twice() -> None:
    rows = undersample(LABELS, seed=3)
    assert np.bincount(LABELS[rows]).tolist() == [1, 1, 1]
    assert len(set(rows)) == 3
    assert undersample(LABELS, seed=3).tolist() == rows.tolist()


def test_smote_names_the_films_that_it_needs() -> None:
    check_smote(np.repeat([0, 1], [40, 6]), ["normal", "viral"], neighbours=5)
    with pytest.raises(ValueError, match=r"smote with 5 neighbours needs at least 6 training films of every class .*5 of viral"):
        check_smote(np.repeat([0, 1], [40, 5]), ["normal", "viral"], neighbours=5)
    check_smote(np.repeat([0, 1], [5, 5]), ["normal", "viral"], neighbours=5)  # nothing to add


def test_made_up_features_lie_between_films_of_their_class_and_are_as_many_as_the_plan_says() -> None:
    features = np.column_stack([LABELS * 10.0, np.arange(10.0)]).astype(np.float32)
    labels = np.repeat([0, 1], [6, 4])
    plan = STRATEGIES["smote"](labels, ["normal", "ill"], BALANCE, 3)
    kept = features.copy()
    made_up = make_up(features, labels, neighbours=2, seed=3)
    assert (made_up.dtype, len(made_up)) == (np.float32, len(plan.made_up))
    assert plan.made_up.tolist() == [1, 1]
    low, high = features[labels == 1].min(axis=0), features[labels == 1].max(axis=0)
    assert ((low <= made_up) & (made_up <= high)).all()
    np.testing.assert_array_equal(features, kept)
    np.testing.assert_array_equal(make_up(features, labels, 2, 3), made_up)
    assert (make_up(features, labels, 2, 4) != made_up).any()


def test_made_up_features_of_several_classes_stand_in_class_order() -> None:
    labels = np.array([2, 0, 1, 0, 2, 1, 0, 2, 1, 0, 1, 0])  # 5, 4 and 3
    features = np.column_stack([labels * 10.0, np.arange(12) * 0.1]).astype(np.float32)
    plan = STRATEGIES["smote"](labels, ["a", "b", "c"], BALANCE, 0)
    assert plan.made_up.tolist() == [1, 2, 2]
    np.testing.assert_allclose(make_up(features, labels, 2, 0)[:, 0], 10.0 * plan.made_up)


@pytest.mark.parametrize("word", STRATEGIES)
def test_every_strategy_is_pure_seeded_and_shows_every_class(word: str) -> None:
    labels = np.repeat([0, 1, 2], [9, 5, 3])
    kept = labels.copy()
    one, again = (STRATEGIES[word](labels, ["a", "b", "c"], BALANCE, 7) for _ in range(2))
    np.testing.assert_array_equal(labels, kept)
    assert one.strategy == word
    for name in ("rows", "weights", "made_up"):
        np.testing.assert_array_equal(getattr(one, name), getattr(again, name))
    assert len(one.rows) == len(one.weights)
    assert (one.weights > 0).all()
    assert set(labels[one.rows]) == {0, 1, 2}
    expected = {"none": [9 / 17, 5 / 17, 3 / 17], "focal": [9 / 17, 5 / 17, 3 / 17]}.get(word, [1 / 3] * 3)
    np.testing.assert_allclose(shown_prior(one, labels, 3), expected)


def test_the_words_of_the_settings_are_those_of_the_registry() -> None:
    assert set(get_args(Train.model_fields["imbalance"].annotation)) == set(STRATEGIES)
    assert set(get_args(Balance.model_fields["smote_above_head"].annotation)) == set(STRATEGIES) - {"smote"}


def test_a_multiplier_weighs_its_class_and_shows_in_the_prior() -> None:
    settings = BALANCE.model_copy(update={"multiplier": {"viral": 3.0}})
    shown = STRATEGIES["class_weight"](np.array([0, 0, 0, 1]), ["normal", "viral"], settings, 0)
    np.testing.assert_allclose(shown.weights, [4 / 6, 4 / 6, 4 / 6, 3 * 4 / 2])
    np.testing.assert_allclose(shown_prior(shown, np.array([0, 0, 0, 1]), 2), [0.25, 0.75])


def test_prior_correction_by_hand() -> None:
    shift = prior_shift(np.array([0.5, 0.5]), {"ill": 0.1, "normal": 0.9}, ["normal", "ill"])
    logits = np.log([0.7, 0.3]) + shift
    corrected = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(corrected, [0.7 * 1.8 / 1.32, 0.3 * 0.2 / 1.32])  # 0.9545, 0.0455
    same = prior_shift(np.array([0.25, 0.75]), {"normal": 0.25, "ill": 0.75}, ["normal", "ill"])
    np.testing.assert_allclose(same, [0, 0], atol=1e-12)


def test_copies_per_film_are_told() -> None:
    shown = Sampling("oversample", np.array([0, 1, 2, 3, 3, 3]), np.ones(6))
    table = copies_per_film(shown, np.array([0, 0, 1, 1]), ["normal", "ill"]).set_index("label")
    same = {"strategy": "oversample", "films": 2, "made_up": 0, "weight": 1.0}
    assert table.loc["normal"].to_dict() == {**same, "rows": 2, "mean_copies": 1.0, "most_copies": 1}
    assert table.loc["ill"].to_dict() == {**same, "rows": 4, "mean_copies": 2.0, "most_copies": 3}
    labels = np.repeat([0, 1], [1461, 28])
    few = copies_per_film(STRATEGIES["oversample"](labels, ["other", "covid"], BALANCE, 0), labels, ["other", "covid"])
    assert few["rows"].tolist() == [1461, 1461]
    assert few["mean_copies"][1] == pytest.approx(1461 / 28)


def test_made_up_rows_and_weights_are_told() -> None:
    labels = np.repeat([0, 1], [6, 3])
    assert copies_per_film(STRATEGIES["smote"](labels, ["a", "b"], BALANCE, 0), labels, ["a", "b"])["made_up"].tolist() == [0, 3]
    weighed = copies_per_film(STRATEGIES["class_weight"](labels, ["a", "b"], BALANCE, 0), labels, ["a", "b"])
    np.testing.assert_allclose(weighed["weight"], [9 / 12, 9 / 6])


def test_imbalanced_learn_is_imported_only_when_it_is_used() -> None:
    code = "import sys, hilum.training.learning.imbalance; sys.exit('imblearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, check=False).returncode == 0
