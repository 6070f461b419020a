"""Tables over every stored value: known results."""

import numpy as np
import pytest

from hilum.data.decoding.windowing import (
    Lookup,
    Window,
    apply_lookup,
    apply_window,
    count_patterns,
    list_values,
    look_up,
    window_percentiles,
)


def test_signed_patterns_are_twos_complement() -> None:
    assert list_values(8, signed=False).tolist() == list(range(256))
    assert list_values(8, signed=True).tolist() == [*range(128), *range(-128, 0)]


@pytest.mark.parametrize(
    ("function", "values", "brightness"),
    [
        ("LINEAR", [-1, 0, 50, 99, 100], [0, 0.5 - 49.5 / 99, 0.5 + 0.5 / 99, 1, 1]),  # centre 50, width 100: PS3.3 C.11.2.1.2.1
        ("LINEAR_EXACT", [-1, 0, 25, 50, 100, 101], [0, 0, 0.25, 0.5, 1, 1]),
        ("SIGMOID", [50, 75, -1e9, 1e9], [0.5, 1 / (1 + np.exp(-1)), 0, 1]),
    ],
)
def test_window_functions_by_hand(function: str, values: list[float], brightness: list[float]) -> None:
    found = apply_window(np.array(values, float), Window(50, 100, function))
    np.testing.assert_allclose(found, brightness, atol=1e-12)


@pytest.mark.parametrize(("function", "width"), [("LINEAR", 0.5), ("LINEAR", np.nan), ("LINEAR_EXACT", 0), ("SIGMOID", -3)])
def test_a_window_without_a_meaning_is_refused(function: str, width: float) -> None:
    with pytest.raises(ValueError, match=f"width of a {function} window must be"):
        apply_window(np.zeros(3), Window(50, width, function))


def test_a_table_holds_its_ends() -> None:
    lookup = Lookup(-2, np.array([5.0, 6.0, 9.0]), 9.0)
    assert apply_lookup(np.array([-9, -2, -1, 0, 7.0]), lookup).tolist() == [5, 5, 6, 9, 9]


def test_percentiles_count_pixels_not_values() -> None:
    values, counts = np.array([0.0, 10, 20, 30, 1000]), np.array([1, 400, 400, 400, 1])
    np.testing.assert_allclose(window_percentiles(values, counts), [0, 0, 0.5, 1, 1])
    np.testing.assert_allclose(window_percentiles(values[::-1], counts[::-1]), [1, 1, 0.5, 0, 0])
    assert window_percentiles(values, np.array([0, 7, 0, 0, 0])).max() == 0
    np.testing.assert_allclose(window_percentiles(values, np.array([0, 999, 1, 0, 0])), [0, 0, 1, 1, 1])  # two levels, one rare


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_strips_give_what_the_whole_gives(kind: type) -> None:
    patterns = np.random.default_rng(0).integers(0, 256, (300, 7)).astype(kind)
    table = np.arange(256, dtype=np.float32) / 3
    np.testing.assert_array_equal(look_up(table, patterns), table[patterns])
    np.testing.assert_array_equal(count_patterns(patterns, 8), np.bincount(patterns.ravel(), minlength=256))
