"""The arithmetic of the benchmark that ranks explanation methods, by hand."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from rankings import (
    chance_tau,
    compare_orders,
    draw_resamples,
    interval,
    mean_ranks,
    method_means,
    pile,
    ranks,
    tau,
    within_films,
)

ALL = (np.arange(1), np.arange(2))


def make_films(values: dict[str, list[float]], seed: int = 1) -> pd.DataFrame:
    """A row per method and patient."""
    rows = [
        {"seed": seed, "method": method, "patient_id": f"p{i}", "x": x}
        for method, own in values.items()
        for i, x in enumerate(own)
    ]
    return pd.DataFrame(rows)


def test_pile_has_seeds_methods_and_patients_in_order_and_turns_signs() -> None:
    films = pd.concat([make_films({"b": [3.0, 4.0], "a": [1.0, 2.0]}, 2), make_films({"a": [5.0, 6.0], "b": [7.0, 8.0]}, 1)])
    found = pile(films.sample(frac=1, random_state=0), "x", ["a", "b"], lower=False)
    assert found.tolist() == [[[5, 6], [7, 8]], [[1, 2], [3, 4]]]
    assert pile(films, "x", ["b"], lower=True).tolist() == [[[-7, -8]], [[-3, -4]]]


def test_several_films_of_a_patient_are_refused() -> None:
    with pytest.raises(ValueError, match="one film of each patient"):
        pile(pd.concat([make_films({"a": [1.0]}), make_films({"a": [2.0]})]), "x", ["a"], lower=False)


def test_means_leave_out_films_without_a_value() -> None:
    values = np.array([[[1.0, 3.0], [np.nan, 5.0], [np.nan, np.nan]]])
    assert method_means(values, ALL)[:2].tolist() == [2, 5]
    assert np.isnan(method_means(values, ALL)[2])
    assert method_means(values, (np.array([0]), np.array([0, 0])))[0] == 1


def test_equal_means_share_a_rank() -> None:
    assert ranks(np.array([0.5, 0.9, 0.5, 0.1])).tolist() == [2.5, 1, 2.5, 4]
    assert np.isnan(ranks(np.array([0.5, np.nan]))[1])


def test_the_order_by_truth_is_the_mean_of_ranks() -> None:
    one = np.array([[[0.9, 0.9], [0.5, 0.5], [0.1, 0.1]]])  # ranks 1, 2, 3
    other = np.array([[[10.0, 10.0], [30.0, 30.0], [20.0, 20.0]]])  # ranks 3, 1, 2
    assert mean_ranks([one, other], ALL).tolist() == [2, 1.5, 2.5]


def test_tau_by_hand() -> None:
    order = np.array([1.0, 2, 3, 4])
    assert tau(order, order) == 1
    assert tau(order, -order) == -1
    assert tau(order, np.array([1.0, 2, 4, 3])) == pytest.approx(4 / 6)  # five pairs agree, one does not
    assert tau(np.append(order, np.nan), np.array([1.0, 2, 3, 4, -9])) == 1
    assert np.isnan(tau(order, np.ones(4)))


def test_tau_of_orders_drawn_at_random() -> None:
    assert chance_tau(15) == pytest.approx(41 / 105), "the tables of Kendall's test, both sides, 5 %"
    assert chance_tau(5) == 1 and chance_tau(4) == 1, "of 24 orders of four, two have a tau of size 1: more than one in twenty"
    rng, order = np.random.default_rng(0), np.arange(9.0)
    drawn = np.array([abs(tau(order, rng.permutation(order))) for _ in range(2000)])
    assert 0.02 < (drawn > chance_tau(9) - 1e-9).mean() < 0.06


def test_within_films_compares_films_of_one_class_only() -> None:
    steps = np.arange(8.0)
    truth = np.concatenate([steps, 100 + steps])[None, None]
    labels = np.repeat(["bacterial", "viral"], 8)
    falling = np.concatenate([-steps, 100 - steps])[None, None]  # rises between the classes, falls within each
    assert within_films(truth, truth, labels) == pytest.approx(1)
    assert within_films(falling, truth, labels) == pytest.approx(-1)
    assert np.isnan(within_films(np.ones_like(truth), truth, labels))
    assert np.isnan(within_films(truth[..., :4], truth[..., :4], labels[:4]))  # too few


def test_resamples_begin_with_what_was_measured() -> None:
    drawn = draw_resamples(2, 5, 3, 0)
    assert len(drawn) == 4
    assert (drawn[0][0].tolist(), drawn[0][1].tolist()) == ([0, 1], [0, 1, 2, 3, 4])


def test_a_measure_that_knows_the_truth_is_told_from_one_that_says_the_opposite() -> None:
    rng = np.random.default_rng(0)
    quality = np.array([0.9, 0.7, 0.5, 0.3])[None, :, None]
    truth, second = (quality + 0.02 * rng.standard_normal((2, 4, 16)) for _ in range(2))
    piles = {"truth": truth, "second": second, "good": truth + 0.01, "bad": -truth}
    methods, labels = ["a", "b", "c", "d"], np.repeat("viral", 16)
    table = compare_orders(piles, ["truth", "second"], labels, "truth", methods, 20, 0).set_index("measure")
    assert table["tau"].tolist() == [1, 1, 1, -1]
    assert table.loc["good", ["chooses", "its_rank"]].tolist() == ["a", 1]
    assert table.loc["bad", ["chooses", "its_rank"]].tolist() == ["d", 4]
    assert table.loc["good", "films"] == pytest.approx(1)
    assert np.isnan(table.loc["truth", "films"])
    assert (table["low"] <= table["tau"]).all()


def test_interval_is_left_out_where_there_is_none() -> None:
    assert interval(0.5, 0.4, 0.6) == "0.50 [0.40, 0.60]"
    assert interval(1.0, 1.0, 1.0, sign="+") == "+1.00"
    assert interval(1.0, np.nan, np.nan) == "1.00"
    assert interval(np.nan, 0, 1) == ""
