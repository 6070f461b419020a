"""Differences as text."""

import numpy as np

from hilum.evaluation.signed_numbers import signed, signed_interval


def test_differences_have_a_true_minus_and_no_negative_zero() -> None:
    told = [signed(value) for value in (0.0124, -0.0124, -0.0004, 0.0, np.nan)]
    assert told == ["+0.012", "−0.012", "+0.000", "+0.000", "undefined"]
    assert signed(-1.005, 1) == "−1.0"


def test_an_interval_is_left_out_where_there_is_none() -> None:
    assert signed_interval(-0.1, -0.2, -0.0001) == "−0.100 [−0.200, +0.000]"
    assert signed_interval(0.1, np.nan, np.nan) == "+0.100" and signed_interval(np.nan, 0, 1) == "undefined"
