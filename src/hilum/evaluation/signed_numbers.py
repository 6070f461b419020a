"""Differences as text: always with a sign, a true minus, and no negative zero."""

import numpy as np


def signed(value: float, digits: int = 3) -> str:
    """`+0.012`, `−0.012` or `undefined`; what rounds to 0 is `+0.000`."""
    return "undefined" if np.isnan(value) else f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", "−")


def signed_interval(value: float, low: float, high: float) -> str:
    """`+0.049 [+0.020, +0.081]`, the value alone where it has no interval, or `undefined`."""
    return signed(value) if np.isnan(value) or np.isnan(low) else f"{signed(value)} [{signed(low)}, {signed(high)}]"
