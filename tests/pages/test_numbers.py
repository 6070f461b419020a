"""Values as the pages say them."""

import numpy as np
import pytest

from hilum.pages.numbers import number, p_value, percent, setting


def test_numbers_have_a_true_minus_and_no_negative_zero():
    assert (number(-0.25), number(-0.0001), number(np.nan)) == ("−0.250", "0.000", "undefined")


@pytest.mark.parametrize(
    ("value", "said"),
    [(True, "true"), (np.False_, "false"), (0.0001, "0.0001"), (np.nan, "undefined"), (None, "none"), ([1], "[1]"), ("a", "a")],
)
def test_a_setting_is_said_as_params_yaml_has_it(value: object, said: str) -> None:
    assert setting(value) == said


def test_shares_and_p_values() -> None:
    assert (percent(0.244), percent(np.nan)) == ("24 %", "undefined")
    assert (p_value(0.0123), p_value(0.0001), p_value(np.nan)) == ("0.012", "< 0.001", "undefined")
