"""Intervals of several arms that hold together: wide enough for all, the plain one for one arm, undefined where nothing is."""

import numpy as np
import pytest

from hilum.evaluation.simultaneous import compare_at_once, simultaneous_intervals
from hilum.evaluation.statistics import Draws

NORMAL = np.random.default_rng(3).normal(size=(20, 1000))


def test_one_arm_has_the_plain_percentile_interval() -> None:
    found = simultaneous_intervals(NORMAL[:1], 0.95)
    assert found[0] == pytest.approx(np.quantile(NORMAL[0], [0.025, 0.975]))


def test_the_wanted_share_of_resamples_lies_within_all_intervals_at_once() -> None:
    found = simultaneous_intervals(NORMAL, 0.9)
    inside = ((found[:, :1] <= NORMAL) & (found[:, 1:] >= NORMAL)).all(axis=0).mean()
    assert 0.89 <= inside <= 0.93
    each = np.quantile(NORMAL, [0.05, 0.95], axis=1).T
    assert ((each[:, :1] <= NORMAL) & (each[:, 1:] >= NORMAL)).all(axis=0).mean() < 0.3, "plain intervals do not"
    assert (found[:, 0] < each[:, 0]).all() and (found[:, 1] > each[:, 1]).all()


def test_equal_arms_need_no_wider_intervals() -> None:
    found = simultaneous_intervals(np.repeat(NORMAL[:1], 5, axis=0), 0.95)
    assert found == pytest.approx(np.tile(np.quantile(NORMAL[0], [0.025, 0.975]), (5, 1)))


def test_an_undefined_difference_has_no_interval_and_leaves_the_others_alone() -> None:
    drawn = np.vstack([NORMAL[:2], np.full((1, 1000), np.nan)])
    found = simultaneous_intervals(drawn, 0.95)
    assert np.isnan(found[2]).all() and found[:2] == pytest.approx(simultaneous_intervals(NORMAL[:2], 0.95))


def test_judgements_follow_the_metrics_own_direction() -> None:
    names = ("accuracy", "brier")
    noise = NORMAL[:2].T * 0.01  # (B, M)
    draws = {
        "first": Draws(names, np.array([0.7, 0.3]), noise + np.array([0.7, 0.3])),
        "second": Draws(names, np.array([0.9, 0.5]), NORMAL[2:4].T * 0.01 + np.array([0.9, 0.5])),
        "same": Draws(names, np.array([0.7, 0.3]), NORMAL[4:6].T * 0.01 + np.array([0.7, 0.3])),
    }
    table = compare_at_once(draws, ["first", "second"], names, 0.95).set_index(["reference", "arm", "metric"])
    assert table.loc["first", "second", "accuracy"]["judgement"] == "better"
    assert table.loc["first", "second", "brier"]["judgement"] == "worse", "lower is better"
    assert table.loc["second", "first", "accuracy"]["judgement"] == "worse"
    assert table.loc["first", "same", "accuracy"]["judgement"] == "not distinguishable"
    assert table.loc["first", "second", "accuracy"]["difference"] == pytest.approx(0.2)
    assert len(table) == 2 * 2 * 2
