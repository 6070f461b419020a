"""Values of tables in the terms of the manifest: views, findings, sex, age, boxes."""

import json
import math
import re
from collections.abc import Iterable, Sequence

from hilum.records import JOINT

# A view as tables write it (in lower case, one blank) -> as the manifest does.
FRONTAL = {
    **dict.fromkeys(("pa", "posteroanterior", "p-a"), "PA"),
    **dict.fromkeys(("ap", "anteroposterior", "a-p"), "AP"),
    **dict.fromkeys(("ap supine", "aps", "supine"), "AP Supine"),
    **dict.fromkeys(("ap erect", "erect ap"), "AP Erect"),
    **dict.fromkeys(("ap semi erect", "ap semi-erect", "ap semierect"), "AP Semi Erect"),
    "frontal": "frontal",
}
LATERAL = ("l", "lateral", "lat", "ll", "rl", "left lateral", "right lateral", "lateral left", "lateral right")
OTHER_MODALITY = ("ct", "axial", "coronal", "sagittal", "mri", "mr", "us")  # in the column of the view, in old tables
X_RAY = ("x-ray", "xray", "x ray", "cxr", "cr", "dx")
UNTOLD = ("", "nan", "na", "n/a", "none", "null", "unknown", "unclear")  # no information, in any table

_AGE = re.compile(r"0*(\d{1,3}(?:\.\d+)?)\s*([ymwd]?)", re.IGNORECASE)
_YEARS = {"": 1.0, "y": 1.0, "m": 1 / 12, "w": 7 / 365.25, "d": 1 / 365.25}


def squeeze(text: str) -> str:
    """A word of a table for comparison: lower case, one blank between words, none around."""
    return " ".join(text.split()).casefold()


def read_view(text: str) -> tuple[str, str]:
    """The view in the manifest's terms, and the reason why the film is not taken (one of the two is empty, or both).

    A missing view is no reason: both are empty, and an empty view is a value of its own.
    """
    word = squeeze(text)
    if word in UNTOLD:
        return "", ""
    if word in FRONTAL:
        return FRONTAL[word], ""
    if word in LATERAL:
        return "", "lateral view"
    if word in OTHER_MODALITY:
        return "", "no X-ray film"
    return "", "view that no rule names"


def read_sex(text: str) -> str:
    """F or M; empty for anything else."""
    word = squeeze(text)
    return {"f": "F", "female": "F", "m": "M", "male": "M"}.get(word, "")


def read_age(text: str) -> str:
    """Years, from `58`, `58.0`, `058Y`, `006M`, `003W` or `010D`; empty for anything else and for more than 120 years."""
    match = _AGE.fullmatch(text.strip())
    years = float(match[1]) * _YEARS[match[2].lower()] if match else math.nan
    return f"{round(years, 2):g}" if years <= 120 else ""


def read_number(text: str) -> str:
    """A number without needless zeros (`21.0` is `21`); empty for anything else."""
    try:
        value = float(text)
    except ValueError:
        return ""
    return f"{value:g}" if math.isfinite(value) else ""


def join_findings(findings: Iterable[str]) -> str:
    """Findings of one film as the manifest writes them: trimmed, each once, in order, joined by JOINT."""
    return JOINT.join(dict.fromkeys(part for finding in findings if (part := " ".join(finding.split()))))


def split_findings(text: str, separators: str) -> str:
    """Findings from one cell: `COVID-19, ARDS` with the separator `,`. separators: characters, each of which separates."""
    return join_findings(re.split(f"[{re.escape(separators)}]", text) if separators else [text])


def read_boxes(text: str) -> list[list[float]]:
    """Boxes from a cell with a JSON list `[[x, y, width, height], ...]` or one such box; none from an empty cell.

    Raises:
        ValueError: anything else.
    """
    if squeeze(text) in UNTOLD:
        return []
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = None
    boxes = [value] if isinstance(value, list) and value and not isinstance(value[0], list) else value
    if not isinstance(boxes, list):
        raise ValueError(f"boxes must be a JSON list of [x, y, width, height], got {text!r}")
    return [make_box(box) for box in boxes]


def make_box(values: Sequence[object]) -> list[float]:
    """A box of four numbers. Raises ValueError unless x and y are at least 0, and width and height above 0."""
    try:
        x, y, width, height = (float(str(value)) for value in values)
        legal = x >= 0 and y >= 0 and width > 0 and height > 0 and math.isfinite(x + y + width + height)
    except (ValueError, TypeError):
        legal = False
    if not legal:
        raise ValueError(f"a box must be four numbers x, y >= 0 and width, height > 0 in pixels, got {list(values)!r}")
    return [round(x, 3), round(y, 3), round(width, 3), round(height, 3)]


def write_boxes(boxes: Sequence[Sequence[float]], findings: Sequence[str]) -> tuple[str, str]:
    """The manifest's columns boxes and box_findings; both empty without a box, the second one if no finding is given."""
    if not boxes:
        return "", ""
    return json.dumps([list(box) for box in boxes]), json.dumps(list(findings)) if any(findings) else ""
