"""The part of the comparison page on the audit: a verdict for every arm with its evidence and a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from hilum.audit.rule import FILMS
from hilum.evaluation.style import arm_colour
from hilum.pages.templates import render
from hilum.results import read_json

POINTS = {  # number -> label, and what it is; the rule reads the first and `spread`
    "around_probability": ("all surroundings exchanged", "shift of a probability"),
    "region_probability": ("outlined region exchanged", "shift of a probability"),
    "letter": ("a letter pasted in", "largest shift of a probability"),
    "accuracy": ("films as they are", "balanced accuracy"),
    "centre_only": ("centre only", "balanced accuracy"),
    "border_out": ("border blacked out", "balanced accuracy"),
    "markers_out": ("letters covered", "balanced accuracy"),
    "lungs_out": ("lungs hidden", "balanced accuracy"),
}


ENOUGH = 100  # films; below it the page warns


@dataclass(frozen=True)
class ArmAudit:
    """The audit of one arm: audit.json, and its picture as PNG."""

    found: Mapping[str, Any]
    picture: bytes


def read_audit(folder: Path) -> ArmAudit:
    """One arm's audit. Raises ValueError: the arm has not been audited."""
    return ArmAudit(read_json(folder / "audit.json"), (folder / "keys" / "audit.png").read_bytes())


def render_audit(audits: Mapping[str, ArmAudit]) -> Markup:
    """The section of the comparison page as HTML; audits: arm -> audit, in the page's order."""
    arms = list(audits)
    first = audits[arms[0]].found
    return render(
        "audit.html",
        colour={arm: arm_colour(arm, arms) for arm in arms},
        audits={arm: audit.found for arm, audit in audits.items()},
        pictures={arm: audit.picture for arm, audit in audits.items()},
        rows=POINTS,
        films=first["films"],
        enough=ENOUGH,
        frozen_on=FILMS,
        lungs=first["lungs"],
        outlines=first["numbers"]["outlines_auroc"],
    )


def audit_warnings(audits: Mapping[str, ArmAudit]) -> Sequence[str]:
    """A sentence for every arm whose verdict is shortcut."""
    return [
        f"{arm} is a shortcut model according to the audit (probability {audit.found['probability']:.2f}): exchanging a region "
        f"outside the lungs moves the probability of {audit.found['target']} by "
        f"{audit.found['numbers']['region_probability']:.1f} of at most 50 points"
        for arm, audit in audits.items()
        if audit.found["says"] == "shortcut"
    ]
