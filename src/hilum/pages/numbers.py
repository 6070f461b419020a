"""Values as text for the pages."""

from typing import Any

import numpy as np


def number(value: float, digits: int = 3) -> str:
    """`0.912` or `undefined`."""
    return "undefined" if np.isnan(value) else f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def bounded_text(value: float, low: float, high: float) -> str:
    """`0.412 (0.250 to 0.583)`, the value alone where it has no interval, or `undefined`."""
    return number(value) if np.isnan(value) or np.isnan(low) else f"{number(value)} ({number(low)} to {number(high)})"


def percent(value: float) -> str:
    """`24 %` or `undefined`."""
    return "undefined" if np.isnan(value) else f"{100 * value:.0f} %"


def setting(value: Any) -> str:
    """`true`, `0.001`, `none`, or the text itself."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float):
        return "undefined" if np.isnan(value) else f"{value:.6g}"
    return "none" if value is None else str(value)


def p_value(value: float) -> str:
    """`0.012`, `< 0.001` or `undefined`."""
    return "undefined" if np.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"
