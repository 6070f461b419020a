"""The probabilities of a prediction as bars, with the threshold on the bar that it is for."""

from collections.abc import Mapping
from html import escape
from typing import Any

from hilum.app.film_predictions import Predicted


def draw_bars(predicted: Predicted, described: Mapping[str, Any]) -> str:
    """HTML of a row per class: name, bar, percentage."""
    threshold = described["threshold"]
    rows = []
    for k, (name, share) in enumerate(zip(predicted.classes, predicted.probabilities, strict=True)):
        said = ' class="said"' if k == predicted.predicted else ""
        mark = threshold is not None and k == 1
        line = f'<u style="left: {threshold:.2%}" title="threshold {threshold:.1%}"></u>' if mark else ""
        bar = f'<div class="bar"><i{said} style="width: {share:.2%}"></i>{line}</div>'
        rows.append(f"<span>{escape(name)}</span>{bar}<em>{share:.1%}</em>")
    return f'<div class="hilum-bars">{"".join(rows)}</div>'
