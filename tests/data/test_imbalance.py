import subprocess
import sys

import numpy as np
import pytest

from hilum.data.imbalance import class_weights, copies_per_film, log_prior, oversample

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


def test_oversampling_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="two classes or more"):
        oversample(np.zeros(4, np.int64), 0)


def test_copies_per_film_are_told() -> None:
    table = copies_per_film(np.array([0, 1, 2, 3, 3, 3]), np.array([0, 0, 1, 1]), ["normal", "ill"]).set_index("label")
    assert table.loc["normal"].to_dict() == {"films": 2, "rows": 2, "mean_copies": 1.0, "most_copies": 1}
    assert table.loc["ill"].to_dict() == {"films": 2, "rows": 4, "mean_copies": 2.0, "most_copies": 3}
    few = copies_per_film(oversample(np.repeat([0, 1], [1461, 28]), 0), np.repeat([0, 1], [1461, 28]), ["other", "covid"])
    assert few["rows"].tolist() == [1461, 1461]
    assert few["mean_copies"][1] == pytest.approx(1461 / 28)


def test_imbalanced_learn_is_imported_only_when_it_is_used() -> None:
    code = "import sys, hilum.data.imbalance; sys.exit('imblearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, check=False).returncode == 0
